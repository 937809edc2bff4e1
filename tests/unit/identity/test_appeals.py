"""Appeals: documents, review, and every command in every situation (I3, I4, I5, I12)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from contracts.identity import (
    AppealRejected,
    AppealSubmitted,
    AppealVerified,
    DocumentKind,
    OrderCleared,
    OrderStopped,
)
from contracts.message import Message, Role
from identity.domain import StopStatus
from identity.policy import months_before
from runtime.fold import Refusal
from tests.folding import Folding
from tests.unit.identity.given import (
    COMPLETE,
    MAY_2025,
    PERSON,
    SITUATIONS,
    actor,
    appeal,
    given,
    open_account,
    papers,
    reject,
    screen,
    service,
    stop,
    usd,
    verify,
)

CARD, ID_CARD, PASSPORT, LICENCE, STATEMENT, BILL = DocumentKind
NAMES = {"appeal_id": "appeal-1", "person_id": PERSON, "order_id": "order-1"}

# What becomes of each message in each situation: the types sent, or a refusal.
Expected = tuple[type[Message], ...] | str
SCREEN: dict[str, Expected] = dict.fromkeys(SITUATIONS, (OrderStopped,)) | {"open": (OrderCleared,)}
SUBMIT: dict[str, Expected] = {
    "unknown": "not_found",
    "stopped_unknown": (AppealSubmitted,),
    "open": "not_found",
    "stopped": (AppealSubmitted,),
    "submitted": "already_submitted",
    "verified": "already_decided",
    "rejected": "already_decided",
}
REVIEW: dict[str, Expected] = dict.fromkeys(SITUATIONS, "not_found") | {
    "verified": "already_decided",
    "rejected": "already_decided",
}


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize(
    ("message", "table"),
    [
        (screen(), SCREEN),
        (appeal(), SUBMIT),
        (verify(), REVIEW | {"submitted": (AppealVerified,)}),
        (reject(), REVIEW | {"submitted": (AppealRejected,)}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Message) else "",
)
def test_every_message_in_every_situation(situation: str, message: Message, table: dict[str, Expected]) -> None:
    folding = given(situation)
    expected = table[situation]
    if isinstance(expected, tuple):
        assert tuple(type(one) for one in folding.tell(message)) == expected
    else:
        assert folding.refuses(message) == expected


def test_i5_complete_documents_wait_for_a_reviewer() -> None:
    folding = given("stopped")
    assert folding.tell(appeal()) == [AppealSubmitted(**NAMES)]
    submitted = stop(folding)
    assert (submitted.status, submitted.appeal_id, submitted.submitted_at) == ("submitted", "appeal-1", MAY_2025)
    assert [paper.kind for paper in submitted.documents] == list(COMPLETE)
    assert submitted.policy == "appeals_2020"


def test_i5_a_reviewer_decides_once() -> None:
    verified, rejected = given("submitted"), given("submitted")
    assert verified.tell(verify()) == [AppealVerified(**NAMES)]
    assert (stop(verified).status, stop(verified).reviewer_id) == (StopStatus.VERIFIED, "r-1")
    assert verified.refuses(reject()) == "already_decided"

    assert rejected.tell(reject()) == [AppealRejected(**NAMES, reason="name_differs")]
    assert (stop(rejected).status, stop(rejected).reason) == (StopStatus.REJECTED, "name_differs")
    assert rejected.refuses(verify()) == "already_decided"


def refused(folding: Folding) -> Refusal:
    assert folding.refused is not None
    return folding.refused


@pytest.mark.parametrize(
    ("kinds", "missing"),
    [
        ((), "missing: card_picture; one of id_card, passport, driving_licence; card_statement"),
        ((CARD,), "missing: one of id_card, passport, driving_licence; card_statement"),
        ((CARD, ID_CARD), "missing: card_statement"),
        ((CARD, STATEMENT), "missing: one of id_card, passport, driving_licence"),
        ((LICENCE, STATEMENT), "missing: card_picture"),
        ((CARD, PASSPORT, BILL), "missing: card_statement"),
    ],
)
def test_i3_a_refusal_names_exactly_what_is_missing(kinds: tuple[DocumentKind, ...], missing: str) -> None:
    folding = given("stopped")
    assert folding.refuses(appeal(papers(kinds))) == "documents_missing"
    assert refused(folding).reason.endswith(missing)
    assert folding.tell(appeal())


@for_all(kinds=st.lists(st.sampled_from(DocumentKind), max_size=8))
def test_i3_a_set_is_complete_when_each_proof_is_there(kinds: list[DocumentKind]) -> None:
    folding = given("stopped")
    folding.tell(appeal(papers(kinds)))
    complete = CARD in kinds and not {ID_CARD, PASSPORT, LICENCE}.isdisjoint(kinds) and STATEMENT in kinds
    assert (folding.refused is None) == complete


@pytest.mark.parametrize(("country", "accepted"), [("BR", True), ("DE", False)])
def test_i3_some_countries_have_alternatives_for_the_statement(country: str, accepted: bool) -> None:
    folding = service()
    folding.tell(open_account(country=country), screen(total=usd(20_000)))
    folding.tell(appeal(papers((CARD, ID_CARD, BILL))))
    assert (folding.refused is None) == accepted
    assert accepted or refused(folding).code == "documents_missing"


def test_i3_the_refusal_names_the_alternatives_of_the_country() -> None:
    folding = service()
    folding.tell(open_account(country="BR"), screen(total=usd(20_000)))
    folding.refuses(appeal(papers((CARD, ID_CARD))))
    assert refused(folding).reason.endswith("missing: one of card_statement, utility_bill")


@pytest.mark.parametrize(("today", "oldest"), [((5, 31), (2, 28)), ((5, 17), (2, 17)), ((3, 1), (12, 1))])
def test_i4_a_statement_is_at_most_three_months_old(today: tuple[int, int], oldest: tuple[int, int]) -> None:
    folding = service(datetime(2025, *today, 23, 59, tzinfo=UTC))
    folding.tell(open_account(), screen(total=usd(20_000)))
    accepted = date(2025 if oldest[0] < today[0] else 2024, *oldest)
    assert folding.refuses(appeal(papers(issued_on=accepted - timedelta(days=1)))) == "statement_too_old"
    assert str(accepted) in refused(folding).reason
    assert folding.tell(appeal(papers(issued_on=accepted)))


def test_i4_one_statement_that_is_new_enough_suffices() -> None:
    folding = given("stopped")
    first, *rest = papers((STATEMENT, CARD, ID_CARD, STATEMENT))
    old = first.model_copy(update={"issued_on": date(2020, 1, 1)})
    assert folding.tell(appeal((old, *rest)))


def test_i4_only_statements_grow_old() -> None:
    folding = given("stopped")
    card, passport, statement = papers()
    old_passport = passport.model_copy(update={"issued_on": date(2016, 1, 1)})
    assert folding.tell(appeal((card, old_passport, statement)))


@pytest.mark.parametrize(("ahead", "code"), [(1, None), (2, "document_in_future")])
def test_a_document_may_be_a_day_ahead_because_the_world_is_round(ahead: int, code: str | None) -> None:
    folding = given("stopped")
    folding.tell(appeal(papers(issued_on=MAY_2025.date() + timedelta(days=ahead))))
    assert (folding.refused and folding.refused.code) == code


def test_one_file_is_one_document() -> None:
    folding = given("stopped")
    first, second, third = papers()
    twice = second.model_copy(update={"sha256": first.sha256})
    assert folding.refuses(appeal((first, twice, third))) == "document_repeated"


@for_all(day=st.dates(date(1900, 1, 1), date(2200, 1, 1)), months=st.integers(0, 40))
def test_months_go_back_to_the_same_day_or_the_last_one(day: date, months: int) -> None:
    before = months_before(day, months)
    assert (day.year * 12 + day.month) - (before.year * 12 + before.month) == months
    assert before.day == day.day or (before.day < day.day and (before + timedelta(days=1)).day == 1)


def test_each_order_has_its_own_appeal() -> None:
    folding = given("submitted")
    folding.tell(screen("order-2", usd(30_000)))
    assert folding.refuses(appeal(order_id="order-2")) == "appeal_id_taken"
    assert folding.tell(appeal(order_id="order-2", appeal_id="appeal-2"))
    folding.tell(reject(), verify(appeal_id="appeal-2"))
    assert (stop(folding).status, stop(folding, "order-2").status) == ("rejected", "verified")


@pytest.mark.parametrize("role", list(Role))
def test_who_may_appeal(role: Role) -> None:
    person = role in (Role.BUYER, Role.SELLER)
    by = actor(role, PERSON if person else "someone")
    folding = given("stopped")
    if person or role is Role.SUPPORT:
        assert folding.tell(appeal(by=by))
    else:
        assert folding.refuses(appeal(by=by)) == "forbidden"


def test_nobody_appeals_for_somebody_else() -> None:
    assert given("stopped").refuses(appeal(by=actor("buyer", "b-2"))) == "not_found"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.REVIEWER])
def test_only_a_reviewer_decides(role: Role) -> None:
    by = actor(role, "someone")
    assert given("submitted").refuses(verify(by)) == "forbidden"
    assert given("submitted").refuses(reject(by)) == "forbidden"


def test_i12_nobody_decides_their_own_appeal() -> None:
    themselves = actor("reviewer", PERSON)
    assert given("submitted").refuses(verify(themselves)) == "forbidden"
    assert given("submitted").refuses(reject(themselves)) == "forbidden"


def test_i8_events_carry_no_documents() -> None:
    folding = given("verified")
    assert not any(paper.sha256 in one.model_dump_json() for one in folding.sent for paper in papers())
