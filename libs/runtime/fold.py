"""One batch, decided in memory: the states go in, everything that must be written comes out. Pure.

Messages are taken in the order given; several for one aggregate see each other's effects. A decision that raises
spoils its own message and, because order within a key is kept, the later ones of that key in this batch; no others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from msgspec import Struct

from contracts.message import Command, Message
from runtime.decision import Outcome, Ref, Refused, Service, TimeUp


class Item(Struct, frozen=True, gc=False):
    """One message for one aggregate, or one timer of it. `cause` is the `ce_id` (or the timer's id) that effects name,
    `reads` are aggregates its decision may look at, and `parks` says whether its failure stops its key."""

    cause: str
    ref: Ref
    message: Message | TimeUp
    correlation_id: str
    reads: Sequence[Ref] = ()
    parks: bool = True


class Versioned(Struct, frozen=True, gc=False):
    """An aggregate's state and its version; version 0 and no state before the first save."""

    state: Any
    version: int


ABSENT = Versioned(None, 0)


class Produced(Struct, frozen=True, gc=False):
    """A message to publish: `sequence` is the version of the aggregate that produced it."""

    message: Message
    causation_id: str
    correlation_id: str
    sequence: int


class Done(Struct, frozen=True, gc=False):
    """Handled. `version` is the aggregate's after it; `note` says why nothing changed, if so."""

    version: int
    state: Any
    note: str = ""
    produced: Sequence[Produced] = ()


class Refusal(Struct, frozen=True, gc=False):
    """Handled by refusing: nothing changed. `version` is the aggregate's, where another one was expected."""

    code: str
    reason: str
    version: int | None = None

    @classmethod
    def of(cls, refused: Refused | None) -> "Refusal":
        """The result that a raised refusal comes to."""
        assert refused is not None
        return cls(refused.code, refused.reason, refused.version)


class Failed(Struct, frozen=True, gc=False):
    """The decision raised something it should not have: the key is to be parked with this message first."""

    error: Exception


class Behind(Struct, frozen=True, gc=False):
    """Not tried, because an earlier message of the same key failed: to be parked behind it."""


Result = Done | Refusal | Failed | Behind


@dataclass(slots=True)
class Folded:
    """What a batch comes to. `results` stands in the order of the items."""

    results: list[Result] = field(default_factory=list)
    states: dict[Ref, Versioned] = field(default_factory=dict)
    timers: dict[tuple[Ref, str], datetime | None] = field(default_factory=dict)
    postings: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def produced(self) -> list[Produced]:
        """All messages to publish, in order."""
        return [produced for result in self.results if isinstance(result, Done) for produced in result.produced]


def fold(service: Service, items: Sequence[Item], loaded: Mapping[Ref, Versioned], now: datetime) -> Folded:
    """Decides every item in order against `loaded` (a ref that is missing there does not exist yet)."""
    folded = Folded()
    states = folded.states
    decide = {aggregate.name: aggregate.decide for aggregate in service.aggregates}
    failed: set[Ref] = set()

    def look(aggregate: str, id: str) -> Any:
        ref = Ref(aggregate, id)
        return (states.get(ref) or loaded.get(ref) or ABSENT).state

    for item in items:
        ref, message = item.ref, item.message
        if ref in failed:
            folded.results.append(Behind())
            continue
        before = states.get(ref) or loaded.get(ref) or ABSENT
        if type(message) is TimeUp and (ref, message.name) in folded.timers:
            # An earlier message of this batch set or cancelled it; as this firing, it is gone.
            if folded.timers[ref, message.name] != message.due_at:
                folded.results.append(Done(before.version, before.state, "timer_moved"))
                continue
            del folded.timers[ref, message.name]
        try:
            outcome = decide[ref.aggregate](before.state, message, now, look)
            # Behind the decision: who may not know of the object is not told of its version either.
            _check_version(message, before.version)
        except Refused as refused:
            folded.results.append(Refusal.of(refused))
        except Exception as error:
            if item.parks:
                failed.add(ref)
            folded.results.append(Failed(error))
        else:
            folded.results.append(_apply(folded, item, before, outcome))
    return folded


def _check_version(message: Message | TimeUp, version: int) -> None:
    expected = message.expected_version if _is_command(type(message)) else None  # type: ignore[union-attr]
    if expected is not None and expected != version:
        said = f"this is version {version}, not {expected}; read it again and decide anew"
        raise Refused("stale_version", said, version)


@cache
def _is_command(message_type: type) -> bool:
    """A contract's own `isinstance` costs three times as much."""
    return issubclass(message_type, Command)


def _apply(folded: Folded, item: Item, before: Versioned, outcome: Outcome[Any]) -> Done:
    after = before
    if outcome.state is not None:
        after = Versioned(outcome.state, before.version + 1)
        folded.states[item.ref] = after
    produced: Sequence[Produced] = ()
    if outcome.messages:
        cause, correlation_id, version = item.cause, item.correlation_id, after.version
        produced = [Produced(message, cause, correlation_id, version) for message in outcome.messages]
    for timer in outcome.timers:
        folded.timers[item.ref, timer.name] = timer.due_at
    for posting in outcome.postings:
        folded.postings.append((item.cause, posting))
    return Done(after.version, after.state, outcome.note, produced)
