"""Escrow's answers and the deadlines: in order, twice, late and crossing a ruling or a withdrawal."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from contracts.message import Message
from disputes.case import LegState, Status
from disputes.domain import decide
from disputes.policy import POLICIES, policy_at, policy_of
from runtime.decision import TimeUp
from tests.unit.disputes.given import (
    START,
    TEN_DAYS,
    TO_STATE,
    TWENTY_DAYS,
    B,
    K,
    R,
    X,
    case,
    confirm_return,
    days,
    given,
    in_state,
    lapsed,
    not_admitted,
    nothing_happens,
    open_dispute,
    rule,
    ship_replacement,
    ship_return,
    timers,
    withdraw,
)

EVENTS = {"not_admitted": not_admitted(), "lapsed": lapsed(), "some_lines": not_admitted(1)}


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("event", list(EVENTS))
def test_every_event_taken_twice_has_one_effect_in_every_state(status: Status, event: str) -> None:
    service = in_state(status)
    assert service.tell(EVENTS[event]) == []
    assert service.refused is None
    assert nothing_happens(service, EVENTS[event])


@pytest.mark.parametrize("event", list(EVENTS))
def test_events_of_an_unknown_case_are_refused(event: str) -> None:
    assert given().refuses(EVENTS[event]) == "not_found"


@pytest.mark.parametrize("code", ["already_disputed", "window_over", "already_refunded"])
def test_a_case_that_escrow_does_not_admit_is_closed_with_the_code(code: str) -> None:
    service = given(open_dispute(), not_admitted(code=code))
    assert (case(service).status, case(service).code) == (Status.CLOSED, code)


def test_a_case_goes_on_with_the_lines_that_are_left() -> None:
    service = given(open_dispute(), not_admitted(1))
    assert case(service).status is Status.OPEN
    assert service.refuses(rule(R, K)) == "unknown_line"
    (resolved,) = service.tell(rule((2, K)))
    assert [ruling.line_no for ruling in resolved.rulings] == [2]


def test_a_case_closes_with_its_last_line() -> None:
    service = given(open_dispute(), not_admitted(1), not_admitted(2, code="window_over"))
    assert (case(service).status, case(service).code) == (Status.CLOSED, "window_over")
    assert [line.dropped for line in case(service).lines] == ["already_disputed", "window_over"]


def test_a_line_leaves_a_case_once_with_its_first_code() -> None:
    service = given(open_dispute(), not_admitted(1, code="window_over"))
    assert nothing_happens(service, lapsed(1))
    assert case(service).lines[0].dropped == "window_over"


def test_withdrawing_names_the_lines_that_are_left() -> None:
    (withdrawn,) = given(open_dispute(), not_admitted(1)).tell(withdraw())
    assert withdrawn.lines == (2,)


def test_lines_that_are_not_in_the_case_are_passed_over() -> None:
    assert nothing_happens(in_state(Status.OPEN), not_admitted(3))


def test_a_case_nobody_ruled_in_time_lapses() -> None:
    service = given(open_dispute(), lapsed())
    assert (case(service).status, case(service).code) == (Status.CLOSED, "lapsed")
    assert service.refuses(rule(R, K)) == "case_closed"


RULED = [status for status in Status if status not in (Status.OPEN, Status.WITHDRAWN, Status.CLOSED)]


@pytest.mark.parametrize("status", RULED)
@pytest.mark.parametrize("event", [not_admitted(), lapsed()], ids=["not_admitted", "lapsed"])
def test_a_ruling_that_crossed_escrows_answer_does_no_harm(status: Status, event: Message) -> None:
    service = in_state(status)
    assert service.tell(event) == []
    assert case(service).status is Status.CLOSED
    assert timers(service) == {}
    for command in (withdraw(), rule(R, K)):
        assert service.refuses(command) == "already_ruled"
    for command in (ship_return(), confirm_return(), ship_replacement()):
        assert service.refuses(command) == "case_closed"


@pytest.mark.parametrize(
    ("ruling", "dropped", "status", "left"),
    [
        (rule(B, R), 1, Status.RULED, set()),
        (rule(B, R), 2, Status.AWAITING_RETURN, {"return"}),
        (rule(X, K), 1, Status.RULED, set()),
        (rule(B, X), 1, Status.AWAITING_REPLACEMENT, {"replacement"}),
        (rule(B, X), 2, Status.AWAITING_RETURN, {"return"}),
    ],
)
def test_a_line_that_leaves_a_ruled_case_takes_its_parcel_with_it(
    ruling: Message, dropped: int, status: Status, left: set[str]
) -> None:
    service = given(open_dispute(), ruling, not_admitted(dropped))
    assert case(service).status is status
    assert timers(service).keys() == left


def test_a_lapse_holds_against_a_withdrawal_that_crossed_it_and_a_refusal_changes_nothing() -> None:
    assert nothing_happens(in_state(Status.WITHDRAWN), not_admitted())
    service = in_state(Status.WITHDRAWN)
    service.tell(lapsed())
    assert (case(service).status, case(service).code) == (Status.CLOSED, "lapsed")


# Deadlines


@pytest.mark.parametrize(
    ("status", "timer", "due_in", "code"),
    [
        (Status.AWAITING_RETURN, "return", TEN_DAYS, "not_returned"),
        (Status.RETURN_SHIPPED, "return", TWENTY_DAYS, "return_not_confirmed"),
        (Status.AWAITING_REPLACEMENT, "replacement", TEN_DAYS, "not_replaced"),
    ],
)
def test_silence_after_a_ruling_closes_the_case_d6(status: Status, timer: str, due_in: timedelta, code: str) -> None:
    service = in_state(status)
    assert timers(service) == {timer: START + due_in}
    assert service.wait(due_in - days(0.001)) == []
    assert case(service).status is status
    assert service.wait(days(0.001)) == []
    assert (case(service).status, case(service).code) == (Status.CLOSED, code)
    commands = {"return": (ship_return(), confirm_return()), "replacement": (ship_replacement(),)}
    for command in commands[timer]:
        assert service.refuses(command) == "deadline_passed"
    assert timers(service) == {}


@pytest.mark.parametrize("status", [status for status in Status if "await" not in status and "return_" not in status])
def test_a_case_where_nobody_has_to_send_anything_has_no_timer(status: Status) -> None:
    service = in_state(status)
    assert timers(service) == {}
    service.wait(days(365))
    assert case(service).status is status


def test_shipping_the_return_starts_the_sellers_deadline() -> None:
    service = in_state(Status.AWAITING_RETURN)
    service.wait(days(9))
    service.tell(ship_return())
    assert timers(service) == {"return": START + days(9) + TWENTY_DAYS}


def test_one_leg_lapses_and_the_other_goes_on() -> None:
    service = given(open_dispute(), rule(B, X), ship_replacement())
    service.wait(days(10))
    assert case(service).status is Status.REPLACEMENT_SHIPPED
    assert case(service).code == "not_returned"
    service = given(open_dispute(), rule(B, X), ship_return())
    service.wait(days(10))
    assert case(service).status is Status.RETURN_SHIPPED
    service.tell(confirm_return())
    assert case(service).status is Status.CLOSED


@pytest.mark.parametrize(
    ("messages", "timer"),
    [
        (TO_STATE[Status.RETURNED], TimeUp("return", START + TWENTY_DAYS)),
        (TO_STATE[Status.RETURN_SHIPPED], TimeUp("return", START + TEN_DAYS)),
        (TO_STATE[Status.REPLACEMENT_SHIPPED], TimeUp("replacement", START + TEN_DAYS)),
    ],
)
def test_a_timer_that_fires_just_after_the_step_it_waited_for_does_nothing(
    messages: Sequence[Message], timer: TimeUp
) -> None:
    outcome = decide(case(given(*messages)), timer, timer.due_at, lambda aggregate, id: None)
    assert (outcome.state, outcome.note) == (None, "nothing waits for this timer")


def history_of(status: Status) -> Sequence[str]:
    return [entry.what for entry in case(in_state(status)).history]


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("name", ["return", "replacement", "else"])
def test_a_timer_that_nothing_waits_for_does_nothing(status: Status, name: str) -> None:
    """A timer that was moved or cancelled may still be on its way; it brings the time it was set to."""
    before = case(in_state(status))
    outcome = decide(before, TimeUp(name, START + days(1)), START + days(40), lambda aggregate, id: None)
    assert outcome.state is None
    assert (outcome.messages, outcome.timers) == ((), ())
    assert outcome.note


def test_a_history_has_one_entry_for_each_change() -> None:
    for status, messages in TO_STATE.items():
        assert len(history_of(status)) == len(messages)
    assert list(history_of(Status.RETURNED)) == ["opened", "ruled", "return_shipped", "return_received"]


def test_a_received_return_says_so() -> None:
    leg = case(in_state(Status.RETURNED)).return_leg
    assert leg is not None
    assert leg.state is LegState.RECEIVED


def test_policies_are_dated_and_a_case_keeps_its_version() -> None:
    (first,) = POLICIES
    assert policy_at(START) is policy_at(first.valid_from - days(1)) is first
    assert policy_of(case(given(open_dispute())).policy) is first
    with pytest.raises(KeyError):
        policy_of("never")
