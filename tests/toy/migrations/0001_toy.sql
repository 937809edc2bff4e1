CREATE TABLE tallies (
    id      text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    last    bigint NOT NULL CONSTRAINT not_777 CHECK (last <> 777),
    state   json NOT NULL
) WITH (fillfactor = 85);
CREATE TABLE seen (id text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, state json NOT NULL) WITH (fillfactor = 85);
