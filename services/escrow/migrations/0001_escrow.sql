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
) WITH (fillfactor = 85);

-- Both are small: what is overdue is a fault, what stands with an operator an exception.
CREATE INDEX escrow_with_operator ON escrow (id) WHERE with_operator;
CREATE INDEX escrow_deadline ON escrow (deadline_at) WHERE deadline_at IS NOT NULL;
