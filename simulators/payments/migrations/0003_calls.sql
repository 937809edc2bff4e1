-- What was carried to the provider's HTTP, by operation.
CREATE TABLE calls (
    id      text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    state   json   NOT NULL
) WITH (fillfactor = 85);
