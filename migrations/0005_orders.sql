-- Buying: one checkout is one payment; one order is one line of it; one licence is what an order gives.
SET ROLE mywork_migrate;

-- The versioned schedule (PAY-09). `rules` is read by `orders/commission.rs`; an order keeps the rate it was sold at.
CREATE TABLE commission_schedules (
  id              uuid PRIMARY KEY,
  version         int NOT NULL,
  effective_from  timestamptz NOT NULL,
  rules           jsonb NOT NULL,
  CONSTRAINT commission_schedules_version_key UNIQUE (version)
);
CALL app_protect('commission_schedules', 'true');

-- open → paying → paid | failed | expired (24 h)
CREATE TABLE checkouts (
  id                   uuid PRIMARY KEY,
  buyer_id             uuid NOT NULL REFERENCES users,
  state                text NOT NULL DEFAULT 'open',
  currency             text NOT NULL DEFAULT 'usd',
  total_cents          bigint NOT NULL,
  processor_fee_cents  bigint NOT NULL,                -- borne by the platform, shown to everybody
  payment_intent_id    text,
  client_secret        text,
  failure_code         text,
  failure_message      text,
  created_at           timestamptz NOT NULL,
  expires_at           timestamptz NOT NULL,
  paid_at              timestamptz,
  CONSTRAINT checkouts_payment_intent_key UNIQUE (payment_intent_id),
  CONSTRAINT checkouts_state CHECK (state IN ('open', 'paying', 'paid', 'failed', 'expired')),
  CONSTRAINT checkouts_total CHECK (total_cents >= 0)
);
CREATE INDEX checkouts_buyer_idx ON checkouts (buyer_id, created_at DESC);
-- Prices, payments and states are the system's to write; a buyer may look.
CALL app_protect('checkouts', 'buyer_id = app_user_id()');

CREATE SEQUENCE order_numbers;

-- pending → paid → fulfilled → partially_refunded | refunded | disputed; pending → failed
CREATE TABLE orders (
  id                   uuid PRIMARY KEY,
  number               text NOT NULL,                  -- 'MW-2026-00047'
  checkout_id          uuid NOT NULL REFERENCES checkouts,
  buyer_id             uuid NOT NULL REFERENCES users,
  seller_id            uuid NOT NULL REFERENCES users,
  product_id           uuid NOT NULL REFERENCES products,
  version_id           uuid REFERENCES product_versions, -- the version that was current when it was bought
  product_title        text NOT NULL,                  -- as it was sold
  licence              text NOT NULL,
  max_downloads        int NOT NULL DEFAULT 10,        -- terms of the licence as they were offered to this buyer
  update_months        int,                            -- NULL: always
  state                text NOT NULL DEFAULT 'pending',
  currency             text NOT NULL DEFAULT 'usd',
  amount_cents         bigint NOT NULL,
  commission_schedule  int NOT NULL,
  commission_bps       int NOT NULL,                   -- hundredths of a per cent, frozen
  platform_fee_cents   bigint NOT NULL,
  seller_cents         bigint NOT NULL,
  processor_fee_cents  bigint NOT NULL,                -- this line's share of the checkout's
  created_at           timestamptz NOT NULL,
  paid_at              timestamptz,
  fulfilled_at         timestamptz,
  hold_until           timestamptz,
  hold_released_at     timestamptz,
  CONSTRAINT orders_number_key UNIQUE (number),
  CONSTRAINT orders_line_key UNIQUE (checkout_id, product_id, licence),
  CONSTRAINT orders_state CHECK (state IN ('pending', 'paid', 'fulfilled', 'partially_refunded', 'refunded', 'disputed', 'failed')),
  CONSTRAINT orders_parts CHECK (platform_fee_cents + seller_cents = amount_cents AND platform_fee_cents >= 0 AND seller_cents >= 0),
  CONSTRAINT orders_not_own CHECK (buyer_id <> seller_id)
);
CREATE INDEX orders_buyer_idx ON orders (buyer_id, created_at DESC, id DESC);
CREATE INDEX orders_seller_idx ON orders (seller_id, created_at DESC, id DESC);
CREATE INDEX orders_product_idx ON orders (product_id, state);
CREATE INDEX orders_hold_idx ON orders (hold_until) WHERE hold_released_at IS NULL AND hold_until IS NOT NULL;
CALL app_protect('orders', 'buyer_id = app_user_id() OR seller_id = app_user_id()');

