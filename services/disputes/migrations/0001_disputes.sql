-- Orders whose money is held: who may dispute them, and which lines they have.
CREATE TABLE held_orders (
    id      text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    state   json NOT NULL
) WITH (fillfactor = 85);

-- One row a case: the state as a document, and beside it what lists filter and order by.
CREATE TABLE disputes (
    id        text COLLATE "C" PRIMARY KEY,
    version   bigint NOT NULL CHECK (version > 0),
    order_id  text COLLATE "C" NOT NULL,
    buyer_id  text COLLATE "C" NOT NULL,
    seller_id text COLLATE "C" NOT NULL,
    status    text NOT NULL CHECK (status IN (
        'open', 'withdrawn', 'ruled', 'awaiting_return', 'return_shipped', 'returned', 'awaiting_replacement',
        'replacement_shipped', 'closed')),
    rule_by   timestamptz NOT NULL,
    state     json NOT NULL
) WITH (fillfactor = 85);

-- The mediators' desk. Disputes are few beside orders, so an index with the status in it is worth its writes.
CREATE INDEX disputes_by_status ON disputes (status, rule_by, id);
CREATE INDEX disputes_by_deadline ON disputes (rule_by, id);
CREATE INDEX disputes_by_order ON disputes (order_id, rule_by, id);
CREATE INDEX disputes_by_buyer ON disputes (buyer_id, rule_by, id);
CREATE INDEX disputes_by_seller ON disputes (seller_id, rule_by, id);
