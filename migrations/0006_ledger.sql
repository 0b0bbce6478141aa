-- Double entry, append-only, Σ = 0 (PAY-06). Positive is a debit, negative a credit; every entry sums to zero.
SET ROLE mywork_migrate;

CREATE TABLE ledger_accounts (
  id        uuid PRIMARY KEY,
  kind      text NOT NULL,
  owner_id  uuid REFERENCES users,                     -- NULL: the platform's own
  currency  text NOT NULL DEFAULT 'usd',
  CONSTRAINT ledger_accounts_once UNIQUE NULLS NOT DISTINCT (kind, owner_id, currency),
  CONSTRAINT ledger_accounts_kind CHECK (kind IN ('processor_clearing', 'processor_fees', 'platform_revenue', 'seller_pending', 'seller_available'))
);
CALL app_protect('ledger_accounts', 'owner_id = app_user_id()');

CREATE TABLE ledger_entries (
  id            uuid PRIMARY KEY,
  kind          text NOT NULL,
  subject_kind  text NOT NULL,
  subject_id    uuid NOT NULL,
  description   text NOT NULL,
  occurred_at   timestamptz NOT NULL,
  CONSTRAINT ledger_entries_once UNIQUE (kind, subject_kind, subject_id), -- the same fact is booked once, whoever repeats it
  CONSTRAINT ledger_entries_kind CHECK (kind IN ('sale', 'processor_fee', 'hold_release'))
);

CREATE TABLE ledger_postings (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entry_id      uuid NOT NULL REFERENCES ledger_entries,
  account_id    uuid NOT NULL REFERENCES ledger_accounts,
  amount_cents  bigint NOT NULL,
  CONSTRAINT ledger_postings_not_zero CHECK (amount_cents <> 0)
);
CREATE INDEX ledger_postings_account_idx ON ledger_postings (account_id, id);
CREATE INDEX ledger_postings_entry_idx ON ledger_postings (entry_id);
CALL app_protect('ledger_postings', 'EXISTS (SELECT FROM ledger_accounts a WHERE a.id = account_id)');
CALL app_protect('ledger_entries', 'EXISTS (SELECT FROM ledger_postings p WHERE p.entry_id = ledger_entries.id)');

CREATE FUNCTION ledger_entry_balances() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE total numeric;
BEGIN
  SELECT sum(amount_cents) INTO total FROM ledger_postings WHERE entry_id = NEW.entry_id;
  IF total <> 0 THEN
    RAISE EXCEPTION 'ledger entry % does not balance: % cents over', NEW.entry_id, total
      USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_balances';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_entry_balances AFTER INSERT ON ledger_postings
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_entry_balances();

CALL app_append_only('ledger_entries');
CALL app_append_only('ledger_postings');

RESET ROLE;
