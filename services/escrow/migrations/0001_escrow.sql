-- One row an order's money. The columns beside `state` are read off it on every save; only queries use them.
CREATE TABLE escrow (
    id            text COLLATE "C" PRIMARY KEY,
    version       bigint NOT NULL CHECK (version > 0),
    buyer_id      text NOT NULL,
    seller_id     text NOT NULL,
    at_rest       boolean NOT NULL,
    with_operator boolean NOT NULL,
    deadline_at   timestamptz,
    state         json NOT NULL,
    -- Every order rests, waits with a deadline, or stands in the operators' queue.
    CONSTRAINT nothing_waits_for_ever CHECK (at_rest OR with_operator OR deadline_at IS NOT NULL)
) WITH (fillfactor = 50);

-- Small: what stands with an operator is an exception. Nothing indexes what every step changes (the deadline stands in
-- the timers too, and is looked for there), so that a step rewrites no index; the space for that is left in each page,
-- because the orders of a batch lie side by side and all change at once.
CREATE INDEX escrow_with_operator ON escrow (id) WHERE with_operator;
