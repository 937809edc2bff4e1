"""Webhooks that must not be believed, made of one that was: what an attacker sends who has seen it, or guesses."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from secrets import token_bytes
from typing import Any, NamedTuple, Protocol

import msgspec

from runtime.ids import new_id
from runtime.signatures import TOLERANCE, sign

REPLAYED = "replayed"
FORGERIES = ("forged", "unsigned", "altered", "outdated", REPLAYED)


class Webhook(NamedTuple):
    """Headers of the signature, and a body."""

    headers: Mapping[str, str]
    body: bytes


class Forgery(NamedTuple):
    """One of `FORGERIES`."""

    kind: str
    webhook: Webhook


class Answer(Protocol):
    """What of an HTTP answer matters here."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


class Tally:
    """What a sender did beside its duty since its process began."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._accepted: list[str] = []

    def count(self, what: str, times: int = 1) -> None:
        self._counts[what] += times

    def note(self, kind: str, answer: Answer | None) -> None:
        """How a forgery was answered; None where nobody did. A replay may be taken as such, and without effect."""
        self._counts[kind] += 1
        if answer is None or answer.status_code >= 500:
            self._refusals["unheard"] += 1
        elif answer.status_code >= 400 or (kind == REPLAYED and answer.headers.get("webhook-replayed") == "true"):
            self._refusals[kind] += 1
        else:
            self._accepted.append(kind)

    def told(self) -> dict[str, Any]:
        """As JSON: how often each happened, how many forgeries were refused by kind, and those that were not."""
        return {
            "sent": dict(self._counts),
            "forgeries_refused": dict(self._refusals),
            "forgeries_accepted": list(self._accepted),
        }


def forgeries(genuine: Webhook, keys: Sequence[bytes], now: int) -> Iterator[Forgery]:
    """Of each kind one; `now` is the real time in seconds. Each is a danger: its events claim ids of their own and more
    money, so that one that is believed has an effect. Only the replay is the genuine one, again."""
    body = _richer(genuine.body)
    yield Forgery("forged", Webhook(sign([token_bytes(32)], f"msg_{new_id()}", now, body), body))
    yield Forgery("unsigned", Webhook({}, body))
    yield Forgery("altered", Webhook(genuine.headers, body))
    long_ago = now - TOLERANCE - 60
    yield Forgery("outdated", Webhook(sign(keys, f"msg_{new_id()}", long_ago, body), body))
    yield Forgery(REPLAYED, genuine)


def _richer(body: bytes) -> bytes:
    events = msgspec.json.decode(body)
    for event in events:
        event["id"] = new_id()
        if amount := event["data"].get("amount"):
            amount["amount"] *= 10
    return msgspec.json.encode(events)
