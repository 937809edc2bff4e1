-- `moved_at` is set once money really moved: the statement lists by it.
CREATE TABLE operations (
    id       text COLLATE "C" PRIMARY KEY,
    version  bigint NOT NULL CHECK (version > 0),
    moved_at timestamptz,
    state    json   NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX operations_moved ON operations (moved_at, id) WHERE moved_at IS NOT NULL;

CREATE TABLE scripts (
    id      text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    state   json   NOT NULL
) WITH (fillfactor = 85);

CREATE TABLE chargebacks (
    id      text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    state   json   NOT NULL
) WITH (fillfactor = 85);
