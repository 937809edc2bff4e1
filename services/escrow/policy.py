"""Dated numbers: how long everyone has, how often is tried again, what the platform takes.

An order keeps the version that was valid when it was paid. Spans are read off that version by `(order, tranche)`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from contracts.money import share
from escrow.state import Escrow, Tranche


@dataclass(frozen=True, slots=True)
class Transit:
    """How long between two countries: to ship after the funds are secured, and to deliver after shipping."""

    ship_by: timedelta
    delivery: timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """One version. Spans of time, numbers of tries, and fees in basis points of the seller's share."""

    version: str
    valid_from: datetime
    anywhere: Transit
    domestic: Transit
    lanes: Mapping[tuple[str, str], Transit]
    """By (seller's country, buyer's country); what is not here is domestic or anywhere."""
    fees: Mapping[str, int]
    """Basis points by category; what is not here pays `fee`."""
    fee: int
    untracked_carriers: frozenset[str]
    """Carriers that give no evidence of delivery: their silence says nothing against the seller."""
    screening: timedelta = timedelta(hours=24)
    review: timedelta = timedelta(days=10)
    ship_reminder: timedelta = timedelta(days=2)
    inspection: timedelta = timedelta(days=10)
    confirm_reminder: timedelta = timedelta(days=3)
    dispute: timedelta = timedelta(days=30)
    minimum_remainder: timedelta = timedelta(days=3)
    returning: timedelta = timedelta(days=10)
    return_receipt: timedelta = timedelta(days=20)
    replacing: timedelta = timedelta(days=10)
    after_release: timedelta = timedelta(days=15)
    chargeback: timedelta = timedelta(days=75)
    answer: timedelta = timedelta(days=1)
    queries: int = 5
    back_off: tuple[timedelta, ...] = field(
        default=(timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta(days=3))
    )
    """After the first failure, the second, …; one failure more goes to an operator."""
    refund_arrives: Mapping[str, timedelta] = field(
        default_factory=lambda: {
            "alipay": timedelta(days=2),
            "bank_transfer": timedelta(days=5),
            "western_union": timedelta(days=7),
        }
    )
    """By method of payment; what is not here, cards of all kinds, is `refund_arrives_otherwise`."""
    refund_arrives_otherwise: timedelta = timedelta(days=10)
    payout_arrives: timedelta = timedelta(days=3)


_FIRST = Policy(
    version="2020-01",
    valid_from=datetime(2020, 1, 1, tzinfo=UTC),
    anywhere=Transit(ship_by=timedelta(days=10), delivery=timedelta(days=40)),
    domestic=Transit(ship_by=timedelta(days=7), delivery=timedelta(days=20)),
    lanes={
        ("CN", "BR"): Transit(ship_by=timedelta(days=10), delivery=timedelta(days=60)),
        ("CN", "RU"): Transit(ship_by=timedelta(days=10), delivery=timedelta(days=60)),
        ("CN", "US"): Transit(ship_by=timedelta(days=10), delivery=timedelta(days=35)),
        ("CN", "DE"): Transit(ship_by=timedelta(days=10), delivery=timedelta(days=35)),
    },
    fees={"clothing": 800, "electronics": 500, "toys": 700},
    fee=500,
    untracked_carriers=frozenset({"letter_post", "untracked_mail"}),
)

POLICIES: tuple[Policy, ...] = (
    _FIRST,
    replace(
        _FIRST,
        version="2025-07",
        valid_from=datetime(2025, 7, 1, tzinfo=UTC),
        lanes=dict(_FIRST.lanes) | {("CN", "ES"): Transit(ship_by=timedelta(days=7), delivery=timedelta(days=30))},
        fees=dict(_FIRST.fees) | {"electronics": 600},
        screening=timedelta(hours=12),
    ),
)
"""Every version there ever was, oldest first. A version in use is never edited: add one with a later `valid_from`."""

_BY_VERSION = {each.version: each for each in POLICIES}


def valid_at(moment: datetime) -> Policy:
    """The version an order paid at this moment begins under; before all versions, the first."""
    for each in reversed(POLICIES):
        if each.valid_from <= moment:
            return each
    return POLICIES[0]


