-- What a service last found when it looked at itself (see watches.py): taken by one replica, told by all.
CREATE TABLE watches (
    name     text COLLATE "C" PRIMARY KEY,
    taken_at timestamptz NOT NULL,
    took     interval NOT NULL,
    readings json NOT NULL
);

-- How many instances of an aggregate stand in each state, as changes to be added up: a batch appends what it moved, and
-- so no two batches wait for one row. Whoever watches adds them up from time to time.
CREATE TABLE census (
    aggregate text COLLATE "C" NOT NULL,
    state     text COLLATE "C" NOT NULL,
    change    bigint NOT NULL
);
