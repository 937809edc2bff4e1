"""How a service says what it does: pure decisions, and a table of which message goes to which aggregate.

A decision never does I/O, never reads a clock and is never random: the same function runs in the pump, in the
simulation and in unit tests. What it wants done it returns as an `Outcome`; what it will not do it raises as `Refused`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from contracts.message import Message, Refusal

S = TypeVar("S")


class Ref(NamedTuple):
    """One aggregate instance: the aggregate's name (its table) and its id."""

    aggregate: str
    id: str


class Refused(Exception):
    """A decision will not do what was asked; nothing changed. `code` is stable, `reason` says what to do; `version` is
    the aggregate's, where another one was expected.

    Codes with a meaning for HTTP: `not_found` (404), `forbidden` (403), `stale_version` (412); others are 409,
    but codes starting with `invalid_` are 422.
    """

    def __init__(self, code: str, reason: str, version: int | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.version = version


class TimeUp(Struct, frozen=True, gc=False):
    """A timer of this aggregate fell due. `due_at` is when it was set to, not when it fired."""

    name: str
    due_at: datetime


class Timer(Struct, frozen=True, gc=False):
    """Set (or with `due_at=None` cancel) the aggregate's timer of this name; setting replaces."""

    name: str
    due_at: datetime | None


class Outcome(Struct, Generic[S], frozen=True, gc=False):
    """What a decision wants: the new state (None: as it was), messages to publish in this order, timers, and postings
    for the service's ledger. `note` says in a word why nothing happened, for the log."""

    state: S | None = None
    messages: Sequence[Message] = ()
    timers: Sequence[Timer] = ()
    postings: Sequence[Any] = ()
    note: str = ""


class Look(Protocol):
    """Reads another aggregate that the route declared: its state as of this message, or None if there is none."""

    def __call__(self, aggregate: str, id: str) -> Any: ...


Decide = Callable[[S | None, Any, datetime, Look], Outcome[S]]
"""`decide(state or None, message or TimeUp, now in UTC, look) -> Outcome`, or raises `Refused`."""


class Column(NamedTuple):
    """A column kept beside the JSON document because a query needs it: its PostgreSQL type, and how to read it."""

    type: str
    read: Callable[[Any], Any]


States = Callable[[Any], Sequence[str]]
"""In which states an aggregate is counted (see `census.py`): one a part of it that has a state of its own."""


@dataclass(frozen=True, slots=True)
class Aggregate(Generic[S]):
    """A kind of thing with a state: `name` is its table, `state` a frozen `msgspec.Struct`, `decide` its decision."""

    name: str
    state: type[S]
    decide: Decide[S]
    columns: Mapping[str, Column] = field(default_factory=dict)
    states: States | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Where a message goes: which aggregate, under which id (None: not for us), what else its decision looks at."""

    aggregate: str
    key: Callable[[Any], str | None]
    reads: Callable[[Any], Sequence[Ref]]


def to(
    aggregate: str,
    key: str | Callable[[Any], str | None],
    reads: Callable[[Any], Sequence[Ref]] = lambda _: (),
) -> Route:
    """A route; `key` is the name of the message's field that holds the id, or a function of the message."""
    return Route(aggregate, attrgetter(key) if isinstance(key, str) else key, reads)


class PostingStore(Protocol):
    """Writes postings in the batch's transaction; raises what the database raises when a constraint forbids one."""

    async def write(self, connection: Any, postings: Sequence[tuple[str, Any]], now: datetime) -> None:
        """`postings` are (cause, posting): the cause is the id of the message that made it."""


@dataclass(frozen=True)
class Service:
    """One service, whole: its aggregates, where each message goes, how it refuses, and where postings are written."""

    name: str
    aggregates: Sequence[Aggregate[Any]]
    routes: Mapping[type[Message], Route]
    refusal: type[Refusal]
    postings: PostingStore | None = None

    def __post_init__(self) -> None:
        known = {aggregate.name for aggregate in self.aggregates}
        for message, route in self.routes.items():
            if route.aggregate not in known:
                raise ValueError(f"{self.name}: {message.__name__} goes to unknown aggregate {route.aggregate!r}")

    def aggregate(self, name: str) -> Aggregate[Any]:
        """The aggregate of this name; KeyError when there is none."""
        return next(aggregate for aggregate in self.aggregates if aggregate.name == name)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics this service reads: those of its routed messages, and its own commands in any case."""
        return tuple(sorted({message.TOPIC for message in self.routes} | {f"{self.name}.commands.v1"}))
