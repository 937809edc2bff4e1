"""A file of orders, read: rows become plans of what was tried, and every bad row is told by line, column and reason."""

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contracts.currencies import EXPONENTS
from contracts.message import Code, Country, Id
from contracts.money import Money, MoneyError
from contracts.orders import PaymentMethod, Quantity, TrackingNumber

COLUMNS = (
    "order_id", "line_no", "buyer_id", "seller_id", "category", "sku", "title", "quantity", "unit_price", "currency",
    "seller_country", "buyer_country", "payment_method", "placed_at", "paid_at", "shipped_at", "carrier",
    "tracking_number", "delivered_at", "confirmed_at", "cancelled_at", "cancelled_by", "disputed_at",
    "dispute_reason", "ruling", "ruled_at",
)  # fmt: skip

OF_THE_ORDER = (
    "buyer_id", "seller_id", "currency", "seller_country", "buyer_country", "payment_method", "placed_at", "paid_at",
    "shipped_at", "carrier", "tracking_number", "delivered_at", "cancelled_at", "cancelled_by",
)  # fmt: skip
"""Columns that must say the same in every row of an order."""

CANCELLERS = ("buyer", "seller", "seller_asked", "reviewer")
ORDER_ID_CHARS = 36
"""Shorter than the system's own limit, because ids of cases are made of it."""


class MissingColumns(Exception):
    """The file cannot be read at all: its first line lacks these columns."""

    def __init__(self, missing: Iterable[str]) -> None:
        self.missing = tuple(missing)
        super().__init__(f"the first line must name all columns; missing: {', '.join(self.missing)}")


@dataclass(frozen=True, slots=True)
class BadRow:
    """Why a row was left out. `line` counts from 1, the header being line 1."""

    line: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """`buyer`, `seller`, or a split with the buyer's share in hundredths of a percent."""

    verdict: str
    buyer_basis_points: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """One row: a line of an order, and what was tried with it alone."""

    line_no: int
    sku: str
    category: str
    quantity: int
    unit_price: int
    confirmed_at: datetime | None
    disputed_at: datetime | None
    dispute_reason: str
    ruling: Ruling | None
    ruled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Plan:
    """An order and what was tried with it, in UTC; None where it never happened."""

    order_id: str
    buyer_id: str
    seller_id: str
    currency: str
    seller_country: str
    buyer_country: str
    payment_method: str
    placed_at: datetime
    paid_at: datetime | None
    shipped_at: datetime | None
    carrier: str
    tracking_number: str
    delivered_at: datetime | None
    cancelled_at: datetime | None
    cancelled_by: str
    lines: tuple[PlannedLine, ...]


def read(text: Iterable[str]) -> tuple[list[Plan], list[BadRow]]:
    """The orders of a CSV file, and the rows left out. Raises `MissingColumns`."""
    rows = csv.DictReader(text)
    missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise MissingColumns(missing)
    bad: list[BadRow] = []
    orders: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        line = rows.line_num
        try:
            values = _values(row)
            before = orders.get(values["order_id"], [])
            _check_agrees(values, before)
        except _Bad as wrong:
            bad.append(BadRow(line, wrong.column, wrong.reason))
        else:
            orders.setdefault(values["order_id"], []).append(values)
    return [_plan(lines) for lines in orders.values()], bad


def later(plan: Plan, by: timedelta) -> Plan:
    """The same, tried so much later."""
    return replace(plan, **_moved(plan, by), lines=tuple(replace(line, **_moved(line, by)) for line in plan.lines))


def _moved(what: Plan | PlannedLine, by: timedelta) -> dict[str, Any]:
    moments = {one.name: getattr(what, one.name) for one in fields(what)}
    return {name: moment + by for name, moment in moments.items() if isinstance(moment, datetime)}


class _Bad(Exception):
    def __init__(self, column: str, reason: str) -> None:
        self.column = column
        self.reason = reason


def _values(row: Mapping[str, str | None]) -> dict[str, Any]:
    if None in row.values() or None in row:
        raise _Bad("", "the row has another number of fields than the first line")
    values: dict[str, Any] = {}
    for column in COLUMNS:
        text = (row[column] or "").strip()
        reader, needed = _READERS[column]
        if not text:
            if needed:
                raise _Bad(column, "is blank, and every row needs it")
            values[column] = "" if reader in (_code, _text, _tracking, _canceller) else None
            continue
        try:
            values[column] = reader(text)
        except _Bad as wrong:
            raise _Bad(column, wrong.reason) from None
    try:
        values["unit_price"] = Money.parse(values["unit_price"], values["currency"]).amount
    except MoneyError as error:
        raise _Bad("unit_price", str(error)) from None
    if values["unit_price"] == 0:
        raise _Bad("unit_price", "must be more than zero")
    for column, needs in _TOGETHER.items():
        if values[column] and not values[needs]:
            raise _Bad(needs, f"is blank, and {column} needs it")
    return values


