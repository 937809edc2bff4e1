"""What operators do with parked keys: look, replay (a dry run first), discard. Every act is kept with who and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runtime import inbox, outbox, parking, timers, writes
from runtime.batch import Parked
from runtime.clock import Clock
from runtime.db import Connection, Pool
from runtime.decision import Refused
from runtime.delivery import TIMER_TOPIC, Delivery, RawRecord, Reader, parse_timer, timer
from runtime.fold import Done, Refusal
from runtime.outbox import Record
from runtime.pump import Pump
from runtime.reads import read

REPLAY_AT_ONCE = 500
"""Letters of one key in one transaction; the rest follow in further ones."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did, or would do: an entry a letter, in order, and what is left parked."""

    key: str
    dry_run: bool
    letters: list[dict[str, Any]]
    left: int


class DeadLetters:
    """One service's parked keys."""

    def __init__(self, pool: Pool, pump: Pump, reader: Reader, clock: Clock) -> None:
        self._pool = pool
        self._pump = pump
        self._reader = reader
        self._clock = clock

    async def listing(self, after: int = 0, limit: int = 100, key: str | None = None) -> list[parking.DeadLetter]:
        """Open letters of all keys, or of one, oldest first, behind `after`."""
        async with self._pool.acquire() as connection:
            return await parking.listing(connection, after, limit, key)

    async def one(self, seq: int) -> parking.DeadLetter:
        """A letter, open or not. Raises `Refused` (not_found)."""
        async with self._pool.acquire() as connection:
            found = await parking.find(connection, seq)
        if found is None:
            raise Refused("not_found", f"there is no letter {seq} here; the list has all that are open")
        return found

    async def replay(self, key: str, by: str, reason: str, *, dry_run: bool) -> Replayed:
        """Handles the key's letters in order, as if they came now: through the inbox, so that nothing that had its
        effect has it again. Stops at the first that still fails. Raises `Refused` (not_found) for a key not parked."""
        told: list[dict[str, Any]] = []
        while True:
            async with self._pool.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                try:
                    letters = await parking.letters_of(connection, key, REPLAY_AT_ONCE)
                    if not letters and not told:
                        raise Refused("not_found", f"the key {key!r} is not parked here")
                    told += await self._replay(connection, key, letters, by, reason)
                    left = await self._left(connection, key)
                except BaseException:
                    await transaction.rollback()
                    raise
                if dry_run:
                    await transaction.rollback()
                else:
                    await transaction.commit()
                    self._pump.published(len(letters))
            stuck = bool(told) and told[-1]["result"] == "parked"
            if dry_run or stuck or left == 0:
                return Replayed(key, dry_run, told, left)

    async def _replay(
        self, connection: Connection, key: str, letters: Sequence[parking.DeadLetter], by: str, reason: str
    ) -> list[dict[str, Any]]:
        outgoing = [letter for letter in letters if letter.record.offset == outbox.OUTGOING]
        if outgoing:
            await writes.write(connection, outbox.writes([_published_again(letter.record) for letter in outgoing]))
        told: list[dict[str, Any]] = [{"seq": letter.seq, "type": "", "result": "published"} for letter in outgoing]
        resolved = [letter.seq for letter in outgoing]
        incoming = letters[len(outgoing) :]
        deliveries = [await self._delivery(connection, letter) for letter in incoming]
        batch = await self._pump.handler.apply(connection, deliveries, replaying=key)
        for letter, delivery in zip(incoming, deliveries, strict=True):
            answer = batch.answers[id(delivery)]
            entry: dict[str, Any] = {"seq": letter.seq, "type": delivery.type, "result": type(answer).__name__.lower()}
            told.append(entry)
            if isinstance(answer, Parked):
                now_wrong = next((one for one in batch.letters if one.delivery is delivery), None)
                if now_wrong:
                    entry |= {"code": now_wrong.code, "error": now_wrong.error}
                    await parking.fail(connection, letter.seq, now_wrong.code, now_wrong.error)
                break
            if isinstance(answer, Refusal):
                entry |= {"code": answer.code, "error": answer.reason}
            if isinstance(answer, Done):
                entry |= {
                    "version": answer.version,
                    "publishes": [produced.message.CE_TYPE for produced in answer.produced],
                }
            resolved.append(letter.seq)
        await parking.resolve(connection, resolved, "replayed", by, reason, self._clock.now())
        return told

    async def discard(self, key: str, seq: int, by: str, reason: str) -> int:
        """Gives up the first letter of a key: it will never have an effect. Returns how many are left behind it.
        Raises `Refused`: not_found, not_first (only the first may go, for the others may depend on it)."""
        async with self._pool.acquire() as connection, connection.transaction():
            letters = await parking.letters_of(connection, key, 1)
            if not letters:
                raise Refused("not_found", f"the key {key!r} is not parked here")
            if letters[0].seq != seq:
                raise Refused(
                    "not_first", f"letter {letters[0].seq} is the first of this key; discard or replay it first"
                )
            await read(connection, [inbox.admission([letters[0].message_id])])
            await parking.resolve(connection, [seq], "discarded", by, reason, self._clock.now())
            return await self._left(connection, key)

    async def _delivery(self, connection: Connection, letter: parking.DeadLetter) -> Delivery:
        if letter.record.topic != TIMER_TOPIC:
            return self._reader.record(letter.record)
        due = parse_timer(letter.record.value or b"")
        await writes.write(connection, timers.writes({(due.ref, due.name): due.due_at}))
        return timer(due)

    @staticmethod
    async def _left(connection: Connection, key: str) -> int:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM dead_letters WHERE key = $1 AND status IN ('failed', 'waiting')", key
        )
        return count


def _published_again(record: RawRecord) -> Record:
    headers = [(name, value or b"") for name, value in record.headers]
    return Record(record.topic, record.key or b"", headers, record.value or b"")
