"""How long the provider takes, by date. Card-like methods and Alipay take seconds, transfers days (E2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from contracts.orders import PaymentMethod


@dataclass(frozen=True, slots=True)
class ProviderPolicy:
    """Time from request to answer, from `valid_from` on."""

    version: str
    valid_from: date
    payment: Mapping[PaymentMethod, timedelta]
    refund: timedelta
    payout: timedelta


def in_force(day: date) -> ProviderPolicy:
    """The version in force on `day` (UTC); before the first one, the first one."""
    return next((policy for policy in reversed(POLICIES) if policy.valid_from <= day), POLICIES[0])


POLICIES = (
    ProviderPolicy(
        version="provider_2020",
        valid_from=date(2020, 1, 1),
        payment={
            PaymentMethod.CREDIT_CARD: timedelta(seconds=3),
            PaymentMethod.DEBIT_CARD: timedelta(seconds=3),
            PaymentMethod.VIRTUAL_CARD: timedelta(seconds=3),
            PaymentMethod.ALIPAY: timedelta(seconds=5),
            PaymentMethod.BANK_TRANSFER: timedelta(days=2),
            PaymentMethod.WESTERN_UNION: timedelta(days=3),
        },
        refund=timedelta(seconds=10),
        payout=timedelta(seconds=10),
    ),
)
