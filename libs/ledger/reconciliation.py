"""A provider's statement of one day against the book: every difference, with its cause. Pure.

Refunds and payouts are known to both sides by the id of the operation. Payments and chargebacks the book may know only
by what they are about; then reference and amount tell which entry is which.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from contracts.money import Money
from contracts.payments import returned_payment
from contracts.statement import EntryKind, Statement, StatementEntry

T = TypeVar("T")


class Cause(StrEnum):
    """Why statement and book differ."""

    MISSING_IN_BOOK = "missing_in_book"
    MISSING_IN_STATEMENT = "missing_in_statement"
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    REFERENCE_DIFFERS = "reference_differs"
    BOOKED_ON_ANOTHER_DAY = "booked_on_another_day"
    DUPLICATED_IN_STATEMENT = "duplicated_in_statement"
    UNKNOWN_REFERENCE = "unknown_reference"
    IN_TRANSIT = "in_transit"
    SURPLUS_RECEIVED = "surplus_received"
    SURPLUS_RETURNED = "surplus_returned"


WHAT_TO_DO: Mapping[Cause, str] = {
    Cause.MISSING_IN_BOOK: "the provider moved money that the book does not know: look the operation up there,"
    " then record its result, or have the provider take the entry back",
    Cause.MISSING_IN_STATEMENT: "the book has a movement that the provider does not state: look at the statements of"
    " the next days, then ask the provider",
    Cause.AMOUNT_DIFFERS: "ask the provider for the true amount; correct the statement, or the book by a new transfer",
    Cause.CURRENCY_DIFFERS: "ask the provider in which currency it moved; correct the statement, or the book",
    Cause.REFERENCE_DIFFERS: "the operation is stated under another reference than it was asked for: ask the provider",
    Cause.BOOKED_ON_ANOTHER_DAY: "nothing: both have it, on different days",
    Cause.DUPLICATED_IN_STATEMENT: "one operation moves money once: ask the provider for a corrected statement",
    Cause.UNKNOWN_REFERENCE: "no order and no seller of this reference is known: ask the provider whose money it is",
    Cause.IN_TRANSIT: "wait: the provider did it and its answer is still to come; it is asked for by itself",
    Cause.SURPLUS_RECEIVED: "nothing: it did not pay its order, so it never stood in the book, and was sent back",
    Cause.SURPLUS_RETURNED: "nothing: it sends back what did not pay its order and never stood in the book",
}

INCOMING = frozenset({EntryKind.PAYMENT, EntryKind.CHARGEBACK_REVERSAL})

# Of these the provider's entry names the payment they are about, so one id may stand for several.
_BANKS = frozenset({EntryKind.CHARGEBACK, EntryKind.CHARGEBACK_REVERSAL})
_SURPLUS = frozenset({Cause.SURPLUS_RECEIVED, Cause.SURPLUS_RETURNED})


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that the book says came from or went to the provider. `operation_id` is None where the book does not name
    it."""

    kind: EntryKind
    reference: str
    operation_id: str | None
    amount: Money
    at: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation that was asked for and is not answered yet, `since` when."""

    kind: EntryKind
    reference: str
    operation_id: str
    amount: Money
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Booked:
    """What the book knows: the `movements` of the day; for entries not found there, open ones of other days
    (`elsewhere`), the operations not `asked`-and-answered, and which `references` exist at all; for movements not found
    in the statement, open entries of other days' statements (`stated_elsewhere`); and those that no book has
    (`unbooked_elsewhere`). What did not pay an order is told by the book `of_orders` alone."""

    movements: Sequence[Movement] = ()
    elsewhere: Sequence[Movement] = ()
    asked: Sequence[Asked] = ()
    references: frozenset[str] = frozenset()
    stated_elsewhere: Sequence[StatementEntry] = ()
    unbooked_elsewhere: Sequence[StatementEntry] = ()
    of_orders: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which statement and book do not agree; None where a side has nothing. `since`: when an operation in
    transit was asked for."""

    cause: Cause
    kind: EntryKind
    reference: str
    operation_id: str | None
    stated: Money | None = None
    booked: Money | None = None
    stated_at: datetime | None = None
    booked_at: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """One currency of the day, in minor units: what came in less what went out, `entries` and `movements` of them."""

    currency: str
    stated: int
    booked: int
    entries: int
    movements: int

    @property
    def difference(self) -> int:
        return self.stated - self.booked


def differences(statement: Statement, booked: Booked) -> tuple[Difference, ...]:
    """Every difference, in the order of the statement, then what only the book has."""
    found, left = _compared(statement, booked)
    return (*found, *left)


def unmatched(statement: Statement, movements: Sequence[Movement]) -> tuple[list[StatementEntry], list[Movement]]:
    """Entries and movements of the day that do not find each other: about these more must be known."""
    match = _Match(movements)
    entries = match.all(statement.entries)
    return [entry for entry, movement in entries if movement is None], match.left()


