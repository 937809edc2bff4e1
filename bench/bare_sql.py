"""The floor of a money step: its SQL alone, in batches, as one process with one connection can do it. No framework, no
decisions, no Kafka: messages admitted, aggregates locked and saved, a transfer each with two netted balances, a timer,
an outbox row each, and the rows of the outbox deleted, all in one transaction a batch.

`python -m bench.bare_sql DSN MESSAGES BATCH` prints one JSON object: messages, seconds, CPU seconds of this process.
"""

import json
import random
import sys
import time
import uuid
from datetime import UTC, datetime

import asyncpg
import uvloop

SCHEMA = """
CREATE TABLE inbox (id uuid PRIMARY KEY, seen_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE aggregates (
    id text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, state json NOT NULL) WITH (fillfactor = 70);
CREATE TABLE accounts (id text COLLATE "C" PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 70);
CREATE TABLE transfers (
    id text COLLATE "C" PRIMARY KEY,
    debit text NOT NULL, credit text NOT NULL, amount bigint NOT NULL CHECK (amount > 0));
CREATE TABLE timers (id text COLLATE "C" PRIMARY KEY, due_at timestamptz NOT NULL) WITH (fillfactor = 70);
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL, key bytea NOT NULL, headers bytea NOT NULL, value bytea NOT NULL);
"""
STATE = json.dumps({"order": "x" * 40, "lines": [{"line": 1, "state": "funded", "amount": 1999}], "pad": "y" * 500})
HEADERS, VALUE = b"h" * 250, b"v" * 390
PAYABLES = 500

ADMIT = "INSERT INTO inbox (id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING RETURNING id"
LOCK = "SELECT id, version, state FROM aggregates WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE"
INSERT = "INSERT INTO aggregates SELECT id, 1, state FROM unnest($1::text[], $2::json[]) AS n (id, state)"
SAVE = (
    "UPDATE aggregates AS t SET version = n.version + 1, state = n.state "
    "FROM unnest($1::text[], $2::bigint[], $3::json[]) AS n (id, version, state) "
    "WHERE t.id = n.id AND t.version = n.version"
)
POST = """
WITH posted AS (
    INSERT INTO transfers SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    RETURNING debit, credit, amount
), net AS (
    SELECT account, sum(change)::bigint AS change
    FROM (SELECT debit, -amount FROM posted UNION ALL SELECT credit, amount FROM posted) AS side (account, change)
    GROUP BY account
)
INSERT INTO accounts AS account SELECT * FROM net ORDER BY 1
ON CONFLICT (id) DO UPDATE SET balance = account.balance + excluded.balance
"""
TIMERS = (
    "INSERT INTO timers SELECT * FROM unnest($1::text[], $2::timestamptz[]) "
    "ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at"
)
APPEND = (
    "INSERT INTO outbox (topic, key, headers, value) "
    "SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[])"
)
TAKE = (
    "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT $1) "
    "RETURNING id, topic, key, headers, value"
)


async def steps(dsn: str, messages: int, batch: int) -> dict[str, float]:
    """Half of the messages meet an aggregate for the first time, half find it."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(SCHEMA)
    dealt = random.Random(1)
    now = datetime.now(UTC)
    began, cpu = time.perf_counter(), time.process_time()
    for start in range(0, messages, batch):
        numbers = range(start, start + batch)
        keys = [f"order-{number // 2 // batch * batch + number % batch:09d}" for number in numbers]
        sellers = [f"payable:seller-{dealt.randrange(PAYABLES):05d}" for _ in numbers]
        async with connection.transaction():
            await connection.fetch(ADMIT, sorted(uuid.UUID(int=number << 64) for number in numbers))
            found = {row[0]: row[1] for row in await connection.fetch(LOCK, keys)}
            new = [key for key in keys if key not in found]
            if new:
                await connection.execute(INSERT, new, [STATE] * len(new))
            if found:
                await connection.execute(SAVE, list(found), list(found.values()), [STATE] * len(found))
            ids = [f"transfer-{number:09d}" for number in numbers]
            await connection.execute(POST, ids, ["clearing"] * batch, sellers, [1999] * batch)
            await connection.execute(TIMERS, keys, [now] * batch)
            bytes_keys = [key.encode() for key in keys]
            await connection.execute(
                APPEND, ["escrow.events.v1"] * batch, bytes_keys, [HEADERS] * batch, [VALUE] * batch
            )
        async with connection.transaction():
            await connection.fetch(TAKE, batch)
    done = {"messages": messages, "seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
    await connection.close()
    return done


if __name__ == "__main__":
    print(json.dumps(uvloop.run(steps(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
