-- People. `users` is what the world may see of a person; `accounts` is what only they, the system and an admin may.
SET ROLE mywork_migrate;

CREATE TABLE users (
  id            uuid PRIMARY KEY,
  username      text NOT NULL,
  display_name  text NOT NULL,
  bio           text NOT NULL DEFAULT '',
  avatar_key    text,
  links         jsonb NOT NULL DEFAULT '[]',         -- [{"label": "GitHub", "url": "https://…"}]
  created_at    timestamptz NOT NULL,
  updated_at    timestamptz NOT NULL,
  deleted_at    timestamptz,
  CONSTRAINT users_username_format CHECK (username ~ '^[a-z0-9_-]{3,50}$'),
  CONSTRAINT users_display_name_length CHECK (char_length(display_name) BETWEEN 1 AND 100),
  CONSTRAINT users_bio_length CHECK (char_length(bio) <= 2000)
);
CREATE UNIQUE INDEX users_username_key ON users (username);
CREATE INDEX users_newest_idx ON users (created_at DESC, id DESC);
CALL app_protect('users', 'true', 'id = app_user_id()');

CREATE TABLE accounts (
  user_id            uuid PRIMARY KEY REFERENCES users,
  email              text NOT NULL,
  email_verified_at  timestamptz,
  password_hash      text,                            -- argon2id, PHC string; NULL when an outside provider signs in
  external_id        text,                            -- the provider's subject (Clerk `user_…`)
  external_seen_at   timestamptz,                     -- the provider's time of the news we follow: older news changes nothing
  is_admin           boolean NOT NULL DEFAULT false,
  status             text NOT NULL DEFAULT 'active',
  status_reason      text,                            -- why somebody was suspended, in words they are shown
  terms_version      text,                            -- the terms accepted at sign-up, and when
  terms_accepted_at  timestamptz,
  failed_sign_ins    int NOT NULL DEFAULT 0,
  locked_until       timestamptz,
  created_at         timestamptz NOT NULL,
  updated_at         timestamptz NOT NULL,
  CONSTRAINT accounts_status CHECK (status IN ('active', 'suspended', 'deleted'))
);
CREATE UNIQUE INDEX accounts_email_key ON accounts (lower(email));
CREATE UNIQUE INDEX accounts_external_id_key ON accounts (external_id) WHERE external_id IS NOT NULL;
CALL app_protect('accounts', 'user_id = app_user_id()');

-- A person who sells. Verification: none → basic (e-mail and payout account) → verified → premium (SELLER-07).
CREATE TABLE sellers (
  user_id       uuid PRIMARY KEY REFERENCES users,
  verification  text NOT NULL DEFAULT 'none',
  headline      text NOT NULL DEFAULT '',
  created_at    timestamptz NOT NULL,
  CONSTRAINT sellers_verification CHECK (verification IN ('none', 'basic', 'verified', 'premium'))
);
CALL app_protect('sellers', 'true');

CREATE TABLE sessions (
  id            uuid PRIMARY KEY,
  user_id       uuid NOT NULL REFERENCES users,
  refresh_hash  bytea NOT NULL,                       -- SHA-256 of the refresh cookie; the cookie itself is never stored
  user_agent    text NOT NULL DEFAULT '',
  ip            text NOT NULL DEFAULT '',
  created_at    timestamptz NOT NULL,
  last_seen_at  timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL,
  revoked_at    timestamptz
);
CREATE UNIQUE INDEX sessions_refresh_hash_key ON sessions (refresh_hash);
CREATE INDEX sessions_user_idx ON sessions (user_id, last_seen_at DESC) WHERE revoked_at IS NULL;
CALL app_protect('sessions', 'user_id = app_user_id()', 'user_id = app_user_id()');

-- Links sent by e-mail (AUTH-09): single use, hashed, short-lived.
CREATE TABLE email_tokens (
  id          uuid PRIMARY KEY,
  user_id     uuid NOT NULL REFERENCES users,
  purpose     text NOT NULL,
  token_hash  bytea NOT NULL,
  email       text NOT NULL,                          -- the address being proved
  created_at  timestamptz NOT NULL,
  expires_at  timestamptz NOT NULL,
  used_at     timestamptz,
  CONSTRAINT email_tokens_purpose CHECK (purpose IN ('verify', 'reset', 'change_old', 'change_new'))
);
CREATE UNIQUE INDEX email_tokens_token_hash_key ON email_tokens (token_hash);
CREATE INDEX email_tokens_user_idx ON email_tokens (user_id, purpose) WHERE used_at IS NULL;
CALL app_protect('email_tokens', 'false');

-- Keys that sign our own session tokens; the public halves are our JWKS.
CREATE TABLE signing_keys (
  kid          text PRIMARY KEY,
  private_der  bytea NOT NULL,                        -- PKCS#8
  public_jwk   jsonb NOT NULL,
  created_at   timestamptz NOT NULL,
  retires_at   timestamptz
);
CALL app_protect('signing_keys', 'false');

RESET ROLE;
