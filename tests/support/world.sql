-- One row of everything (see tests/row_security.rs). Alice a11c sells, Bob 0b0b bought, Carol ca1 is a stranger.
INSERT INTO users (id, username, display_name, created_at, updated_at) VALUES
  ('00000000-0000-7000-8000-00000000a11c', 'alice', 'Alice', now(), now()),
  ('00000000-0000-7000-8000-000000000b0b', 'bob', 'Bob', now(), now()),
  ('00000000-0000-7000-8000-000000000ca1', 'carol', 'Carol', now(), now());
INSERT INTO accounts (user_id, email, created_at, updated_at) SELECT id, username || '@example.com', now(), now() FROM users;
INSERT INTO sellers (user_id, created_at) VALUES ('00000000-0000-7000-8000-00000000a11c', now());
INSERT INTO sessions (id, user_id, refresh_hash, created_at, last_seen_at, expires_at)
  SELECT gen_random_uuid(), id, sha256(username::bytea), now(), now(), now() FROM users;
INSERT INTO email_tokens (id, user_id, purpose, token_hash, email, created_at, expires_at)
  SELECT gen_random_uuid(), id, 'verify', sha256(username::bytea), 'x@example.com', now(), now() FROM users;
INSERT INTO reset_requests (id, email, asked_at) VALUES (gen_random_uuid(), 'alice@example.com', now());
INSERT INTO signing_keys (kid, private_der, public_jwk, created_at) VALUES ('k', '', '{}', now());

INSERT INTO audit_log (at, action, subject_kind, subject_id) VALUES (now(), 'a', 'b', 'c');
INSERT INTO idempotency_keys (actor, key, request_hash, created_at) VALUES ('bob', 'k', '', now());
INSERT INTO webhook_events (id, source, event_id, kind, payload, received_at) VALUES (gen_random_uuid(), 'stripe', 'evt_1', 'x', '{}', now());
INSERT INTO emails (id, dedupe_key, template, to_address, user_id, context, created_at)
  SELECT gen_random_uuid(), username, 't', 'x@example.com', id, '{}', now() FROM users;
INSERT INTO vendor_commands (id, vendor, subject_kind, subject_id, step, idempotency_key, request, created_at)
  VALUES (gen_random_uuid(), 'stripe', 'checkout', gen_random_uuid(), 's', 'k', '{}', now());

INSERT INTO categories (id, kind, slug, name) VALUES (gen_random_uuid(), 'code', 'world', 'World');
INSERT INTO products (id, seller_id, state, slug, title, created_at, updated_at) VALUES
  ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-00000000a11c', 'active', 'active-product', 'An active product', now(), now()),
  ('00000000-0000-7000-8000-000000000002', '00000000-0000-7000-8000-00000000a11c', 'draft', 'draft-product', 'A draft product', now(), now()),
  ('00000000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-00000000a11c', 'paused', 'paused-product', 'A paused product', now(), now());
INSERT INTO product_slugs (slug, product_id, created_at) SELECT slug, id, now() FROM products;
INSERT INTO product_stats (product_id) SELECT id FROM products;
INSERT INTO product_licences (product_id, licence, price_cents, max_downloads) SELECT id, 'standard', 1000, 10 FROM products;
INSERT INTO view_batches (id, counted_at) VALUES (gen_random_uuid(), now());
INSERT INTO uploads (id, owner_id, purpose, product_id, key, file_name, content_type, size_bytes, created_at)
  SELECT id, seller_id, 'package', id, slug, 'a.zip', 'application/zip', 1, now() FROM products;
INSERT INTO product_versions (id, product_id, upload_id, number, state, file_name, created_at)
  SELECT id, id, id, '1.0.0', CASE state WHEN 'draft' THEN 'received' ELSE 'released' END, 'a.zip', now() FROM products;
INSERT INTO version_checks (version_id, step) SELECT id, 'scan' FROM product_versions;
INSERT INTO findings (id, version_id, step, severity, rule, title, remedy) SELECT gen_random_uuid(), id, 'scan', 'info', 'r', 't', 'm' FROM product_versions;
INSERT INTO product_images (id, product_id, position, created_at) SELECT gen_random_uuid(), id, 1, now() FROM products;

-- Bob bought the product that is now paused.
INSERT INTO commission_schedules (id, version, effective_from, rules) VALUES (gen_random_uuid(), 999, now(), '{}');
INSERT INTO checkouts (id, buyer_id, total_cents, processor_fee_cents, created_at, expires_at)
  VALUES ('00000000-0000-7000-8000-0000000000c0', '00000000-0000-7000-8000-000000000b0b', 1000, 59, now(), now());
INSERT INTO orders (id, number, checkout_id, buyer_id, seller_id, product_id, product_title, licence, amount_cents,
                    commission_schedule, commission_bps, platform_fee_cents, seller_cents, processor_fee_cents, created_at)
  VALUES ('00000000-0000-7000-8000-0000000000d0', 'MW-1', '00000000-0000-7000-8000-0000000000c0',
          '00000000-0000-7000-8000-000000000b0b', '00000000-0000-7000-8000-00000000a11c', '00000000-0000-7000-8000-000000000003',
          'A paused product', 'standard', 1000, 1, 1000, 100, 900, 59, now());
INSERT INTO order_events (order_id, at, kind) VALUES ('00000000-0000-7000-8000-0000000000d0', now(), 'paid');
INSERT INTO licences (id, order_id, owner_id, product_id, licence, key, max_downloads, created_at)
  VALUES ('00000000-0000-7000-8000-0000000000e0', '00000000-0000-7000-8000-0000000000d0', '00000000-0000-7000-8000-000000000b0b',
          '00000000-0000-7000-8000-000000000003', 'standard', 'MW-KEY', 10, now());
INSERT INTO licence_activations (id, licence_id, device, first_seen_at, last_seen_at)
  VALUES (gen_random_uuid(), '00000000-0000-7000-8000-0000000000e0', 'a laptop', now(), now());
INSERT INTO licence_downloads (licence_id, version_id, count, last_at)
  VALUES ('00000000-0000-7000-8000-0000000000e0', '00000000-0000-7000-8000-000000000003', 1, now());
INSERT INTO reviews (id, order_id, product_id, author_id, rating, created_at, updated_at)
  VALUES (gen_random_uuid(), '00000000-0000-7000-8000-0000000000d0', '00000000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-000000000b0b', 5, now(), now());

INSERT INTO ledger_accounts (id, kind, owner_id) VALUES
  ('00000000-0000-7000-8000-0000000000f0', 'seller_pending', '00000000-0000-7000-8000-00000000a11c'),
  ('00000000-0000-7000-8000-0000000000f1', 'processor_clearing', NULL);
INSERT INTO ledger_entries (id, kind, subject_kind, subject_id, description, occurred_at)
  VALUES ('00000000-0000-7000-8000-0000000000f2', 'sale', 'order', '00000000-0000-7000-8000-0000000000d0', 'sale', now());
INSERT INTO ledger_postings (entry_id, account_id, amount_cents) VALUES
  ('00000000-0000-7000-8000-0000000000f2', '00000000-0000-7000-8000-0000000000f0', -1000),
  ('00000000-0000-7000-8000-0000000000f2', '00000000-0000-7000-8000-0000000000f1', 1000);
INSERT INTO seller_commission_rates (seller_id, kind, bps, agreed_at) VALUES ('00000000-0000-7000-8000-00000000a11c', 'code', 900, now());
