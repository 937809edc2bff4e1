"""Words for the tests of identity: the messages about one person, and a service that starts empty."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from contracts.identity import (
    Document,
    DocumentKind,
    OpenAccount,
    RejectAppeal,
    ScreenOrder,
    SubmitAppeal,
    VerifyAppeal,
)
from contracts.message import Actor, Role
from contracts.money import Money
from identity.domain import Account, Stop
from identity.service import SERVICE
from tests.folding import Folding

PERSON = "b-1"
MAY_2025 = datetime(2025, 5, 31, 9, 30, tzinfo=UTC)
RECENT = date(2025, 5, 10)
COMPLETE = (DocumentKind.CARD_PICTURE, DocumentKind.PASSPORT, DocumentKind.CARD_STATEMENT)


def actor(role: Role | str, id: str = PERSON) -> Actor:
    return Actor(id=id, role=Role(role))


def usd(dollars: int) -> Money:
    return Money(amount=dollars * 100, currency="USD")


def service(now: datetime = MAY_2025) -> Folding:
    return Folding(SERVICE, now)


def open_account(by: Actor | None = None, country: str = "DE") -> OpenAccount:
    return OpenAccount(actor=by or actor("buyer"), person_id=PERSON, country=country)


def screen(order_id: str = "order-1", total: Money | None = None, by: Actor | None = None) -> ScreenOrder:
    return ScreenOrder(
        actor=by or actor("service", "escrow"), person_id=PERSON, order_id=order_id, total=total or usd(25)
    )


def papers(kinds: Iterable[DocumentKind] = COMPLETE, issued_on: date = RECENT) -> tuple[Document, ...]:
    return tuple(Document(kind=kind, sha256=f"{index:064x}", issued_on=issued_on) for index, kind in enumerate(kinds))


def appeal(
    documents: tuple[Document, ...] | None = None,
    by: Actor | None = None,
    order_id: str = "order-1",
    appeal_id: str = "appeal-1",
) -> SubmitAppeal:
    return SubmitAppeal(
        actor=by or actor("buyer"),
        appeal_id=appeal_id,
        person_id=PERSON,
        order_id=order_id,
        documents=papers() if documents is None else documents,
    )


def verify(by: Actor | None = None, appeal_id: str = "appeal-1") -> VerifyAppeal:
    return VerifyAppeal(actor=by or actor("reviewer", "r-1"), appeal_id=appeal_id, person_id=PERSON)


def reject(by: Actor | None = None, appeal_id: str = "appeal-1") -> RejectAppeal:
    return RejectAppeal(
        actor=by or actor("reviewer", "r-1"), appeal_id=appeal_id, person_id=PERSON, reason="name_differs"
    )


def account(folding: Folding) -> Account:
    state = folding.state("accounts", PERSON)
    assert isinstance(state, Account)
    return state


def stop(folding: Folding, order_id: str = "order-1") -> Stop:
    return next(stop for stop in account(folding).stops if stop.order_id == order_id)


SITUATIONS = ("unknown", "stopped_unknown", "open", "stopped", "submitted", "verified", "rejected")


def given(situation: str) -> Folding:
    """A service whose one person is unknown, or was stopped though unknown, or has an open account whose one order was
    stopped and appealed as far as the situation says."""
    folding = service()
    large = screen(total=usd(20_000))
    steps = {
        "unknown": (),
        "stopped_unknown": (screen(),),
        "open": (open_account(),),
        "stopped": (open_account(), large),
        "submitted": (open_account(), large, appeal()),
        "verified": (open_account(), large, appeal(), verify()),
        "rejected": (open_account(), large, appeal(), reject()),
    }[situation]
    for step in steps:
        folding.tell(step)
        assert folding.refused is None, folding.refused
    return folding
