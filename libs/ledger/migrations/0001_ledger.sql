CREATE TABLE ledger_accounts (
    id              text COLLATE "C" PRIMARY KEY,
    debits_posted   bigint NOT NULL,
    credits_posted  bigint NOT NULL,
    debits_pending  bigint NOT NULL DEFAULT 0,
    credits_pending bigint NOT NULL DEFAULT 0,
    kind            text GENERATED ALWAYS AS (split_part(id, ':', 1)) VIRTUAL,
    currency        text GENERATED ALWAYS AS (right(id, 3)) VIRTUAL,
    balance         bigint GENERATED ALWAYS AS (credits_posted - debits_posted) VIRTUAL
) WITH (fillfactor = 75);

CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME, MESSAGE = 'x';
END $$;

CREATE CONSTRAINT TRIGGER account_never_negative AFTER INSERT OR UPDATE ON ledger_accounts FOR EACH ROW
    WHEN (NEW.credits_posted - NEW.debits_posted - NEW.debits_pending < 0
          AND split_part(NEW.id, ':', 1) NOT IN ('clearing', 'fees', 'fund', 'fx', 'claims', 'chargeback', 'write_off'))
    EXECUTE FUNCTION ledger_refuse();

CREATE TABLE ledger_transfers (
    seq      bigint GENERATED ALWAYS AS IDENTITY,
    amount   bigint NOT NULL,
    at       timestamptz NOT NULL,
    id       text COLLATE "C" NOT NULL,
    debit    text COLLATE "C" NOT NULL,
    credit   text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    purpose  text NOT NULL,
    cause    text NOT NULL,
    corrects text COLLATE "C",
    CONSTRAINT transfer_written_once PRIMARY KEY (id),
    CONSTRAINT transfer_amount_positive CHECK (amount > 0),
    CONSTRAINT transfer_between_two_accounts CHECK (debit <> credit),
    CONSTRAINT transfer_of_one_currency CHECK (right(debit, 3) = right(credit, 3))
);
CREATE INDEX ledger_transfers_order ON ledger_transfers (order_id);