def totals(statement: Statement, booked: Booked, found: Iterable[Difference]) -> tuple[Total, ...]:
    """By currency. Entries of unknown reference are left out, as they may be another book's, and so is what came and
    went without having paid an order."""
    found = tuple(found)
    strangers = {each.reference for each in found if each.cause is Cause.UNKNOWN_REFERENCE}
    surplus = Counter((each.kind, each.operation_id) for each in found if each.cause in _SURPLUS)
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for entry in statement.entries:
        if entry.reference in strangers:
            continue
        if surplus[entry.kind, entry.operation_id]:
            # Stated twice, it is left out once.
            surplus[entry.kind, entry.operation_id] -= 1
            continue
        sums[entry.amount.currency][0] += signed(entry.kind, entry.amount)
        sums[entry.amount.currency][2] += 1
    for movement in booked.movements:
        sums[movement.amount.currency][1] += signed(movement.kind, movement.amount)
        sums[movement.amount.currency][3] += 1
    return tuple(Total(currency, *sums[currency]) for currency in sorted(sums))


def signed(kind: EntryKind, amount: Money) -> int:
    """Minor units, negative where money left the provider."""
    return amount.amount if kind in INCOMING else -amount.amount


def _compared(statement: Statement, booked: Booked) -> tuple[list[Difference], list[Difference]]:
    match = _Match(booked.movements)
    elsewhere = _Match(booked.elsewhere)
    asked = {(each.kind, each.operation_id): each for each in booked.asked}
    found: list[Difference] = []
    seen: set[Hashable] = set()
    matched = match.all(statement.entries)
    for entry, movement in matched:
        again = _same(entry) in seen
        seen.add(_same(entry))
        if movement is not None:
            found += _pair(entry, movement)
        elif again:
            found.append(_stated(Cause.DUPLICATED_IN_STATEMENT, entry))
        elif (other := elsewhere.one(entry, exactly=True)) is not None:
            found += _pair(entry, other, Cause.BOOKED_ON_ANOTHER_DAY)
        elif (waiting := asked.get((entry.kind, entry.operation_id))) is not None:
            found.append(_in_transit(entry, waiting))
        else:
            known = entry.reference in booked.references
            found.append(_stated(Cause.MISSING_IN_BOOK if known else Cause.UNKNOWN_REFERENCE, entry))
    if booked.of_orders:
        paid = {(entry.reference, entry.operation_id) for entry, movement in matched if movement is not None}
        found = _explained(found, booked.unbooked_elsewhere, paid)
    return found, list(_only_booked(match.left(), booked.stated_elsewhere))


def _explained(
    found: Sequence[Difference], elsewhere: Iterable[StatementEntry], paid: Container[tuple[str, str]]
) -> list[Difference]:
    """What the book does not know because it never paid an order, which may never have come to the book: payments that
    a refund sends back, and these refunds. A refund without such a payment, or a second one of it, stays what it is.
    `paid` are the payments (reference and operation) that the book was found to have: as it knows them by order and
    amount alone, it may have taken the one that went back for the one that stayed."""
    missing = [each for each in found if each.cause in (Cause.MISSING_IN_BOOK, Cause.UNKNOWN_REFERENCE)]
    both = [*missing, *(_stated(Cause.MISSING_IN_BOOK, entry) for entry in elsewhere)]
    payments = _Pool(
        (each for each in both if each.kind is EntryKind.PAYMENT),
        lambda each: (each.reference, each.operation_id),
        lambda each: (each.reference, _amount(each.stated)),
    )
    why: dict[Difference, Difference] = {}
    refunds = (each for each in both if each.kind is EntryKind.REFUND)
    for refund in sorted(refunds, key=lambda each: (each.stated_at, each.operation_id)):
        if (payment_id := returned_payment(refund.operation_id or "")) is None:
            continue
        payment = payments.by_name((refund.reference, payment_id))
        if payment is None and (refund.reference, payment_id) in paid:
            payment = payments.by_subject((refund.reference, _amount(refund.stated)))
        if payment is None:
            continue
        if payment.stated == refund.stated:
            why[payment] = replace(payment, cause=Cause.SURPLUS_RECEIVED)
            why[refund] = replace(refund, cause=Cause.SURPLUS_RETURNED)
        else:
            why[refund] = _returned_wrongly(refund, payment)
    return [why.get(each, each) for each in found]


def _returned_wrongly(refund: Difference, payment: Difference) -> Difference:
    assert refund.stated and payment.stated
    same = refund.stated.currency == payment.stated.currency
    cause = Cause.AMOUNT_DIFFERS if same else Cause.CURRENCY_DIFFERS
    return replace(refund, cause=cause, booked=payment.stated, booked_at=payment.stated_at)


def _amount(money: Money | None) -> Hashable:
    return money and (money.amount, money.currency)


