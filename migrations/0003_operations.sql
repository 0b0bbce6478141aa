-- What keeps the house in order: audit, limits, idempotency, the inbox of webhooks and the outbox of e-mails.
SET ROLE mywork_migrate;

-- Append-only for every role (SEC-06). People appear by id, so that erasure stays possible.
CREATE TABLE audit_log (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at            timestamptz NOT NULL,
  actor_id      uuid,                                  -- NULL: the system
  action        text NOT NULL,                         -- 'product.approve'
  subject_kind  text NOT NULL,
  subject_id    text NOT NULL,
  before        jsonb,
  after         jsonb,
  reason        text,
  ip            text,
  request_id    text
);
CREATE INDEX audit_log_subject_idx ON audit_log (subject_kind, subject_id, id);
CALL app_protect('audit_log', 'false');
CREATE POLICY web_append ON audit_log FOR INSERT TO mywork_web WITH CHECK (actor_id IS NOT DISTINCT FROM app_user_id());
CALL app_append_only('audit_log');

-- Fixed windows shared by all web processes (SEC-05). Losing it in a crash loses nothing but a minute's counts.
CREATE UNLOGGED TABLE rate_limits (
  key           text NOT NULL,
  window_start  timestamptz NOT NULL,
  count         int NOT NULL,
  CONSTRAINT rate_limits_pkey PRIMARY KEY (key, window_start)
);

-- `Idempotency-Key` of API mutations: the first answer, replayed for 24 hours. `status` is NULL while the first is running.
CREATE TABLE idempotency_keys (
  actor         text NOT NULL,                         -- user id, or address of an anonymous caller
  key           text NOT NULL,
  request_hash  bytea NOT NULL,
  status        smallint,
  body          bytea,
  created_at    timestamptz NOT NULL,
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_keys_created_idx ON idempotency_keys (created_at);
CALL app_protect('idempotency_keys', 'false');

-- Every webhook as it came, once (ORDER-07). The payload is the text that was signed.
CREATE TABLE webhook_events (
  id            uuid PRIMARY KEY,
  source        text NOT NULL,
  event_id      text NOT NULL,
  kind          text NOT NULL,
  payload       text NOT NULL,
  state         text NOT NULL DEFAULT 'received',
  error         text,
  received_at   timestamptz NOT NULL,
  processed_at  timestamptz,
  CONSTRAINT webhook_events_once UNIQUE (source, event_id),
  CONSTRAINT webhook_events_source CHECK (source IN ('stripe', 'stripe_connect', 'clerk', 'resend')),
  CONSTRAINT webhook_events_state CHECK (state IN ('received', 'processed', 'ignored', 'failed'))
);
CALL app_protect('webhook_events', 'false');

-- Every e-mail we mean to send, once: `dedupe_key` is the message ('order/<id>/receipt'), `id` the key given to Resend.
CREATE TABLE emails (
  id           uuid PRIMARY KEY,
  dedupe_key   text NOT NULL,
  template     text NOT NULL,                          -- templates/emails/<template>.{subject,txt,html}
  to_address   text NOT NULL,
  user_id      uuid REFERENCES users,
  context      jsonb NOT NULL,
  state        text NOT NULL DEFAULT 'queued',
  provider_id  text,
  error        text,
  created_at   timestamptz NOT NULL,
  sent_at      timestamptz,
  CONSTRAINT emails_dedupe_key_key UNIQUE (dedupe_key),
  CONSTRAINT emails_state CHECK (state IN ('queued', 'sent', 'failed', 'bounced'))
);
CREATE INDEX emails_user_idx ON emails (user_id, created_at);
CREATE INDEX emails_provider_idx ON emails (provider_id) WHERE provider_id IS NOT NULL;
CALL app_protect('emails', 'user_id = app_user_id()');

-- A call to a vendor, written and committed before it is made (spec 3, "Before each call to Stripe").
CREATE TABLE vendor_commands (
  id               uuid PRIMARY KEY,
  vendor           text NOT NULL,
  subject_kind     text NOT NULL,
  subject_id       uuid NOT NULL,
  step             text NOT NULL,                      -- 'create_payment_intent'
  generation       int NOT NULL DEFAULT 1,
  idempotency_key  text NOT NULL,
  request          jsonb NOT NULL,
  state            text NOT NULL DEFAULT 'pending',
  response         jsonb,
  created_at       timestamptz NOT NULL,
  finished_at      timestamptz,
  CONSTRAINT vendor_commands_once UNIQUE (vendor, subject_kind, subject_id, step, generation),
  CONSTRAINT vendor_commands_idempotency_key_key UNIQUE (idempotency_key),
  CONSTRAINT vendor_commands_state CHECK (state IN ('pending', 'succeeded', 'failed'))
);
CALL app_protect('vendor_commands', 'false');

RESET ROLE;
