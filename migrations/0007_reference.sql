-- What the rules refer to and every installation starts with (PAY-09): the first commission schedule, and rates agreed with
-- single sellers. Read by `orders/commission.rs`; a new schedule is a new row, an old one is never changed.
SET ROLE mywork_migrate;

-- Tiers are by a seller's settled cents of the previous calendar month: the last tier whose `from_cents` is reached counts.
INSERT INTO commission_schedules (id, version, effective_from, rules) VALUES (
  '01890000-0000-7000-8000-000000000001', 1, '2020-01-01T00:00:00Z',
  '{
    "code_bps": 1000,
    "prompt": {
      "first_month_bps": 1500,
      "tiers": [
        {"from_cents": 0,      "bps": 2000},
        {"from_cents": 10000,  "bps": 1500},
        {"from_cents": 50000,  "bps": 1200},
        {"from_cents": 200000, "bps": 1000},
        {"from_cents": 500001, "bps": 800}
      ]
    },
    "processor": {"bps": 290, "fixed_cents": 30}
  }');

-- A rate agreed with one seller, for one kind of product, before any tier.
CREATE TABLE seller_commission_rates (
  seller_id   uuid NOT NULL REFERENCES users,
  kind        text NOT NULL,
  bps         int NOT NULL,
  agreed_at   timestamptz NOT NULL,
  CONSTRAINT seller_commission_rates_pkey PRIMARY KEY (seller_id, kind),
  CONSTRAINT seller_commission_rates_kind CHECK (kind IN ('code', 'prompt')),
  CONSTRAINT seller_commission_rates_range CHECK (bps BETWEEN 0 AND 10000)
);
CALL app_protect('seller_commission_rates', 'seller_id = app_user_id()');

RESET ROLE;
