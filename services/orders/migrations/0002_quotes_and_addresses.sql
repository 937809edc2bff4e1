-- Exchange rates as they were locked for a buyer; written once.
CREATE TABLE quotes (
    id      text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0),
    state   json NOT NULL
);

-- Where an order's parcel goes. The only personal data of the service, in no other table, topic or log; a row goes when
-- the retention of the order's policy is over (policy.address_kept). No foreign key: each step of an order would pay for it.
CREATE TABLE shipping_addresses (
    order_id text COLLATE "C" PRIMARY KEY,
    address  json NOT NULL,
    given_at timestamptz NOT NULL
);
