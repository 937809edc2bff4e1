-- What moved on a day is read without reading the whole book. Transfers are written nearly in the order of their time, so
-- a summary of each range of pages tells days apart, and writing one more row hardly costs anything.
CREATE INDEX ledger_transfers_day ON ledger_transfers USING brin (at) WITH (pages_per_range = 32, autosummarize = on);

-- A provider's statement of one day against the book, each time it was looked at with another result: the last revision
-- is what is known now, those before are how it came to that.
CREATE TABLE reconciliations (
    provider  text NOT NULL,
    day       date NOT NULL,
    revision  integer NOT NULL CHECK (revision > 0),
    statement text NOT NULL,
    closed_at timestamptz NOT NULL,
    made_at   timestamptz NOT NULL,
    made_by   text NOT NULL,
    entries   integer NOT NULL,
    movements integer NOT NULL,
    result    text NOT NULL,
    totals    json NOT NULL,
    causes    json NOT NULL,
    PRIMARY KEY (provider, day, revision)
);
COMMENT ON COLUMN reconciliations.statement IS 'SHA-256 of the statement that was compared';
COMMENT ON COLUMN reconciliations.result IS 'SHA-256 of all differences, to know the same result again';

-- `stated` is what the statement says and `booked` what the book says, in minor units; NULL where it says nothing.
CREATE TABLE reconciliation_differences (
    provider        text NOT NULL,
    day             date NOT NULL,
    revision        integer NOT NULL,
    position        integer NOT NULL,
    cause           text NOT NULL,
    kind            text NOT NULL,
    reference       text COLLATE "C" NOT NULL,
    operation_id    text COLLATE "C",
    stated          bigint,
    stated_currency text,
    stated_at       timestamptz,
    booked          bigint,
    booked_currency text,
    booked_at       timestamptz,
    since           timestamptz,
    PRIMARY KEY (provider, day, revision, position),
    FOREIGN KEY (provider, day, revision) REFERENCES reconciliations,
    CONSTRAINT difference_of_something CHECK (stated IS NOT NULL OR booked IS NOT NULL)
);

CREATE TRIGGER reconciliations_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciliations
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();
CREATE TRIGGER differences_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciliation_differences
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();
