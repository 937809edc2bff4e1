"""Dated numbers of orders. An order keeps the version it was placed under; a change is a new version, never an edit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from contracts.orders import PaymentMethod


@dataclass(frozen=True, slots=True)
class Policy:
    """Periods are counted from the placing of the order, except transit, which is counted from the handing over."""

    version: str
    valid_from: datetime
    pay_within: timedelta
    """How long an order waits for its payment."""
    pay_within_slow: timedelta
    """The same, once the buyer chose a method that is confirmed days later (E2)."""
    slow_methods: frozenset[PaymentMethod]
    payment_attempts: int
    """How often a buyer may try to pay one order; bounds the order's history."""
    transit_domestic: timedelta
    transit_abroad: timedelta
    transit_lanes: Mapping[tuple[str, str], timedelta] = field(default_factory=dict)
    """Exceptions by (seller's country, buyer's country)."""
    ask_again_every: timedelta = timedelta(days=1)
    """How often the provider is asked about a payment that was under way when its order was cancelled."""
    pay_reminder: timedelta = timedelta(days=1)
    """How long before the payment deadline the buyer is reminded of it."""
    quote_valid: timedelta = timedelta(minutes=30)
    """How long an exchange rate stays locked for a buyer (E3)."""
    return_again_after: timedelta = timedelta(days=1)
    """When money that did not pay an order is asked for or sent again."""
    return_tries: int = 5
    """How often it is sent before an operator has to look."""
    refund_within: timedelta = timedelta(days=5)
    """When a refund should be with the buyer, by the quick methods (E11)."""
    refund_within_slow: timedelta = timedelta(days=10)
    payout_within: timedelta = timedelta(days=3)
    """When a payout should be with the seller, from the confirmation on."""
    address_kept: timedelta = timedelta(days=30)
    """How long the shipping address is kept once the order is at rest (E10)."""


POLICIES: Sequence[Policy] = (
    Policy(
        version="2010_01",
        valid_from=datetime(2010, 1, 1, tzinfo=UTC),
        pay_within=timedelta(days=3),
        pay_within_slow=timedelta(days=14),
        slow_methods=frozenset({PaymentMethod.BANK_TRANSFER, PaymentMethod.WESTERN_UNION}),
        payment_attempts=10,
        transit_domestic=timedelta(days=5),
        transit_abroad=timedelta(days=20),
        transit_lanes={("CN", "BR"): timedelta(days=30), ("CN", "US"): timedelta(days=15)},
    ),
)
"""Oldest first."""


def policy_at(moment: datetime, policies: Sequence[Policy] = POLICIES) -> Policy:
    """The version valid at `moment`; before the first version, the first."""
    for policy in reversed(policies):
        if policy.valid_from <= moment:
            return policy
    return policies[0]


def policy_of(version: str, policies: Sequence[Policy] = POLICIES) -> Policy:
    """The version an order was placed under; KeyError if there never was one."""
    for policy in policies:
        if policy.version == version:
            return policy
    raise KeyError(version)


def refund_time(policy: Policy, method: PaymentMethod | None) -> timedelta:
    """How long a refund by this method may take."""
    return policy.refund_within_slow if method in policy.slow_methods else policy.refund_within


def transit(policy: Policy, seller_country: str, buyer_country: str) -> timedelta:
    """How long a parcel is expected to travel between two countries (E5)."""
    usual = policy.transit_domestic if seller_country == buyer_country else policy.transit_abroad
    return policy.transit_lanes.get((seller_country, buyer_country), usual)