def _check_agrees(values: Mapping[str, Any], before: list[dict[str, Any]]) -> None:
    if any(other["line_no"] == values["line_no"] for other in before):
        raise _Bad("line_no", f"line {values['line_no']} of this order is there already")
    for column in OF_THE_ORDER if before else ():
        if values[column] != before[0][column]:
            raise _Bad(column, "says something else than an earlier row of this order")


def _plan(rows: list[dict[str, Any]]) -> Plan:
    first = rows[0]
    lines = tuple(
        PlannedLine(**{name: row[name] for name in PlannedLine.__dataclass_fields__})
        for row in sorted(rows, key=lambda row: int(row["line_no"]))
    )
    return Plan(order_id=first["order_id"], lines=lines, **{column: first[column] for column in OF_THE_ORDER})


_ID, _COUNTRY, _CODE, _TRACKING, _QUANTITY = (
    TypeAdapter[Any](kind) for kind in (Id, Country, Code, TrackingNumber, Quantity)
)


def _checked(adapter: TypeAdapter[Any], value: Any, reason: str) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        raise _Bad("", reason) from None


def _id(text: str) -> str:
    return str(_checked(_ID, text, f"{text[:70]!r} is not an id: 1 to 64 of A-Z a-z 0-9 . _ : -"))


def _order_id(text: str) -> str:
    if len(text) > ORDER_ID_CHARS:
        raise _Bad("", f"has more than {ORDER_ID_CHARS} characters")
    return _id(text)


def _country(text: str) -> str:
    return str(_checked(_COUNTRY, text.upper(), f"{text[:20]!r} is not an ISO 3166 country of two letters"))


def _code(text: str) -> str:
    """Real files write categories and carriers as people do: "Home & Garden" is home_garden."""
    slug = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:64]
    return str(_checked(_CODE, slug, f"{text[:70]!r} has no letters or digits"))


def _tracking(text: str) -> str:
    return str(_checked(_TRACKING, text, f"{text[:50]!r} is not a tracking number: 4 to 40 letters, digits and -"))


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise _Bad("", f"{text[:20]!r} is not a whole number")
    return int(text)


def _line_no(text: str) -> int:
    number = _whole(text)
    if not 1 <= number <= 1000:
        raise _Bad("", "must be 1 to 1000")
    return number


def _quantity(text: str) -> int:
    return int(_checked(_QUANTITY, _whole(text), "must be 1 to 100000"))


def _currency(text: str) -> str:
    code = text.upper()
    if code not in EXPONENTS:
        raise _Bad("", f"{text[:10]!r} is not an ISO 4217 currency")
    return code


def _method(text: str) -> str:
    slug = _code(text)
    if slug not in set(PaymentMethod):
        raise _Bad("", f"{text[:30]!r} is none of {', '.join(PaymentMethod)}")
    return slug


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Bad("", f"{text[:40]!r} is not an ISO 8601 time such as 2026-01-31T12:00:00Z") from None


def _canceller(text: str) -> str:
    slug = _code(text)
    if slug not in CANCELLERS:
        raise _Bad("", f"{text[:30]!r} is none of {', '.join(CANCELLERS)}")
    return slug


def _ruling(text: str) -> Ruling:
    if text.lower() in ("buyer", "seller"):
        return Ruling(text.lower())
    match = re.fullmatch(r"split:\s*(\d{1,2}(?:\.\d{1,2})?)\s*%?(?:\s+to\s+buyer)?", text.lower())
    points = round(float(match[1]) * 100) if match else 0
    if not 1 <= points <= 9_999:
        raise _Bad("", f"{text[:30]!r} is none of buyer, seller, split:PERCENT to buyer (more than 0, less than 100)")
    return Ruling("split", points)


def _text(text: str) -> str:
    return text


_READERS: Mapping[str, tuple[Callable[[str], Any], bool]] = {
    "order_id": (_order_id, True),
    "line_no": (_line_no, True),
    "buyer_id": (_id, True),
    "seller_id": (_id, True),
    "category": (_code, True),
    "sku": (_id, True),
    "title": (_text, False),
    "quantity": (_quantity, True),
    "unit_price": (_text, True),
    "currency": (_currency, True),
    "seller_country": (_country, True),
    "buyer_country": (_country, True),
    "payment_method": (_method, True),
    "placed_at": (_moment, True),
    "paid_at": (_moment, False),
    "shipped_at": (_moment, False),
    "carrier": (_code, False),
    "tracking_number": (_tracking, False),
    "delivered_at": (_moment, False),
    "confirmed_at": (_moment, False),
    "cancelled_at": (_moment, False),
    "cancelled_by": (_canceller, False),
    "disputed_at": (_moment, False),
    "dispute_reason": (_code, False),
    "ruling": (_ruling, False),
    "ruled_at": (_moment, False),
}
"""How each column is read, and whether every row needs it."""

_TOGETHER = {
    "shipped_at": "carrier",
    "carrier": "tracking_number",
    "cancelled_at": "cancelled_by",
    "disputed_at": "dispute_reason",
    "ruled_at": "ruling",
}
"""What is given needs the other one."""
