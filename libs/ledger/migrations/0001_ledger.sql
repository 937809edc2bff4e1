-- The book: accounts with their counters, and three append-only tables that say why the counters are what they are.
--
-- Zero sum per currency needs no check of its own, because nothing but zero sum can be written: a movement is one row
-- with one amount, taken from `debit` and given to `credit`, and the two must be of one currency (the last three letters
-- of their names). A set of postings is a set of such rows, so each sums to zero, and so does every sum of them. The
-- statement that inserts transfers adds up the rows it inserted, and only those, into the counters.

CREATE TABLE ledger_accounts (
    -- kind:owner:currency, of a hot kind kind:owner#shard:currency
    id              text COLLATE "C" CONSTRAINT account_opened_once PRIMARY KEY,
    debits_posted   bigint NOT NULL DEFAULT 0,
    credits_posted  bigint NOT NULL DEFAULT 0,
    debits_pending  bigint NOT NULL DEFAULT 0,
    credits_pending bigint NOT NULL DEFAULT 0,
    kind            text GENERATED ALWAYS AS (split_part(id, ':', 1)) VIRTUAL,
    currency        text GENERATED ALWAYS AS (right(id, 3)) VIRTUAL,
    balance         bigint GENERATED ALWAYS AS (credits_posted - debits_posted) VIRTUAL
) WITH (fillfactor = 70);

CREATE TABLE ledger_transfers (
    batch    bigint NOT NULL,
    position integer NOT NULL,
    amount   bigint NOT NULL,
    at       timestamptz NOT NULL,
    id       text COLLATE "C" NOT NULL,
    debit    text COLLATE "C" NOT NULL,
    credit   text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    purpose  text COLLATE "C" NOT NULL,
    cause    text COLLATE "C" NOT NULL,
    corrects text COLLATE "C",
    CONSTRAINT transfer_written_once PRIMARY KEY (id),
    CONSTRAINT transfer_amount_positive CHECK (amount > 0),
    CONSTRAINT transfer_between_two_accounts CHECK (debit <> credit),
    CONSTRAINT transfer_of_one_currency CHECK (right(debit, 3) = right(credit, 3))
);
CREATE INDEX ledger_transfers_order ON ledger_transfers (order_id);

-- One number a write, taken when the order's row is locked: for one order, (batch, position) is the order of writing.
CREATE SEQUENCE ledger_batches;

CREATE TABLE ledger_holds (
    amount   bigint NOT NULL,
    at       timestamptz NOT NULL,
    id       text COLLATE "C" NOT NULL,
    debit    text COLLATE "C" NOT NULL,
    credit   text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    purpose  text COLLATE "C" NOT NULL,
    cause    text COLLATE "C" NOT NULL,
    CONSTRAINT hold_written_once PRIMARY KEY (id),
    CONSTRAINT hold_amount_positive CHECK (amount > 0),
    CONSTRAINT hold_between_two_accounts CHECK (debit <> credit),
    CONSTRAINT hold_of_one_currency CHECK (right(debit, 3) = right(credit, 3))
);
CREATE INDEX ledger_holds_order ON ledger_holds (order_id);

-- How a hold ended: `moved` of `held` became a transfer under the hold's id, the rest returned; NULL moved: voided.
-- A row of its own rather than a column of the hold, so that its key lets a hold end once. `held` is a copy, there so
-- that the row can be checked by itself; a hold that nobody wrote leaves it NULL.
CREATE TABLE ledger_resolutions (
    hold_id text COLLATE "C" NOT NULL,
    held    bigint,
    moved   bigint,
    at      timestamptz NOT NULL,
    cause   text COLLATE "C" NOT NULL,
    CONSTRAINT hold_resolved_once PRIMARY KEY (hold_id),
    CONSTRAINT resolution_amount_positive CHECK (moved > 0),
    CONSTRAINT resolution_of_a_known_hold CHECK (held IS NOT NULL),
    CONSTRAINT resolution_within_the_hold CHECK (moved <= held)
);

CREATE FUNCTION ledger_account_refused() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken text := CASE
        WHEN TG_NAME = 'account_named_by_form' THEN TG_NAME
        WHEN least(NEW.debits_posted, NEW.credits_posted, NEW.debits_pending, NEW.credits_pending) < 0
            THEN 'account_counters_never_negative'
        WHEN starts_with(NEW.id, 'hold:') THEN 'hold_pays_at_most_what_was_funded'
        ELSE 'account_never_negative'
    END;
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation', CONSTRAINT = broken, TABLE = TG_TABLE_NAME,
        MESSAGE = format('account %s violates %s', NEW.id, broken),
        DETAIL = format('debits %s, credits %s, pending debits %s, pending credits %s',
            NEW.debits_posted, NEW.credits_posted, NEW.debits_pending, NEW.credits_pending);
