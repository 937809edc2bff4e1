-- A row of the outbox holds as many messages as fit into a page, packed: a row, its index entry and its deletion cost
-- what they cost whatever is in them. The columns of one message stay for rows of the release before, which may still
-- run beside this one.
ALTER TABLE outbox
    ADD COLUMN messages smallint NOT NULL DEFAULT 1 CHECK (messages > 0),
    ADD COLUMN packed bytea,
    ALTER COLUMN topic DROP NOT NULL,
    ALTER COLUMN key DROP NOT NULL,
    ALTER COLUMN headers DROP NOT NULL,
    ALTER COLUMN value DROP NOT NULL,
    ADD CONSTRAINT packed_or_alone CHECK (num_nulls(topic, key, headers, value) = CASE WHEN packed IS NULL THEN 0 ELSE 4 END);
-- Up to a page it stays in the row; only what is larger goes elsewhere, and nothing is compressed for its short life.
ALTER TABLE outbox ALTER COLUMN packed SET STORAGE EXTERNAL;
ALTER TABLE outbox SET (toast_tuple_target = 8160, autovacuum_vacuum_threshold = 5000);
