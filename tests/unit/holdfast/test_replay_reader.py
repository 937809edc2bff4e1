"""A file of orders: what is read, what is told about bad rows, and what was tried."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from contracts.disputes import RuleDispute
from contracts.message import Role
from contracts.orders import CancelOrder, CancelReason, ConfirmReceipt
from holdfast.replay.actions import actions_of, appeal_of, short_id
from holdfast.replay.reader import COLUMNS, BadRow, MissingColumns, Plan, Ruling, later, read
from holdfast.replay.run import fitted

GOOD = {
    "order_id": "o-1",
    "line_no": "1",
    "buyer_id": "b-1",
    "seller_id": "s-1",
    "category": "Home & Garden",
    "sku": "pot-1",
    "title": "Teapot, blue",
    "quantity": "2",
    "unit_price": "10.50",
    "currency": "EUR",
    "seller_country": "CN",
    "buyer_country": "de",
    "payment_method": "Credit Card",
    "placed_at": "2026-01-05T10:00:00",
    "paid_at": "2026-01-05T12:00:00+01:00",
}


def file(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> io.StringIO:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows({name: value for name, value in row.items() if name in columns} for row in rows)
    text.seek(0)
    return text


def plan(**what: str) -> Plan:
    (only,), bad = read(file(GOOD | what))
    assert not bad
    return only


def test_a_row_is_read_with_units_times_and_names_made_ours() -> None:
    order = plan()
    assert (order.buyer_country, order.payment_method, order.currency) == ("DE", "credit_card", "EUR")
    assert order.placed_at == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert order.paid_at == datetime(2026, 1, 5, 11, tzinfo=UTC)
    (line,) = order.lines
    assert (line.unit_price, line.quantity, line.category) == (1050, 2, "home_garden")


@pytest.mark.parametrize(("price", "currency", "minor"), [("1500", "JPY", 1500), ("1.234", "KWD", 1234)])
def test_prices_have_the_currencys_own_decimals(price: str, currency: str, minor: int) -> None:
    assert plan(unit_price=price, currency=currency).lines[0].unit_price == minor


def test_a_file_without_the_columns_is_refused_with_their_names() -> None:
    with pytest.raises(MissingColumns) as refused:
        read(file(GOOD, columns=tuple(name for name in COLUMNS if name not in ("sku", "ruling"))))
    assert refused.value.missing == ("sku", "ruling")


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("order_id", "", "blank"),
        ("order_id", "x" * 40, "36"),
        ("order_id", "a b", "not an id"),
        ("line_no", "0", "1 to 1000"),
        ("line_no", "one", "whole number"),
        ("quantity", "-1", "whole number"),
        ("unit_price", "10.555", "decimals"),
        ("unit_price", "-3", "negative"),
        ("unit_price", "0", "more than zero"),
        ("unit_price", "cheap", "not a"),
        ("currency", "EURO", "ISO 4217"),
        ("buyer_country", "Germany", "two letters"),
        ("payment_method", "barter", "credit_card"),
        ("placed_at", "yesterday", "ISO 8601"),
        ("shipped_at", "2026-01-07", "needs it"),
        ("cancelled_at", "2026-01-07", "needs it"),
        ("ruling", "split:0", "split:PERCENT"),
        ("ruling", "split:100", "split:PERCENT"),
        ("ruling", "both", "split:PERCENT"),
    ],
)
def test_a_bad_row_is_told_and_the_rest_is_kept(column: str, value: str, reason: str) -> None:
    plans, bad = read(file(GOOD | {column: value}, GOOD | {"order_id": "o-2"}))
    assert [plan.order_id for plan in plans] == ["o-2"]
    assert len(bad) == 1 and bad[0].line == 2
    assert reason in bad[0].reason


def test_rows_of_one_order_must_agree() -> None:
    plans, bad = read(file(GOOD, GOOD | {"line_no": "2", "buyer_id": "b-2"}, GOOD | {"line_no": "1"}))
    assert [line.line_no for line in plans[0].lines] == [1]
    assert bad == [
        BadRow(3, "buyer_id", "says something else than an earlier row of this order"),
        BadRow(4, "line_no", "line 1 of this order is there already"),
    ]


def test_rulings_are_read_with_their_share() -> None:
    for text, expected in {
        "buyer": Ruling("buyer"),
        "Seller": Ruling("seller"),
        "split:30": Ruling("split", 3000),
        "split:62.5 to buyer": Ruling("split", 6250),
    }.items():
        assert plan(ruling=text).lines[0].ruling == expected


def test_what_was_tried_comes_in_time_order_with_the_right_actors() -> None:
    what = {
        "shipped_at": "2026-01-06",
        "carrier": "DHL",
        "tracking_number": "TR-0001",
        "delivered_at": "2026-01-09",
        "disputed_at": "2026-01-10",
        "dispute_reason": "damaged",
        "ruling": "split:30",
        "ruled_at": "2026-01-12",
    }
    actions = actions_of(plan(**what))
    assert [action.name for action in actions] == [
        "PlaceOrder", "PayOrder", "ShipOrder", "Deliver", "OpenDispute", "RuleDispute",
    ]  # fmt: skip
    ruled = actions[-1].what
    assert isinstance(ruled, RuleDispute)
    assert ruled.actor.role is Role.MEDIATOR
    assert ruled.rulings[0].buyer_basis_points == 3000


@pytest.mark.parametrize(
    ("by", "role", "reason"),
    [
        ("buyer", Role.BUYER, CancelReason.CHANGED_MIND),
        ("seller", Role.SELLER, CancelReason.OUT_OF_STOCK),
        ("seller_asked", Role.BUYER, CancelReason.SELLER_ASKED),
    ],
)
def test_who_cancels_and_why_E12(by: str, role: Role, reason: CancelReason) -> None:
    action = actions_of(plan(cancelled_at="2026-01-06", cancelled_by=by))[-1]
    assert isinstance(action.what, CancelOrder)
    assert (action.what.actor.role, action.what.reason) == (role, reason)


def test_lines_confirmed_alone_are_named_E14() -> None:
    (order,), _ = read(file(GOOD | {"confirmed_at": "2026-01-20"}, GOOD | {"line_no": "2"}))
    confirm = actions_of(order)[-1].what
    assert isinstance(confirm, ConfirmReceipt) and confirm.lines == (1,)


def test_a_stopped_order_that_shipped_appeals_and_is_verified_and_a_rejected_one_is_not() -> None:
    stopped = datetime(2026, 1, 6, tzinfo=UTC)
    shipped = plan(shipped_at="2026-01-12", carrier="dhl", tracking_number="TR-0001")
    assert [action.name for action in appeal_of(shipped, stopped)] == ["SubmitAppeal", "VerifyAppeal"]
    turned_away = plan(cancelled_at="2026-01-12", cancelled_by="reviewer")
    assert [action.name for action in appeal_of(turned_away, stopped)] == ["SubmitAppeal", "RejectAppeal"]
    assert appeal_of(plan(), stopped) == []


def test_ids_made_of_long_order_ids_stay_within_their_limit_and_differ() -> None:
    ids = {short_id("d", "x" * 36, number) for number in range(1, 4)}
    assert len(ids) == 3 and all(len(id) <= 40 for id in ids)


def test_a_plan_made_later_is_later_in_every_moment_and_the_same_in_all_else() -> None:
    original = plan(shipped_at="2026-01-06", carrier="dhl", tracking_number="TR-0001", confirmed_at="2026-01-20")
    moved = later(original, timedelta(days=30))
    assert [action.at - timedelta(days=30) for action in actions_of(moved)] == [
        action.at for action in actions_of(original)
    ]
    assert moved.cancelled_at is None and moved.lines[0].disputed_at is None
    assert later(moved, timedelta(days=-30)) == original


@pytest.mark.parametrize(
    ("now", "days"),
    [
        ("2026-01-05T08:59:00", 0),
        ("2026-01-05T09:00:00", 0),
        ("2026-01-05T09:00:01", 1),
        ("2026-01-06T09:00:00", 1),
        ("2027-01-05T12:00:00", 366),
    ],
)
def test_a_file_is_tried_whole_days_later_where_the_clock_has_passed_it(now: str, days: int) -> None:
    """People and deposits come first, within the hour before the first order."""
    plans, by = fitted([plan(placed_at="2026-01-07T10:00:00"), plan()], datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert by == timedelta(days=days)
    assert plans[1] == later(plan(), by)
