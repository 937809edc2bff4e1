-- What every service's database has besides its aggregates. See docs/decisions for why it is shaped like this.

-- Ids of handled messages: inserting is the test for "seen before", in the transaction of the effect itself.
CREATE TABLE inbox (
    id      uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
);

-- Messages to publish. Ids are handed out one by one (CACHE 1) and only after the aggregate's row lock is held,
-- so for one aggregate the order of ids is the order of commits. Rows are deleted when sent, never marked.
CREATE TABLE outbox (
    id      bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    topic   text NOT NULL,
    key     bytea NOT NULL,
    headers bytea NOT NULL,
    value   bytea NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

CREATE TABLE timers (
    aggregate text COLLATE "C" NOT NULL,
    id        text COLLATE "C" NOT NULL,
    name      text COLLATE "C" NOT NULL,
    due_at    timestamptz NOT NULL,
    PRIMARY KEY (aggregate, id, name)
) WITH (fillfactor = 80);
CREATE INDEX timers_due ON timers (due_at);

-- A key that stands still: its messages wait in dead_letters, in order, until an operator replays or discards.
CREATE TABLE parked_keys (
    key   text COLLATE "C" PRIMARY KEY,
    since timestamptz NOT NULL
);

CREATE TABLE dead_letters (
    seq          bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    key          text COLLATE "C" NOT NULL,
    message_id   uuid NOT NULL,
    topic        text NOT NULL,
    partition    integer NOT NULL,
    "offset"     bigint NOT NULL,
    record_key   bytea,
    headers      bytea NOT NULL,
    value        bytea,
    status       text NOT NULL CHECK (status IN ('failed', 'waiting', 'replayed', 'discarded')),
    code         text NOT NULL,
    error        text NOT NULL,
    parked_at    timestamptz NOT NULL,
    resolved_at  timestamptz,
    resolved_by  text,
    reason       text,
    CHECK ((status IN ('replayed', 'discarded')) = (resolved_at IS NOT NULL AND resolved_by IS NOT NULL))
);
CREATE UNIQUE INDEX dead_letters_open ON dead_letters (message_id) WHERE status IN ('failed', 'waiting');
CREATE INDEX dead_letters_key ON dead_letters (key, seq) WHERE status IN ('failed', 'waiting');
