"""One order over all services: what happened when, what it waits for, and what each viewer may do. Pure: made of what
the services answer, any of which may be missing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from shlex import quote
from typing import Any, NamedTuple

from contracts.money import major_units

Json = Mapping[str, Any]

_SETTLED = "nothing: it has come to its end"
_HOLDERS = {"buyers_bank": "the buyer's bank", "deposits": "the seller's deposit"}


@dataclass(frozen=True, slots=True)
class Told:
    """What the services said of one order. `silent` are those that did not answer, each with the reason; `letters` are
    parked messages of the order's key, by service."""

    order: Json
    escrow: Json | None = None
    money: Json | None = None
    disputes: Sequence[Json] = ()
    account: Json | None = None
    deposit: Json | None = None
    letters: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.order["order_id"])


class Entry(NamedTuple):
    """One line of the timeline, in virtual time."""

    at: datetime
    service: str
    what: str


class Step(NamedTuple):
    """What a viewer may do next (X3); `about` is the order or the dispute."""

    about: str
    action: str
    until: datetime | None
    on_silence: str


def timeline(told: Told) -> list[Entry]:
    """Everything that happened, oldest first; of one moment in the order of the services."""
    return sorted(_entries(told), key=lambda entry: entry.at)


def _entries(told: Told) -> Iterator[Entry]:
    for entry in told.order["history"]:
        yield Entry(_moment(entry["at"]), "orders", words(entry["what"]))
    for stop in (told.account or {}).get("stops", ()):
        if stop["order_id"] == told.id:
            yield from _stop(stop)
    yield from _movements(told.money or {})
    for concern in (told.escrow or {}).get("concerns", ()):
        asked = f"an operator is asked to decide about {concern['operation_id']}: {words(concern['code'])}"
        yield Entry(_moment(concern["since"]), "escrow", asked)
    for entry in (told.order.get("parcel") or {}).get("tracking", ()):
        yield Entry(_moment(entry["at"]), "carrier", words(entry["what"]))
    for case in told.disputes:
        for entry in case["history"]:
            yield Entry(_moment(entry["at"]), "disputes", f"{case['dispute_id']}: {words(entry['what'])}")
    for claim in (told.deposit or {}).get("claims", ()):
        if claim["order_id"] == told.id:
            paid = f"{_text(claim['paid'])} of {_text(claim['asked'])} paid"
            refused = f", {words(claim['code'])}" if claim["code"] else ""
            yield Entry(_moment(claim["at"]), "deposits", f"claim {claim['claim_id']}: {paid}{refused}")
    for service, letters in told.letters.items():
        for letter in letters:
            parked = f"a message is parked, {letter['code']}: holdfast dlq show {service}:{letter['seq']}"
            yield Entry(_moment(letter["parked_at"]), service, parked)


def _stop(stop: Json) -> Iterator[Entry]:
    rules = ", ".join(words(signal["rule"]) for signal in stop["signals"])
    yield Entry(_moment(stop["at"]), "identity", f"stopped: {rules}")
    if stop["submitted_at"]:
        yield Entry(_moment(stop["submitted_at"]), "identity", f"appeal {stop['appeal_id']} submitted")
    if stop["decided_at"]:
        why = f": {stop['reason']}" if stop["reason"] else ""
        yield Entry(_moment(stop["decided_at"]), "identity", f"appeal {stop['appeal_id']} {stop['status']}{why}")


def _movements(money: Json) -> Iterator[Entry]:
    """Movements of the ledger, those that one message caused for one purpose in one line."""
    sums: dict[tuple[str, str, str, str, str], int] = {}
    for leg in money.get("legs", ()):
        key = (leg["at"], leg["purpose"], leg["debit"]["kind"], leg["credit"]["kind"], leg["debit"]["currency"])
        sums[key] = sums.get(key, 0) + leg["amount"]
    for (at, purpose, debit, credit, currency), amount in sums.items():
        moved = f"{major_units(amount, currency)} {currency} from {words(debit)} to {words(credit)}"
        yield Entry(_moment(at), "escrow", f"{words(purpose)}: {moved}")


def why_waiting(told: Told, now: datetime) -> str:
    """What the order waits for, in one sentence (X4). What stands still comes first: nothing else moves it."""
    for service, letters in told.letters.items():
        for letter in letters[:1]:
            return (
                f"It stands still: {service} could not handle a message of it ({letter['code']}) and parked its key; "
                f"holdfast dlq show {service}:{letter['seq']} says what to do."
            )
    concerns = (told.escrow or {}).get("concerns", ())
    if concerns:
        one = concerns[0]
        return (
            f"It waits for an operator, since {_date(_moment(one['since']))}: {words(one['code'])} "
            f"of {one['operation_id']}; holdfast operations list {quote(told.id)} says what to do."
        )
    for case in told.disputes:
        for step in case["next"]:
            if step["until"]:
                until = _until(_moment(step["until"]), now)
                return f"It waits for dispute {case['dispute_id']} ({words(step['action'])}){until}{_or_else(step)}."
    waits = told.order["waits_for"]
    if waits is None:
        return f"It waits for {_SETTLED}."
    until = _until(_moment(waits["until"]), now) if waits["until"] else ""
    return f"It waits for the {waits['for_whom']} to {words(waits['what'])}{until}{_or_else(waits)}."


def steps(order: Json, disputes: Sequence[Json]) -> list[Step]:
    """What the viewer whose answers these are may do."""
    of_order = [("order", step) for step in order["next"]]
    of_cases = [(case["dispute_id"], step) for case in disputes for step in case["next"]]
    return [
        Step(about, words(step["action"]), _moment(step["until"]) if step["until"] else None, words(step["on_silence"]))
        for about, step in of_order + of_cases
    ]


def holdings(money: Json | None) -> list[str]:
    """Who has which part of the money, in words."""
    return [_holding(part) for part in (money or {}).get("where", ())]


def _holding(part: Json) -> str:
    amount = part["amount"]["text"] if part["amount"] else "a part"
    whom = part["held_by"] or "somebody"
    told = f"line {part['line_no']}: {amount} {words(part['place'])}, with {_HOLDERS.get(whom, f'the {whom}')}"
    if part["owner"] != "undecided":
        told += f", for the {part['owner']}"
    if part["expected_at"]:
        told += f", to move by {_date(_moment(part['expected_at']))}"
    if part["overdue"]:
        told += " (overdue)"
    return f"{told}; reference {part['reference']}" if part["reference"] else told


def words(code: str) -> str:
    """A stable code as words."""
    return code.replace("_", " ").replace(":", ", ")


def _text(amount: Json) -> str:
    return f"{major_units(amount['amount'], amount['currency'])} {amount['currency']}"


def _or_else(waits: Json) -> str:
    return f"; if nothing happens: {words(waits['on_silence'])}" if waits["on_silence"] else ""


def _until(moment: datetime, now: datetime) -> str:
    return f" until {_date(moment)} ({_in(moment - now)})"


def _in(span: timedelta) -> str:
    past, span = span < timedelta(0), abs(span)
    told = f"{span.days} days" if span.days > 1 else f"{int(span.total_seconds() // 3600)} hours"
    if span < timedelta(hours=2):
        told = f"{int(span.total_seconds() // 60)} minutes"
    return f"{told} ago" if past else f"in {told}"


def _date(moment: datetime) -> str:
    return f"{moment:%d %B %Y %H:%M}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
