CREATE TABLE parcels (
    id      text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    state   json   NOT NULL
) WITH (fillfactor = 85);