def of(order: Escrow) -> Policy:
    """The version the order keeps."""
    return _BY_VERSION[order.policy]


def refund_arrives(order: Escrow) -> timedelta:
    """How long after the decision the buyer is to have a refund."""
    policy = of(order)
    return policy.refund_arrives.get(order.method, policy.refund_arrives_otherwise)


def payout_arrives(order: Escrow) -> timedelta:
    """How long after the release the seller is to have the payout."""
    return of(order).payout_arrives


def fee(order: Escrow, category: str, amount: int) -> int:
    """The platform's part of a seller's share, in the same minor units, rounded down in the seller's favour."""
    policy = of(order)
    return share(amount, policy.fees.get(category, policy.fee))


def _transit(order: Escrow) -> Transit:
    policy = of(order)
    elsewhere = policy.domestic if order.seller_country == order.buyer_country else policy.anywhere
    return policy.lanes.get((order.seller_country, order.buyer_country), elsewhere)


def screening(order: Escrow, tranche: Tranche) -> timedelta:
    """identity answers whether the order may go on"""
    return of(order).screening


def review(order: Escrow, tranche: Tranche) -> timedelta:
    """the buyer proves who they are"""
    return of(order).review


def ship_by(order: Escrow, tranche: Tranche) -> timedelta:
    """the seller ships (by the countries of both)"""
    return _transit(order).ship_by


def ship_reminder(order: Escrow, tranche: Tranche) -> timedelta:
    """the seller is reminded to ship"""
    return of(order).ship_reminder


def delivery(order: Escrow, tranche: Tranche) -> timedelta:
    """the parcel arrives (by the countries of both)"""
    return _transit(order).delivery


def inspection(order: Escrow, tranche: Tranche) -> timedelta:
    """the buyer inspects and confirms"""
    return of(order).inspection


def confirm_reminder(order: Escrow, tranche: Tranche) -> timedelta:
    """the buyer is reminded to confirm or dispute"""
    return of(order).confirm_reminder


def dispute(order: Escrow, tranche: Tranche) -> timedelta:
    """a mediator rules"""
    return of(order).dispute


def minimum_remainder(order: Escrow, tranche: Tranche) -> timedelta:
    """a clock that was paused goes on with at least this"""
    return of(order).minimum_remainder


def returning(order: Escrow, tranche: Tranche) -> timedelta:
    """the buyer sends the goods back"""
    return of(order).returning


def return_receipt(order: Escrow, tranche: Tranche) -> timedelta:
    """the seller confirms that the goods are back"""
    return of(order).return_receipt


def replacing(order: Escrow, tranche: Tranche) -> timedelta:
    """the seller sends a replacement"""
    return of(order).replacing


def after_release(order: Escrow, tranche: Tranche) -> timedelta:
    """the buyer may still open a case after the release"""
    return of(order).after_release


def chargeback(order: Escrow, tranche: Tranche) -> timedelta:
    """the buyer's bank decides for good"""
    return of(order).chargeback


def answer(order: Escrow, tranche: Tranche) -> timedelta:
    """provider or deposit answers"""
    return of(order).answer


def back_off(order: Escrow, tranche: Tranche) -> timedelta:
    """the wait before a failed operation is sent again, longer each time"""
    waits = of(order).back_off
    return waits[min(tranche.tries, len(waits)) - 1]


SPANS: tuple[Callable[[Escrow, Tranche], timedelta], ...] = (
    screening, review, ship_by, ship_reminder, delivery, inspection, confirm_reminder, dispute, minimum_remainder,
    returning, return_receipt, replacing, after_release, chargeback, answer, back_off,
)  # fmt: skip


class Undelivered(StrEnum):
    """What it means that no delivery was reported in time."""

    LOST = "lost"
    UNKNOWN = "unknown"


def undelivered(order: Escrow, tranche: Tranche) -> Undelivered:
    """`LOST` where the carrier would have told; `UNKNOWN` for carriers without tracking and for replacements."""
    if tranche.carrier is None or tranche.carrier in of(order).untracked_carriers:
        return Undelivered.UNKNOWN
    return Undelivered.LOST
