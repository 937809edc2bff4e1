"""What goes wrong in the outside world by itself: how often by a SPEC, where by a seed. Pure, so that the same seed and
the same names (an operation's id, an event's content, a statement's entry) meet the same fate in every run.

A SPEC is `seed=7,decline=200,duplicate=500`: shares in basis points, whatever is not named never happens. `all` stands
for `ALL`, and what is named beside it replaces its shares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from types import MappingProxyType

WHOLE = 10_000
"""Basis points."""

OPERATION_FAULTS = {
    "decline": "payments of orders are declined",
    "request_lost": "the first request of an operation never arrives: a query finds none, a repetition goes through",
    "answer_lost": "the operation takes its course, but its result is told only when asked for",
    "refund_fails": "a refund fails; the next try has luck of its own",
    "payout_fails": "a payout fails; the next try has luck of its own",
    "refund_never": "every refund of an order fails",
    "payout_never": "every payout of an order fails",
    "delay": "the result is told hours or days after it stands",
    "duplicate": "the result is told once more by itself, days later, as an event of its own; webhooks are sent twice",
    "timeout": "the provider does what it was asked but answers too late for whoever waits",
}
WEBHOOK_FAULTS = {
    "reorder": "an event is sent behind those that follow it",
    "forge": "forged, unsigned, altered, outdated and replayed webhooks are sent beside a real one",
}
STATEMENT_FAULTS = {
    "missing": "an entry is left out of the daily statement",
    "extra": "an entry is invented",
    "wrong_amount": "an entry has another amount",
    "wrong_currency": "an entry has another currency",
    "other_day": "an entry stands in the statement of the next day",
}
WORDS: Mapping[str, str] = MappingProxyType({**OPERATION_FAULTS, **WEBHOOK_FAULTS, **STATEMENT_FAULTS})
"""Every word of a SPEC but `seed` and `all`, and what it means."""

ALL: Mapping[str, int] = MappingProxyType({
    "decline": 500,
    "request_lost": 200,
    "answer_lost": 300,
    "refund_fails": 2_000,
    "payout_fails": 1_000,
    "refund_never": 200,
    "payout_never": 200,
    "delay": 1_000,
    "duplicate": 1_000,
    "timeout": 300,
    "reorder": 2_000,
    "forge": 1_000,
    "missing": 100,
    "extra": 100,
    "wrong_amount": 100,
    "wrong_currency": 100,
    "other_day": 200,
})  # fmt: skip
"""A bad month of a bad provider, in which every kind happens among some hundred orders."""

SHORTEST_DELAY, LONGEST_DELAY = timedelta(minutes=20), timedelta(days=3)
TOLD_AGAIN_WITHIN = timedelta(days=9)


class UnknownFault(ValueError):
    """A SPEC that cannot be read; says what it may hold."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong: `shares` in basis points by word."""

    seed: str = "holdfast"
    shares: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __bool__(self) -> bool:
        return any(self.shares.values())

    def hits(self, word: str, name: str) -> bool:
        """Whether this fault meets whatever has this name."""
        share = self.shares.get(word, 0)
        return share > 0 and self._draw(word, name) % WHOLE < share

    def one_of(self, words: Sequence[str], name: str) -> str | None:
        """The first of these faults that meets it: for those that exclude each other."""
        return next((word for word in words if self.hits(word, name)), None)

    def span(self, word: str, name: str, shortest: timedelta, longest: timedelta) -> timedelta:
        """A span of time between these two, in whole seconds, evenly spread over the names."""
        seconds = int((longest - shortest).total_seconds())
        return shortest + timedelta(seconds=self._draw(f"{word}/span", name) % (seconds + 1))

    def number(self, word: str, name: str, below: int) -> int:
        """A number of `range(below)`, evenly spread over the names."""
        return self._draw(f"{word}/number", name) % below

    def _draw(self, word: str, name: str) -> int:
        return int.from_bytes(sha256(f"{self.seed}/{word}/{name}".encode()).digest()[:8])


NONE = Faults()


def parse(spec: str, known_words: Mapping[str, str] = WORDS, everything: Mapping[str, int] = ALL) -> Faults:
    """The faults of a SPEC; none where it is empty. Raises `UnknownFault`. Other simulators have words of their own."""
    seed = NONE.seed
    shares: dict[str, int] = {}
    words = [word.strip() for word in spec.split(",")] if spec.strip() else []
    if "all" in words:
        shares |= everything
    for word in words:
        name, equals, value = word.partition("=")
        if word == "all":
            continue
        if name == "seed" and value:
            seed = value
        elif name in known_words and equals and value.isascii() and value.isdecimal() and int(value[:9]) <= WHOLE:
            shares[name] = int(value)
        elif name in known_words:
            raise UnknownFault(f"say how often {name} happens in basis points, 0 to {WHOLE}, such as {name}=200")
        else:
            known = ", ".join(sorted(known_words))
            raise UnknownFault(f"there is no fault {word[:40]!r}; a SPEC is all, seed=TEXT, or one of {known}, =SHARE")
    return Faults(seed, MappingProxyType(shares))
