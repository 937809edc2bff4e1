-- One row a seller. Whether the seller may sell follows from the state; nothing queries by it, so there are no columns.
CREATE TABLE deposits (
    id      text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    state   json   NOT NULL,
    CHECK ((state ->> 'balance')::bigint >= 0)
) WITH (fillfactor = 85);
