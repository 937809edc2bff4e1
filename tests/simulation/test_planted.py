"""Faults planted into the services are found, each by the invariant that is there for it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace as with_fields

from contracts.deposits import DepositClaimed
from contracts.escrow import LinesRested
from contracts.money import Money
from contracts.orders import LatePaymentReceived
from contracts.payments import PaymentSucceeded, RefundPayment
from escrow.money import PLATFORM
from escrow.service import DEADLINE
from escrow.state import State
from ledger.postings import Account, Kind, Transfer
from runtime.decision import Outcome, Service, Timer
from tests.simulation.node import Node
from tests.simulation.run import SERVICES, run_seed

SEEDS = range(12)
"""Worlds a fault has to show itself in. Far more than any needs."""

Change = Callable[[Any, Any, Outcome[Any]], Outcome[Any]]
"""Of the state before, the message, and what was decided: what the faulty service decides."""


def faulty(service: str, aggregate: str, change: Change) -> tuple[Service, ...]:
    """All services, one of them with a fault in the decisions of one aggregate."""

    def planted(sound: Service) -> Service:
        def of(each: Any) -> Any:
            def decide(state: Any, message: Any, now: Any, look: Any) -> Any:
                return change(state, message, each.decide(state, message, now, look))

            return replace(each, decide=decide) if each.name == aggregate else each

        return replace(sound, aggregates=tuple(map(of, sound.aggregates)))

    return tuple(planted(each) if each.name == service else each for each in SERVICES)


def found(services: Sequence[Service]) -> tuple[str, str]:
    """The invariant that finds the fault in the first world in which one does, and the story."""
    for seed in SEEDS:
        result = run_seed(seed, services)
        if result.failures:
            story = result.failures[seed]
            return story.partition("\n")[0].split(": ")[-1], story
    raise AssertionError("nothing was found")


def released_twice(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    again = [with_fields(each, id=f"{each.id}-again") for each in outcome.postings if _purpose(each) == "release"]
    return with_fields(outcome, postings=[*outcome.postings, *again])


def released_twice_from_the_fund(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    again = [
        with_fields(each, id=f"{each.id}-again", debit=Account(Kind.FUND, PLATFORM, each.debit.currency))
        for each in outcome.postings
        if _purpose(each) == "release"
    ]
    return with_fields(outcome, postings=[*outcome.postings, *again])


def refunded_more_than_held(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    more = [
        with_fields(each, amount=each.amount + 1)
        if _purpose(each) == "refund" and each.debit.kind is Kind.HOLD
        else each
        for each in outcome.postings
    ]
    return with_fields(outcome, postings=more)


def refunded_double_at_the_provider(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    def double(each: Any) -> Any:
        if not isinstance(each, RefundPayment):
            return each
        amount = Money(amount=2 * each.amount.amount, currency=each.amount.currency)
        return each.model_copy(update={"amount": amount})

    return with_fields(outcome, messages=[*map(double, outcome.messages)])


def a_refund_not_booked(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    return with_fields(outcome, postings=[each for each in outcome.postings if _purpose(each) != "refund"])


def a_timer_forgotten(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    funded = outcome.state is not None and any(each.state is State.FUNDED for each in outcome.state.tranches)
    return with_fields(outcome, timers=[each for each in outcome.timers if not (funded and each.name == DEADLINE)])


def a_timer_late(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    late = [Timer(each.name, each.due_at and each.due_at + timedelta(hours=1)) for each in outcome.timers]
    return with_fields(outcome, timers=late)


def a_rest_nobody_hears_of(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    return with_fields(outcome, messages=[each for each in outcome.messages if not isinstance(each, LinesRested)])


def a_refunded_line_revived(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    if state is None or outcome.state is None:
        return outcome
    was = {each.line_no: each.state for each in state.tranches}
    revived = tuple(
        with_fields(each, state=State.RELEASED) if was.get(each.line_no) is State.REFUNDED else each
        for each in outcome.state.tranches
    )
    return with_fields(outcome, state=with_fields(outcome.state, tranches=revived))


def a_late_payment_kept(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    return with_fields(
        outcome, messages=[each for each in outcome.messages if not isinstance(each, LatePaymentReceived)]
    )


def a_payment_never_heard(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    return Outcome(note="lost") if isinstance(message, PaymentSucceeded) else outcome


def a_claim_that_is_answered_with_nothing(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    def nothing(each: Any) -> Any:
        if not isinstance(each, DepositClaimed):
            return each
        return each.model_copy(update={"paid": Money(amount=0, currency=each.paid.currency)})

    return with_fields(outcome, messages=[*map(nothing, outcome.messages)])


def a_deposit_not_booked(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    return with_fields(outcome, postings=())


def a_case_never_closed(state: Any, message: Any, outcome: Outcome[Any]) -> Outcome[Any]:
    from_escrow = type(message).__module__ == "contracts.escrow"
    return Outcome(note="not heard") if from_escrow else outcome


def _purpose(posting: Any) -> str:
    return posting.purpose if isinstance(posting, Transfer) else ""


@pytest.mark.parametrize(
    ("service", "aggregate", "change", "invariants"),
    [
        ("escrow", "escrow", released_twice, {"P1 parked", "I3 order's money"}),
        ("escrow", "escrow", released_twice_from_the_fund, {"I3 order's money"}),
        ("escrow", "escrow", refunded_more_than_held, {"P1 parked"}),
        ("escrow", "escrow", refunded_double_at_the_provider, {"I3 order's money"}),
        ("escrow", "escrow", a_refund_not_booked, {"I3 order's money", "P1 parked"}),
        ("escrow", "escrow", a_timer_forgotten, {"P2 timers"}),
        ("escrow", "escrow", a_timer_late, {"P2 timers"}),
        ("escrow", "escrow", a_rest_nobody_hears_of, {"A1 orders and escrow"}),
        ("escrow", "escrow", a_refunded_line_revived, {"I8 legal states"}),
        ("orders", "orders", a_payment_never_heard, {"I4 rest"}),
        ("orders", "orders", a_late_payment_kept, {"A1 orders and escrow"}),
        ("deposits", "deposits", a_claim_that_is_answered_with_nothing, {"A4 claims"}),
        ("deposits", "deposits", a_deposit_not_booked, {"I2 balance"}),
        ("disputes", "disputes", a_case_never_closed, {"A3 cases"}),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_a_planted_fault_is_found(service: str, aggregate: str, change: Change, invariants: set[str]) -> None:
    invariant, story = found(faulty(service, aggregate, change))
    assert invariant in invariants, story


def test_a_lost_message_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    relay = Node.relay

    def losing(self: Node) -> None:
        if self.rng.random() < 0.02:
            self.database.outbox.pop()
        else:
            relay(self)

    monkeypatch.setattr(Node, "relay", losing)
    assert found(SERVICES)[0] == "I5 outbox"


def test_the_story_of_a_failure_says_where_to_look() -> None:
    _, story = found(faulty("escrow", "escrow", refunded_double_at_the_provider))
    first, *_, last = story.splitlines()
    assert first.startswith("seed ") and "step " in first
    assert "RefundPayment(" in story and "RefundSucceeded" not in first
    assert last.startswith("run it again: pytest tests/simulation --seed ")
    assert len(story.splitlines()) <= 4 + 30
