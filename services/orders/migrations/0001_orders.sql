-- One row an order: the state as a document, and beside it what lists filter by.
CREATE TABLE orders (
    id        text COLLATE "C" PRIMARY KEY,
    version   bigint NOT NULL CHECK (version > 0),
    buyer_id  text COLLATE "C" NOT NULL,
    seller_id text COLLATE "C" NOT NULL CHECK (seller_id <> buyer_id),
    status    text NOT NULL CHECK (status IN (
        'awaiting_payment', 'payment_pending', 'paid', 'funded', 'shipped', 'delivered', 'cancelling', 'refunding',
        'cancelled', 'released', 'refunded', 'settled', 'charged_back', 'mixed')),
    state     json NOT NULL
) WITH (fillfactor = 50);

-- No index has the status in it: an order changes it about eight times, and each change would rewrite every index entry.
CREATE INDEX orders_by_buyer ON orders (buyer_id, id);
CREATE INDEX orders_by_seller ON orders (seller_id, id);

-- What the deposits service said last of each seller.
CREATE TABLE sellers (
    id      text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    state   json NOT NULL
) WITH (fillfactor = 85);

-- Who has an account, as the identity service said.
CREATE TABLE people (
    id      text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    state   json NOT NULL
) WITH (fillfactor = 85);