END $$;

-- Release + refund + fee ≤ funded, and no forbidden negative: what pending debits reserve counts as gone. Only the kinds
-- that may run negative are named, so a new kind is strict. A constraint trigger and not a CHECK, because a CHECK also
-- judges the row that INSERT … ON CONFLICT merely proposes, and would refuse a debit of an account that has the money as
-- if it opened the account; this sees the row as it was written. One trigger for all bounds, because each costs every
-- row; the error names the bound: hold_pays_at_most_what_was_funded, account_never_negative,
-- account_counters_never_negative.
CREATE CONSTRAINT TRIGGER account_within_bounds AFTER INSERT OR UPDATE ON ledger_accounts
    FOR EACH ROW WHEN (
        NEW.credits_posted - NEW.debits_posted - NEW.debits_pending < 0 AND split_part(NEW.id, ':', 1)
            NOT IN ('clearing', 'fees', 'fund', 'fx', 'claims', 'chargeback', 'write_off')
        OR least(NEW.debits_posted, NEW.credits_posted, NEW.debits_pending, NEW.credits_pending) < 0
    )
    EXECUTE FUNCTION ledger_account_refused();

CREATE CONSTRAINT TRIGGER account_named_by_form AFTER INSERT ON ledger_accounts
    FOR EACH ROW WHEN (
        NEW.id !~ ('^((clearing|fees|fund|fx|refund_transit|payout_transit|claims):[^#]+#[0-9]+'
            '|(hold|payable|reserve|deposit|chargeback|write_off):[^#]+):[A-Z]{3}$')
    )
    EXECUTE FUNCTION ledger_account_refused();

-- A foreign key in all but cost: it looks only at the few rows that correct something.
CREATE FUNCTION ledger_corrects_unknown() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger_transfers WHERE id = NEW.corrects AND id <> NEW.id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
            MESSAGE = format('transfer %s corrects %s, which is not in the book', NEW.id, NEW.corrects);
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER transfer_corrects_a_known_one AFTER INSERT ON ledger_transfers
    FOR EACH ROW WHEN (NEW.corrects IS NOT NULL)
    EXECUTE FUNCTION ledger_corrects_unknown();

-- What was written stays as it was written: whoever could edit it could make a wrong balance look right.
CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
        MESSAGE = format('%s on %s is refused: the book is append-only', TG_OP, TG_TABLE_NAME),
        HINT = 'Write a new transfer that names the wrong one in "corrects".';
END $$;

CREATE TRIGGER transfers_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transfers
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();
CREATE TRIGGER holds_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_holds
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();
CREATE TRIGGER resolutions_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_resolutions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();
CREATE TRIGGER accounts_stay BEFORE DELETE OR TRUNCATE ON ledger_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();

-- Where money lies from an order's point of view, by the kind of account an entry is on and the kind on its other side.
-- Clearing is the world outside: an entry there says why the money came or went.
CREATE FUNCTION ledger_place(kind text, other text, credited boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE kind
    WHEN 'hold' THEN 'held'
    WHEN 'reserve' THEN 'reserved'
    WHEN 'payout_transit' THEN 'payout_in_transit'
    WHEN 'refund_transit' THEN 'refund_in_transit'
    WHEN 'write_off' THEN 'written_off'
    WHEN 'clearing' THEN CASE
        WHEN other IN ('payout_transit', 'payable') THEN 'paid_out'
        WHEN other = 'refund_transit' THEN 'refunded'
        WHEN other = 'chargeback' THEN 'charged_back'
        WHEN NOT credited OR other = 'clearing' THEN 'funded'
        WHEN other = 'hold' THEN 'refunded'
        WHEN other IN ('reserve', 'deposit') THEN 'paid_out'
        ELSE 'spent'
    END
    ELSE kind
END;

-- Both sides of every transfer: `amount` is what the account gained, negative where it lost.
CREATE VIEW ledger_entries AS
SELECT
    side.account,
    side.amount,
    right(side.account, 3) AS currency,
    transfer.order_id,
    ledger_place(split_part(side.account, ':', 1), split_part(side.other, ':', 1), side.amount > 0) AS place
FROM ledger_transfers AS transfer
CROSS JOIN LATERAL (VALUES
    (transfer.debit, transfer.credit, -transfer.amount),
    (transfer.credit, transfer.debit, transfer.amount)
) AS side (account, other, amount);