-- The timeline of an order, naming the jobs behind it (ORDER-05).
CREATE TABLE order_events (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id  uuid NOT NULL REFERENCES orders,
  at        timestamptz NOT NULL,
  kind      text NOT NULL,                             -- 'paid', 'fulfilled', 'downloaded'
  detail    text NOT NULL DEFAULT '',
  job_id    bigint,
  job_kind  text,                                      -- 'orders.fulfil'; outlives the job's own row
  once_key  text,                                      -- an event that may happen only once carries a key
  CONSTRAINT order_events_once UNIQUE (order_id, once_key)
);
CALL app_protect('order_events', 'EXISTS (SELECT FROM orders o WHERE o.id = order_id)',
  'EXISTS (SELECT FROM orders o WHERE o.id = order_id AND o.buyer_id = app_user_id())');

-- What happened stays: the buyer's own transaction adds to the timeline and never rewrites it.
REVOKE UPDATE, DELETE ON order_events FROM mywork_web;

CREATE TABLE licences (
  id              uuid PRIMARY KEY,
  order_id        uuid NOT NULL REFERENCES orders,
  owner_id        uuid NOT NULL REFERENCES users,
  product_id      uuid NOT NULL REFERENCES products,
  licence         text NOT NULL,
  key             text NOT NULL,                       -- 'MW-XXXXX-XXXXX-XXXXX-XXXXX'
  state           text NOT NULL DEFAULT 'active',
  max_downloads   int NOT NULL,                        -- per version
  updates_until   timestamptz,                         -- NULL: always
  created_at      timestamptz NOT NULL,
  revoked_at      timestamptz,
  revoked_reason  text,
  revoked_by      uuid REFERENCES users,               -- NULL: the system, as a refund does
  CONSTRAINT licences_order_key UNIQUE (order_id),
  CONSTRAINT licences_key_key UNIQUE (key),
  CONSTRAINT licences_state CHECK (state IN ('active', 'revoked'))
);
CREATE INDEX licences_owner_idx ON licences (owner_id, created_at DESC);
CREATE INDEX licences_product_idx ON licences (product_id, owner_id);
CALL app_protect('licences', 'owner_id = app_user_id()');

-- Counted in one row per licence and version, so that two clicks at once cannot both take the last download.
CREATE TABLE licence_downloads (
  licence_id   uuid NOT NULL REFERENCES licences,
  version_id   uuid NOT NULL REFERENCES product_versions,
  count        int NOT NULL,
  last_at      timestamptz NOT NULL,
  CONSTRAINT licence_downloads_pkey PRIMARY KEY (licence_id, version_id)
);
CALL app_protect('licence_downloads', 'EXISTS (SELECT FROM licences l WHERE l.id = licence_id)',
  'EXISTS (SELECT FROM licences l WHERE l.id = licence_id AND l.owner_id = app_user_id())');

-- Nobody resets their own count: the row stays, and its number only grows.
REVOKE DELETE ON licence_downloads FROM mywork_web;
CREATE FUNCTION licence_downloads_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'downloads are counted up, never down' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER only_grow BEFORE UPDATE ON licence_downloads FOR EACH ROW WHEN (NEW.count < OLD.count)
  EXECUTE FUNCTION licence_downloads_only_grow();

