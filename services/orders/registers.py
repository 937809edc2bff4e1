"""What orders must know of sellers and people, as the other services told it. Their events come in order by key."""

from datetime import datetime

import msgspec

from contracts.deposits import DepositActivated, DepositSuspended
from contracts.identity import AccountOpened
from runtime.decision import Look, Outcome


class Seller(msgspec.Struct, frozen=True):
    """Whether a seller's deposit is active, so that new orders are taken (P1)."""

    seller_id: str
    may_sell: bool
    since: datetime


class Person(msgspec.Struct, frozen=True):
    """Someone with an account."""

    person_id: str
    country: str


def decide_seller(
    seller: Seller | None, event: DepositActivated | DepositSuspended, now: datetime, look: Look
) -> Outcome[Seller]:
    """An active deposit opens the store, a suspended one closes it for new orders."""
    may_sell = isinstance(event, DepositActivated)
    if seller is not None and seller.may_sell == may_sell:
        return Outcome(note="the store already stands so")
    return Outcome(Seller(event.seller_id, may_sell, now))


def decide_person(person: Person | None, event: AccountOpened, now: datetime, look: Look) -> Outcome[Person]:
    """An account lets its owner order."""
    if person is not None:
        return Outcome(note="the account is known")
    return Outcome(Person(event.person_id, event.country))