def _same(entry: StatementEntry) -> Hashable:
    """What two entries have in common that state one movement twice."""
    one = entry.kind, entry.operation_id
    return (*one, entry.reference, entry.amount, entry.at) if entry.kind in _BANKS else one


def _pair(entry: StatementEntry, movement: Movement, otherwise: Cause | None = None) -> Iterator[Difference]:
    cause = otherwise
    if entry.amount.currency != movement.amount.currency:
        cause = Cause.CURRENCY_DIFFERS
    elif entry.amount != movement.amount:
        cause = Cause.AMOUNT_DIFFERS
    elif entry.reference != movement.reference:
        cause = Cause.REFERENCE_DIFFERS
    if cause is not None:
        names = entry.kind, movement.reference, entry.operation_id
        yield Difference(cause, *names, entry.amount, movement.amount, entry.at, movement.at)


def _stated(cause: Cause, entry: StatementEntry) -> Difference:
    return Difference(cause, entry.kind, entry.reference, entry.operation_id, entry.amount, stated_at=entry.at)


def _in_transit(entry: StatementEntry, waiting: Asked) -> Difference:
    cause, booked = Cause.IN_TRANSIT, None
    if entry.amount != waiting.amount:
        same = entry.amount.currency == waiting.amount.currency
        cause, booked = Cause.AMOUNT_DIFFERS if same else Cause.CURRENCY_DIFFERS, waiting.amount
    return Difference(
        cause, entry.kind, entry.reference, entry.operation_id, entry.amount, booked, entry.at, since=waiting.since
    )


def _only_booked(left: Iterable[Movement], stated_elsewhere: Iterable[StatementEntry]) -> Iterator[Difference]:
    others = _Pool(stated_elsewhere, lambda entry: (entry.kind, entry.operation_id), _about)
    for movement in left:
        named = (movement.kind, movement.operation_id)
        entry = others.by_name(named) if movement.operation_id else others.by_subject(_about(movement))
        yield Difference(
            Cause.BOOKED_ON_ANOTHER_DAY if entry else Cause.MISSING_IN_STATEMENT,
            movement.kind,
            movement.reference,
            entry.operation_id if entry else movement.operation_id,
            entry.amount if entry else None,
            movement.amount,
            entry.at if entry else None,
            movement.at,
        )


def _about(one: Movement | StatementEntry) -> Hashable:
    return one.kind, one.reference, one.amount.amount, one.amount.currency


class _Pool(Generic[T]):
    """Things to be found once each, by name or by what they are about, the first one first."""

    def __init__(
        self, things: Iterable[T], name: Callable[[T], Hashable | None], subject: Callable[[T], Hashable]
    ) -> None:
        self._all = list(things)
        self._taken: set[int] = set()
        self._named: dict[Hashable, list[int]] = defaultdict(list)
        self._subjects: dict[Hashable, list[int]] = defaultdict(list)
        for number in reversed(range(len(self._all))):
            self._named[name(self._all[number])].append(number)
            self._subjects[subject(self._all[number])].append(number)

    def by_name(self, name: Hashable) -> T | None:
        return self._take(self._named.get(name))

    def by_subject(self, subject: Hashable) -> T | None:
        return self._take(self._subjects.get(subject))

    def left(self) -> list[T]:
        return [thing for number, thing in enumerate(self._all) if number not in self._taken]

    def _take(self, numbers: list[int] | None) -> T | None:
        while numbers:
            number = numbers.pop()
            if number not in self._taken:
                self._taken.add(number)
                return self._all[number]
        return None


class _Match:
    """Movements, found by entries: by the operation they name, else by reference and amount, else by reference."""

    def __init__(self, movements: Iterable[Movement]) -> None:
        every = list(movements)
        named = [each for each in every if each.operation_id is not None]
        unnamed = [each for each in every if each.operation_id is None]
        self._named = _Pool(named, lambda each: (each.kind, each.operation_id), _about)
        self._unnamed = _Pool(unnamed, lambda each: (each.kind, each.reference), _about)

    def all(self, entries: Sequence[StatementEntry]) -> list[tuple[StatementEntry, Movement | None]]:
        """Every entry with its movement. Exact ones are found before those that differ in amount."""
        exact = [self.one(entry, exactly=True) for entry in entries]
        found = {_same(entry) for entry, movement in zip(entries, exact, strict=True) if movement is not None}
        return [
            (entry, movement or (None if _same(entry) in found else self.one(entry, exactly=False)))
            for entry, movement in zip(entries, exact, strict=True)
        ]

    def one(self, entry: StatementEntry, *, exactly: bool) -> Movement | None:
        """The movement of an entry, once; of one that is not named only one of the same amount, if `exactly`."""
        if exactly:
            return self._named.by_name((entry.kind, entry.operation_id)) or self._unnamed.by_subject(_about(entry))
        return self._unnamed.by_name((entry.kind, entry.reference))

    def left(self) -> list[Movement]:
        """What no entry found."""
        return [*self._named.left(), *self._unnamed.left()]
