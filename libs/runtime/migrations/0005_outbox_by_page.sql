-- A row of the outbox holds as many messages as fit into a page, packed: a row, its index entry and its deletion cost
-- what they cost whatever is in them. What the release before left is to be published by it first: a service that is
-- stopped in order leaves nothing.
DO $$ BEGIN
    IF EXISTS (SELECT FROM outbox) THEN
        RAISE EXCEPTION USING
            MESSAGE = 'the outbox still holds messages in the form of the release before',
            HINT = 'Start that release again and stop it in order: it publishes them before it ends.';
    END IF;
END $$;
DROP TABLE outbox;

-- Ids are handed out one by one (CACHE 1) and only after the aggregate's row lock is held, so for one aggregate the order
-- of ids is the order of commits. Rows are deleted when sent, never marked.
CREATE TABLE outbox (
    id       bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    messages smallint NOT NULL CHECK (messages > 0),
    packed   bytea NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, toast_tuple_target = 8160);
-- Up to a page it stays in the row; only what is larger goes elsewhere, and nothing is compressed for its short life.
ALTER TABLE outbox ALTER COLUMN packed SET STORAGE EXTERNAL;
