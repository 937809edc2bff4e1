"""Fetch sessions (KIP-227) for aiokafka's consumers, which know none: by themselves they name every partition in every
request, and read every one of them from every answer, though only a few have anything new. A service reads some sixty
partitions, so that costs more than most batches do.

In a session the broker remembers what the consumer reads and from where; a request names what has changed, and an
answer holds what is new. Whatever goes wrong with one (a lost answer, a broker that has forgotten it) ends it, and the
next request begins another by naming everything.
"""

import struct
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

from aiokafka.consumer import consumer, fetcher
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v11

NO_SESSION, FIRST_EPOCH = 0, 0
LAST_EPOCH = 2**31 - 1

Place = tuple[str, int]
"""Topic and partition."""
Wanted = tuple[int, int]
"""From which offset on, and at most how many bytes."""

_HEAD = struct.Struct(">iiiibiii")  # replica, wait, least bytes, most bytes, isolation, session, epoch, topics
_PARTITION = struct.Struct(">iiqqi")  # partition, leader epoch, offset, log start, most bytes
_INT, _SHORT = struct.Struct(">i"), struct.Struct(">h")
_ANSWER = struct.Struct(">ihii")  # throttled, error, session, topics
_PART = struct.Struct(">ihqqqi")  # partition, error, high water, last stable, log start, aborted transactions
_ABORTED = struct.Struct(">qq")


class Session:
    """What a broker knows of one consumer."""

    def __init__(self) -> None:
        self.id = NO_SESSION
        self.epoch = FIRST_EPOCH
        self.known: dict[Place, Wanted] = {}
        self.in_doubt = False
        """A request is under way, or its answer was lost: the broker may have gone on or not."""

    def forget(self) -> None:
        """The next request begins a new session."""
        self.id, self.epoch, self.known, self.in_doubt = NO_SESSION, FIRST_EPOCH, {}, False

    def ask(self, wanted: Mapping[Place, Wanted]) -> tuple[dict[Place, Wanted], list[Place]]:
        """What to name in a request for `wanted`: what is new or changed, and what is not wanted any more."""
        if self.in_doubt:
            self.forget()
        self.in_doubt = True
        changed = {place: how for place, how in wanted.items() if self.known.get(place) != how}
        gone = [place for place in self.known if place not in wanted]
        self.known = dict(wanted)
        return changed, gone

    def answered(self, epoch: int, id: int, error: int) -> None:
        """Goes on with the answer to the request of this epoch; one to a request that was given up changes nothing."""
        if not self.in_doubt or epoch != self.epoch:
            return
        if error or id == NO_SESSION:
            self.forget()
            return
        self.id, self.in_doubt = id, False
        self.epoch = epoch + 1 if epoch < LAST_EPOCH else 1


class Fetched(NamedTuple):
    """An answer, in the form of aiokafka's own."""

    topics: list[tuple[str, list[tuple[Any, ...]]]]
    error_code: int
    session_id: int
    API_VERSION: int = 11


class SessionRequest(FetchRequest):  # type: ignore[misc]
    """A request in a session. `session` is set by the fetcher before it is sent."""

    session: Session | None = None

    def build(self, request_struct_class: type[Any]) -> Any:
        if request_struct_class is not FetchRequest_v11 or self.session is None:
            return super().build(request_struct_class)
        return _Encoded(self, self.session)


class _Encoded(FetchRequest_v11):  # type: ignore[misc]
    """A request ready to be sent, which reads its own answer."""

    def __init__(self, request: SessionRequest, session: Session) -> None:
        wanted = {
            (topic, partition): (offset, most)
            for topic, partitions in request.topics
            for partition, offset, most in partitions
        }
        changed, gone = session.ask(wanted)
        self._session, self._epoch = session, session.epoch
        self._message = _encode(request, session, changed, gone)

    @property
    def RESPONSE_TYPE(self) -> "_Encoded":
        """Whom aiokafka asks to decode the answer."""
        return self

    def encode(self) -> bytes:
        return self._message

    def decode(self, data: BytesIO) -> Fetched:
        answer = read_answer(data.read())
        self._session.answered(self._epoch, answer.session_id, answer.error_code)
        return answer

    def __repr__(self) -> str:
        return f"fetch in session {self._session.id}, epoch {self._epoch}"


class SessionFetcher(fetcher.Fetcher):  # type: ignore[misc]
    """A fetcher with a session at every broker."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self._sessions: dict[int, Session] = {}
        super().__init__(*args, **more)

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: SessionRequest) -> Any:
        request.session = self._sessions.setdefault(node_id, Session())
        return await super()._proc_fetch_request(assignment, node_id, request)


def read_answer(data: bytes) -> Fetched:
    """A fetch response of version 11, behind its header."""
    _, error, session, topics = _ANSWER.unpack_from(data)
    at = _ANSWER.size
    found = []
    for _ in range(topics):
        (length,) = _SHORT.unpack_from(data, at)
        at += _SHORT.size
        topic = data[at : at + length].decode()
        (count,) = _INT.unpack_from(data, at + length)
        at += length + _INT.size
        partitions: list[tuple[Any, ...]] = []
        for _ in range(count):
            partition, fault, high, stable, start, aborted = _PART.unpack_from(data, at)
            at += _PART.size
            transactions = [_ABORTED.unpack_from(data, at + n * _ABORTED.size) for n in range(max(aborted, 0))]
            at += len(transactions) * _ABORTED.size
            (replica,) = _INT.unpack_from(data, at)
            (size,) = _INT.unpack_from(data, at + _INT.size)
            at += 2 * _INT.size
            records = data[at : at + max(size, 0)]
            at += len(records)
            partitions.append((partition, fault, high, stable, start, transactions, replica, records))
        found.append((topic, partitions))
    return Fetched(found, error, session)


def _encode(request: SessionRequest, session: Session, changed: Mapping[Place, Wanted], gone: Sequence[Place]) -> bytes:
    topics: dict[str, list[bytes]] = {}
    for (topic, partition), (offset, most) in changed.items():
        topics.setdefault(topic, []).append(_PARTITION.pack(partition, -1, offset, -1, most))
    forgotten: dict[str, list[bytes]] = {}
    for topic, partition in gone:
        forgotten.setdefault(topic, []).append(_INT.pack(partition))
    head = _HEAD.pack(
        -1, request._max_wait_ms, request._min_bytes, request._max_bytes, request._isolation_level,
        session.id, session.epoch, len(topics),
    )  # fmt: skip
    return b"".join((head, *_listed(topics), _INT.pack(len(forgotten)), *_listed(forgotten), _text(request._rack_id)))


def _listed(topics: Mapping[str, Sequence[bytes]]) -> list[bytes]:
    return [
        part for topic, entries in topics.items() for part in (_text(topic), _INT.pack(len(entries)), b"".join(entries))
    ]


def _text(text: str) -> bytes:
    raw = text.encode()
    return _SHORT.pack(len(raw)) + raw


def install() -> None:
    """Gives every consumer of this process that is started from now on sessions."""
    fetcher.FetchRequest = SessionRequest
    consumer.Fetcher = SessionFetcher
