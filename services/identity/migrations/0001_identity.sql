-- One row a person. The counts of appeals by status are beside the document so that the list of appeals finds its
-- accounts; their partial indexes stay as small as the number of people who ever appealed.
CREATE TABLE accounts (
    id        text COLLATE "C" PRIMARY KEY,
    version   bigint  NOT NULL CHECK (version > 0),
    submitted integer NOT NULL CHECK (submitted >= 0),
    verified  integer NOT NULL CHECK (verified >= 0),
    rejected  integer NOT NULL CHECK (rejected >= 0),
    state     json    NOT NULL
) WITH (fillfactor = 85);

CREATE INDEX accounts_submitted ON accounts (id) WHERE submitted > 0;
CREATE INDEX accounts_verified ON accounts (id) WHERE verified > 0;
CREATE INDEX accounts_rejected ON accounts (id) WHERE rejected > 0;
