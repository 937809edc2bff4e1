"""Differences planted into a daily statement, and the record of them. Pure: the same day read again is the same."""

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from contracts.money import Money
from contracts.statement import EntryKind, StatementEntry
from simulators.faults import STATEMENT_FAULTS, Faults


class Planted(BaseModel):
    """One difference in the statement of a day: `true` is what moved on it, `stated` what is said instead; None where
    there is nothing. An entry of another day is one difference on each: not stated on its own, stated on the next."""

    model_config = ConfigDict(frozen=True)

    kind: str
    true: StatementEntry | None = None
    stated: StatementEntry | None = None


def with_differences(
    faults: Faults, before: Sequence[StatementEntry], moved: Sequence[StatementEntry]
) -> tuple[list[StatementEntry], list[Planted]]:
    """What the statement of a day says, in order, and what is wrong with it. `moved` is what moved on that day,
    `before` on the day before: of that comes what was put off to this one."""
    stated: list[StatementEntry] = []
    planted: list[Planted] = []
    for entry in before:
        if _fault_of(faults, entry) == "other_day":
            stated.append(entry)
            planted.append(Planted(kind="other_day", stated=entry))
    for entry in moved:
        fault = _fault_of(faults, entry)
        said = list(_stated(faults, fault, entry))
        stated += said
        if fault:
            wrong = next((one for one in said if one is not entry), None)
            planted.append(Planted(kind=fault, true=None if fault == "extra" else entry, stated=wrong))
    return stated, planted


def planted_in_all(faults: Faults, moved: Sequence[StatementEntry]) -> dict[str, int]:
    """How many entries of each kind are stated wrongly, or invented, in the statements of all days together."""
    return dict(Counter(fault for entry in moved if (fault := _fault_of(faults, entry))))


def _fault_of(faults: Faults, entry: StatementEntry) -> str | None:
    return faults.one_of(tuple(STATEMENT_FAULTS), f"{entry.kind}/{entry.operation_id}")


def _stated(faults: Faults, fault: str | None, entry: StatementEntry) -> Iterator[StatementEntry]:
    """What a statement says for an entry, instead of it or beside it."""
    amount = entry.amount
    match fault:
        case None:
            yield entry
        case "extra":
            yield entry
            number = faults.number("extra", entry.operation_id, 1_000_000)
            yield entry.model_copy(update={"operation_id": f"unknown-{number}", "kind": EntryKind.PAYMENT})
        case "wrong_amount":
            off = 1 + faults.number("wrong_amount", entry.operation_id, max(amount.amount // 2, 1))
            yield entry.model_copy(update={"amount": Money(amount=amount.amount + off, currency=amount.currency)})
        case "wrong_currency":
            other = "USD" if amount.currency != "USD" else "EUR"
            yield entry.model_copy(update={"amount": Money(amount=amount.amount, currency=other)})
