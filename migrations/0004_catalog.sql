-- What is for sale: products, their versions and files, the checks each version passed.
SET ROLE mywork_migrate;

-- array_to_string is only STABLE (it might format dates); over text it never changes, and a generated column needs that said.
CREATE FUNCTION immutable_text_join(text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN array_to_string($1, ' ');

-- Words to compare without regard to how they were capitalised.
CREATE FUNCTION immutable_lower(text[]) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (SELECT coalesce(array_agg(lower(word)), '{}') FROM unnest($1) word);

CREATE TABLE categories (
  id           uuid PRIMARY KEY,
  parent_id    uuid REFERENCES categories,
  kind         text NOT NULL,                          -- kind of product it holds
  slug         text NOT NULL,
  name         text NOT NULL,
  description  text NOT NULL DEFAULT '',
  position     int NOT NULL DEFAULT 0,
  CONSTRAINT categories_slug_key UNIQUE (slug),
  CONSTRAINT categories_kind CHECK (kind IN ('code', 'prompt', 'bundle'))
);
CALL app_protect('categories', 'true');

-- draft → pending → active; besides rejected, paused, suspended, deleted (PROD-03).
CREATE TABLE products (
  id                  uuid PRIMARY KEY,
  seller_id           uuid NOT NULL REFERENCES users,
  kind                text NOT NULL DEFAULT 'code',
  state               text NOT NULL DEFAULT 'draft',
  slug                text NOT NULL,
  title               text NOT NULL,
  short_description   text NOT NULL DEFAULT '',
  description         text NOT NULL DEFAULT '',        -- Markdown
  category_id         uuid REFERENCES categories,
  framework           text NOT NULL DEFAULT '',
  requirements        text NOT NULL DEFAULT '',        -- Markdown
  demo_url            text,
  docs_url            text,
  tech_stack          text[] NOT NULL DEFAULT '{}',
  tags                text[] NOT NULL DEFAULT '{}',
  technologies        text[] GENERATED ALWAYS AS (immutable_lower(tech_stack)) STORED, -- what filters compare
  price_cents         bigint NOT NULL DEFAULT 0,       -- the lowest offered licence: what lists show, filter and sort by
  currency            text NOT NULL DEFAULT 'usd',
  current_version_id  uuid,                            -- the newest released version
  rejection_reason    text,
  suspended_with_seller boolean NOT NULL DEFAULT false, -- back on sale when the seller is reinstated
  featured_until      timestamptz,
  created_at          timestamptz NOT NULL,
  updated_at          timestamptz NOT NULL,
  submitted_at        timestamptz,
  published_at        timestamptz,
  deleted_at          timestamptz,
  search              tsvector GENERATED ALWAYS AS (
                        -- stemmed for whole words, and as written for the beginnings of words
                        setweight(to_tsvector('english', title) || to_tsvector('simple', title), 'A') ||
                        setweight(to_tsvector('english', immutable_text_join(tags || tech_stack)) ||
                                  to_tsvector('simple', immutable_text_join(tags || tech_stack)), 'B') ||
                        setweight(to_tsvector('english', short_description), 'C') ||
                        setweight(to_tsvector('english', description), 'D')) STORED,
  CONSTRAINT products_slug_key UNIQUE (slug),
  CONSTRAINT products_kind CHECK (kind IN ('code', 'prompt', 'bundle')),
  CONSTRAINT products_state CHECK (state IN ('draft', 'pending', 'active', 'rejected', 'paused', 'suspended', 'deleted')),
  CONSTRAINT products_suspended_with_seller CHECK (NOT suspended_with_seller OR state = 'suspended'),
  CONSTRAINT products_title_length CHECK (char_length(title) BETWEEN 10 AND 200),
  CONSTRAINT products_short_description_length CHECK (char_length(short_description) <= 500),
  CONSTRAINT products_description_length CHECK (char_length(description) <= 10000),
  CONSTRAINT products_tech_stack_count CHECK (cardinality(tech_stack) <= 10),
  CONSTRAINT products_tags_count CHECK (cardinality(tags) <= 20),
  CONSTRAINT products_price_range CHECK (price_cents BETWEEN 0 AND 1000000)
);
CREATE INDEX products_seller_idx ON products (seller_id, updated_at DESC);
CREATE INDEX products_newest_idx ON products (published_at DESC, id DESC) WHERE state = 'active';
CREATE INDEX products_price_idx ON products (price_cents, id) WHERE state = 'active';
CREATE INDEX products_category_idx ON products (category_id, published_at DESC, id DESC) WHERE state = 'active';
CREATE INDEX products_search_idx ON products USING gin (search);
CREATE INDEX products_technologies_idx ON products USING gin (technologies);
CREATE INDEX products_pending_idx ON products (submitted_at, id) WHERE state = 'pending';

-- Every slug a product ever had; old ones redirect (PROD-04).
CREATE TABLE product_slugs (
  slug        text PRIMARY KEY,
  product_id  uuid NOT NULL REFERENCES products,
  created_at  timestamptz NOT NULL
);
CALL app_protect('product_slugs', 'true', 'EXISTS (SELECT FROM products p WHERE p.id = product_id AND p.seller_id = app_user_id())');

-- Counters that change with every visit live apart from the row that everybody reads.
CREATE TABLE product_stats (
  product_id    uuid PRIMARY KEY REFERENCES products,
  views         bigint NOT NULL DEFAULT 0,
  sales         bigint NOT NULL DEFAULT 0,
  rating_sum    bigint NOT NULL DEFAULT 0,
  rating_count  bigint NOT NULL DEFAULT 0,
  rating_average numeric(3, 2) GENERATED ALWAYS AS (round(rating_sum::numeric / NULLIF(rating_count, 0), 2)) STORED
);
CALL app_protect('product_stats', 'true');

-- What a buyer may choose (PROD-11, table "Licences" of spec 3); a seller may tighten the defaults.
CREATE TABLE product_licences (
  product_id      uuid NOT NULL REFERENCES products,
  licence         text NOT NULL,
  price_cents     bigint NOT NULL,
  price_credits   bigint,                              -- NULL: not sold for credits
  max_downloads   int NOT NULL,                        -- per version
  update_months   int,                                 -- NULL: always
  CONSTRAINT product_licences_pkey PRIMARY KEY (product_id, licence),
  CONSTRAINT product_licences_licence CHECK (licence IN ('standard', 'extended', 'enterprise')),
  CONSTRAINT product_licences_price_range CHECK (price_cents BETWEEN 0 AND 1000000),
  CONSTRAINT product_licences_max_downloads CHECK (max_downloads > 0)
);

-- A file that a browser sends straight to storage: ≤ 100 MB in one PUT, more in parts (PROD-08).
--   created → completed (the worker takes it from there) | aborted
CREATE TABLE uploads (
  id            uuid PRIMARY KEY,
  owner_id      uuid NOT NULL REFERENCES users,
  purpose       text NOT NULL,
  product_id    uuid REFERENCES products,              -- NULL for a person's picture of themselves
  key           text NOT NULL,                         -- quarantine key, unguessable
  multipart_id  text,                                  -- the storage's upload id, NULL for a single PUT
  part_size     bigint,
  file_name     text NOT NULL,
  content_type  text NOT NULL,
  size_bytes    bigint NOT NULL,                       -- as announced; the worker measures again
  state         text NOT NULL DEFAULT 'created',
  created_at    timestamptz NOT NULL,
  completed_at  timestamptz,
  settled_at    timestamptz,                           -- an avatar: when the job had done what was to be done with it,
  rejection     text,                                  -- and why it is not shown; other files say so in rows of their own
  CONSTRAINT uploads_key_key UNIQUE (key),
  CONSTRAINT uploads_purpose CHECK (purpose IN ('package', 'image', 'avatar')),
  CONSTRAINT uploads_product CHECK ((purpose = 'avatar') = (product_id IS NULL)),
  CONSTRAINT uploads_state CHECK (state IN ('created', 'completed', 'aborted')),
  CONSTRAINT uploads_size CHECK (size_bytes > 0 AND size_bytes <= CASE purpose
    WHEN 'package' THEN 524288000
    WHEN 'avatar' THEN 2097152
    ELSE 10485760
  END)
);
CREATE INDEX uploads_owner_idx ON uploads (owner_id, created_at DESC);
CALL app_protect('uploads', 'owner_id = app_user_id()', 'owner_id = app_user_id()');

-- received (in quarantine) → quarantined (copied to its immutable key, hashed) → checked → released | rejected.
CREATE TABLE product_versions (
  id              uuid PRIMARY KEY,
  product_id      uuid NOT NULL REFERENCES products,
  upload_id       uuid REFERENCES uploads,
  number          text NOT NULL,                       -- '1.2.0'
  changelog       text NOT NULL DEFAULT '',            -- Markdown
  state           text NOT NULL DEFAULT 'received',
  file_name       text NOT NULL,
  size_bytes      bigint,
  sha256          bytea,
  object_key      text,                                -- immutable copy; what is scanned is what is sold (SEC-03)
  bill_of_materials jsonb,                             -- CycloneDX
  files           jsonb,                               -- [{"path": "README.md", "size": 812}], by path
  detected_stack  text[] NOT NULL DEFAULT '{}',
  file_count      int,
  unpacked_bytes  bigint,
  rejection       text,
  created_at      timestamptz NOT NULL,
  released_at     timestamptz,
  CONSTRAINT product_versions_upload_key UNIQUE (upload_id),
  CONSTRAINT product_versions_number_format CHECK (number ~ '^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$'),
  CONSTRAINT product_versions_state CHECK (state IN ('received', 'quarantined', 'checked', 'rejected', 'released'))
);
ALTER TABLE products ADD CONSTRAINT products_current_version_fk FOREIGN KEY (current_version_id) REFERENCES product_versions;
CREATE INDEX product_versions_product_idx ON product_versions (product_id, created_at DESC);
-- Versions on their way, for the sweep that looks whether somebody is at each of them.
CREATE INDEX product_versions_open_idx ON product_versions (id) WHERE state IN ('received', 'quarantined', 'checked');
-- A number that was refused may be used again by the mended package.
CREATE UNIQUE INDEX product_versions_number_key ON product_versions (product_id, number) WHERE state <> 'rejected';

-- The publish workflow as the seller watches it (SCAN-03).
CREATE TABLE version_checks (
  version_id   uuid NOT NULL REFERENCES product_versions,
  step         text NOT NULL,
  state        text NOT NULL DEFAULT 'waiting',
  detail       text NOT NULL DEFAULT '',
  started_at   timestamptz,
  finished_at  timestamptz,
  CONSTRAINT version_checks_pkey PRIMARY KEY (version_id, step),
  CONSTRAINT version_checks_step CHECK (step IN ('quarantine', 'validate', 'scan', 'approval', 'release')),
  CONSTRAINT version_checks_state CHECK (state IN ('waiting', 'running', 'passed', 'failed', 'skipped'))
);
-- The approval queue, oldest first.
CREATE INDEX version_checks_approval_idx ON version_checks (started_at, version_id) WHERE step = 'approval' AND state = 'running';

CREATE TABLE findings (
  id          uuid PRIMARY KEY,
  version_id  uuid NOT NULL REFERENCES product_versions,
  step        text NOT NULL,
  severity    text NOT NULL,
  rule        text NOT NULL,
  title       text NOT NULL,
  path        text,
  line        int,
  excerpt     text,                                    -- secrets masked
  remedy      text NOT NULL,
  CONSTRAINT findings_severity CHECK (severity IN ('blocker', 'review', 'info'))
);
CREATE INDEX findings_version_idx ON findings (version_id, severity);

CREATE TABLE product_images (
  id          uuid PRIMARY KEY,
  product_id  uuid NOT NULL REFERENCES products,
  upload_id   uuid REFERENCES uploads,
  position    int NOT NULL,
  state       text NOT NULL DEFAULT 'received',
  alt         text NOT NULL DEFAULT '',
  width       int,
  height      int,
  variants    jsonb NOT NULL DEFAULT '[]',             -- [{"name": "card", "key": "public/…", "width": 640, "height": 400}]
  error       text,
  created_at  timestamptz NOT NULL,
  CONSTRAINT product_images_upload_key UNIQUE (upload_id),
  CONSTRAINT product_images_state CHECK (state IN ('received', 'ready', 'rejected'))
);
CREATE INDEX product_images_product_idx ON product_images (product_id, position);

RESET ROLE;