-- The devices a licence's key was entered on, each holding a seat until it is released. They are written for programs that
-- hold the key and have no session, so only the system writes here; the buyer's own transaction looks.
CREATE TABLE licence_activations (
  id             uuid PRIMARY KEY,
  licence_id     uuid NOT NULL REFERENCES licences,
  device         text NOT NULL,                        -- the program's own fingerprint of the machine
  name           text NOT NULL DEFAULT '',             -- as its user knows it
  first_seen_at  timestamptz NOT NULL,
  last_seen_at   timestamptz NOT NULL,
  released_at    timestamptz,
  CONSTRAINT licence_activations_device_key UNIQUE (licence_id, device),
  CONSTRAINT licence_activations_device_length CHECK (char_length(device) BETWEEN 1 AND 200),
  CONSTRAINT licence_activations_name_length CHECK (char_length(name) <= 100)
);
CREATE INDEX licence_activations_seats_idx ON licence_activations (licence_id, last_seen_at DESC) WHERE released_at IS NULL;
CALL app_protect('licence_activations', 'EXISTS (SELECT FROM licences l WHERE l.id = licence_id AND l.owner_id = app_user_id())');

-- A catalogue page needs no actor: what is active is public. The owner sees their own in every state, and so does who
-- bought it.
CALL app_protect('products',
  'state = ''active'' OR seller_id = app_user_id()
   OR EXISTS (SELECT FROM licences l WHERE l.product_id = products.id AND l.owner_id = app_user_id())',
  'seller_id = app_user_id()');
CALL app_protect('product_licences',
  'EXISTS (SELECT FROM products p WHERE p.id = product_id)',
  'EXISTS (SELECT FROM products p WHERE p.id = product_id AND p.seller_id = app_user_id())');
CALL app_protect('product_images',
  'EXISTS (SELECT FROM products p WHERE p.id = product_id)',
  'EXISTS (SELECT FROM products p WHERE p.id = product_id AND p.seller_id = app_user_id())');
CALL app_protect('version_checks', 'EXISTS (SELECT FROM product_versions v JOIN products p ON p.id = v.product_id WHERE v.id = version_id AND p.seller_id = app_user_id())',
  'EXISTS (SELECT FROM product_versions v JOIN products p ON p.id = v.product_id WHERE v.id = version_id AND p.seller_id = app_user_id())');
CALL app_protect('findings', 'EXISTS (SELECT FROM product_versions v JOIN products p ON p.id = v.product_id WHERE v.id = version_id AND p.seller_id = app_user_id())');

-- Released versions are for everybody to list; the rest for the seller; a licence reads on after a product is gone.
CALL app_protect('product_versions',
  'EXISTS (SELECT FROM products p WHERE p.id = product_id AND (p.seller_id = app_user_id() OR (p.state = ''active'' AND product_versions.state = ''released'')))
   OR EXISTS (SELECT FROM licences l WHERE l.product_id = product_versions.product_id AND l.owner_id = app_user_id())',
  'EXISTS (SELECT FROM products p WHERE p.id = product_id AND p.seller_id = app_user_id())');

CREATE TABLE reviews (
  id          uuid PRIMARY KEY,
  order_id    uuid NOT NULL REFERENCES orders,
  product_id  uuid NOT NULL REFERENCES products,
  author_id   uuid NOT NULL REFERENCES users,
  rating      smallint NOT NULL,
  title       text NOT NULL DEFAULT '',
  body        text NOT NULL DEFAULT '',
  created_at  timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL,
  CONSTRAINT reviews_order_key UNIQUE (order_id),
  CONSTRAINT reviews_rating_range CHECK (rating BETWEEN 1 AND 5),
  CONSTRAINT reviews_body_length CHECK (char_length(body) <= 5000)
);
CREATE INDEX reviews_product_idx ON reviews (product_id, created_at DESC, id DESC);
CALL app_protect('reviews', 'true', 'author_id = app_user_id()');

RESET ROLE;
