"""A deposit from opening to suspension and back (P1 to P4), every command in every situation."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.deposits import (
    DepositActivated,
    DepositClaimed,
    DepositPaymentDeclined,
    DepositRequired,
    DepositSuspended,
    SuspendReason,
)
from contracts.message import Message, Role
from contracts.money import MAX_MINOR_UNITS, Money
from contracts.orders import PaymentMethod
from contracts.payments import CollectPayment, PaymentSucceeded, Purpose, QueryOperation
from deposits.domain import ANSWER_OVERDUE, Deposit, Status, operation_id
from ledger.postings import Account, Kind, Transfer
from runtime.decision import Ref
from tests.unit.deposits.given import (
    CLOTHING,
    MAY_2025,
    SELLER,
    SITUATIONS,
    actor,
    claim,
    cny,
    declined,
    deposit,
    given,
    not_found,
    open_deposit,
    pay,
    reinstate,
    service,
    succeeded,
    suspend,
)

SHORT = DepositSuspended(seller_id=SELLER, reason=SuspendReason.SHORTFALL, missing=cny(3_000))


def activated(yuan: int = 8_000) -> DepositActivated:
    return DepositActivated(seller_id=SELLER, balance=cny(yuan))


def stopped(missing: int) -> DepositSuspended:
    return DepositSuspended(seller_id=SELLER, reason=SuspendReason.OPERATOR, missing=cny(missing))


# What becomes of each message in each situation: the types sent, a refusal (str), or a note ("~note").
Expected = tuple[type[Message], ...] | str
OPEN: dict[str, Expected] = dict.fromkeys(SITUATIONS, "already_open") | {
    "unknown": (DepositRequired,),
    "claimed_before_opening": (DepositRequired,),
}
PAY: dict[str, Expected] = {
    "unknown": "not_found",
    "claimed_before_opening": "not_found",
    "awaiting_payment": (CollectPayment,),
    "paying": "payment_pending",
    "active": "nothing_due",
    "short": (CollectPayment,),
    "topping_up": "payment_pending",
    "stopped": "nothing_due",
    "stopped_unpaid": (CollectPayment,),
    "stopped_short": (CollectPayment,),
}
SUSPEND: dict[str, Expected] = dict.fromkeys(SITUATIONS, (DepositSuspended,)) | {
    "unknown": "not_found",
    "claimed_before_opening": "not_found",
    "stopped": "already_suspended",
    "stopped_unpaid": "already_suspended",
    "stopped_short": "already_suspended",
}
REINSTATE: dict[str, Expected] = dict.fromkeys(SITUATIONS, "money_missing") | {
    "unknown": "not_found",
    "claimed_before_opening": "not_found",
    "active": "not_suspended",
    "stopped": (DepositActivated,),
}
CLAIM: dict[str, Expected] = dict.fromkeys(SITUATIONS, (DepositClaimed,)) | {
    "active": (DepositClaimed, DepositSuspended),
}
SUCCEEDED: dict[str, Expected] = dict.fromkeys(SITUATIONS, "~duplicate") | {
    "unknown": "~unknown_operation",
    "claimed_before_opening": "~unknown_operation",
    "awaiting_payment": "~unknown_operation",
    "paying": (DepositActivated,),
    "stopped_unpaid": "~unknown_operation",
}
DECLINED: dict[str, Expected] = SUCCEEDED | {"paying": (DepositPaymentDeclined,)}
NOT_FOUND: dict[str, Expected] = SUCCEEDED | {"paying": (CollectPayment,)}


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize(
    ("message", "table"),
    [
        (open_deposit(), OPEN),
        (pay(), PAY),
        (suspend(), SUSPEND),
        (reinstate(), REINSTATE),
        (claim(cny(10)), CLAIM),
        (succeeded(), SUCCEEDED),
        (declined(), DECLINED),
        (not_found(), NOT_FOUND),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Message) else "",
)
def test_every_message_in_every_situation(situation: str, message: Message, table: dict[str, Expected]) -> None:
    folding = given(situation)
    expected = table[situation]
    if isinstance(expected, tuple):
        assert tuple(type(one) for one in folding.tell(message)) == expected
    elif expected.startswith("~"):
        before = dict(folding.states)
        assert folding.tell(message) == []
        assert (folding.note, folding.states) == (expected[1:], before)
    else:
        assert folding.refuses(message) == expected


def test_p1_opening_asks_for_what_the_policy_of_the_day_says() -> None:
    folding = service()
    assert folding.tell(open_deposit()) == [
        DepositRequired(seller_id=SELLER, amount=cny(8_000), policy="deposits_2025")
    ]
    assert deposit(folding).status is Status.AWAITING_PAYMENT


def test_p1_a_deposit_keeps_the_policy_it_was_opened_under() -> None:
    folding = service(datetime(2024, 12, 31, 23, 59, tzinfo=UTC))
    folding.tell(open_deposit())
    folding.wait(timedelta(days=400))
    assert deposit(folding).missing == 10_000_00
    (collect,) = folding.tell(pay())
    assert isinstance(collect, CollectPayment)
    assert collect.amount == cny(10_000)


def test_p4_paying_collects_what_is_missing_and_activates_with_the_transfer() -> None:
    folding = given("awaiting_payment")
    (collect,) = folding.tell(pay(method=PaymentMethod.ALIPAY))
    assert isinstance(collect, CollectPayment)
    assert collect.actor == actor("service", "deposits")
    assert (collect.operation_id, collect.reference, collect.purpose) == ("deposit-s-1-1", SELLER, Purpose.DEPOSIT)
    assert (collect.amount, collect.method) == (cny(8_000), PaymentMethod.ALIPAY)

    assert folding.tell(succeeded()) == [activated()]
    assert folding.postings == [
        Transfer(
            "s-1/payment/deposit-s-1-1",
            Account(Kind.CLEARING, "provider", "CNY"),
            Account(Kind.DEPOSIT, SELLER, "CNY"),
            CLOTHING,
            "deposit",
            SELLER,
        )
    ]
    state = deposit(folding)
    assert (state.status, state.balance, state.paid_at) == (Status.ACTIVE, CLOTHING, MAY_2025)
    assert not folding.timers


def test_a_declined_payment_is_told_and_may_be_tried_again_under_a_new_operation() -> None:
    folding = given("paying")
    assert folding.tell(declined()) == [DepositPaymentDeclined(seller_id=SELLER, reason="declined_by_bank")]
    assert not folding.timers
    (collect,) = folding.tell(pay())
    assert isinstance(collect, CollectPayment)
    assert collect.operation_id == "deposit-s-1-2"
    assert folding.tell(succeeded(1)) == []
    assert folding.note == "duplicate"
    assert folding.tell(succeeded(2)) == [activated()]
    assert len(folding.postings) == 1


def test_a_success_told_twice_is_booked_once() -> None:
    folding = given("paying")
    folding.tell(succeeded())
    assert folding.tell(succeeded(), declined(), not_found()) == []
    assert deposit(folding).balance == CLOTHING
    assert len(folding.postings) == 1


def test_payments_for_orders_are_not_for_deposits() -> None:
    folding = given("paying")
    assert folding.tell(succeeded(purpose=Purpose.ORDER)) == []
    assert folding.note == "passed"
    assert deposit(folding).pending is not None


@pytest.mark.parametrize(
    "amount", [Money(amount=800_000, currency="USD"), Money(amount=MAX_MINOR_UNITS, currency="CNY")]
)
def test_an_amount_that_cannot_be_booked_is_refused_and_not_lost(amount: Money) -> None:
    folding = given("topping_up")
    assert folding.refuses(succeeded(2, amount)) == "amount_mismatch"
    assert deposit(folding).pending is not None


def test_an_unanswered_payment_is_asked_for_again_and_again() -> None:
    folding = given("paying")
    query = QueryOperation(actor=actor("service", "deposits"), operation_id="deposit-s-1-1", reference=SELLER)
    assert folding.wait(timedelta(minutes=14, seconds=59)) == []
    assert folding.wait(timedelta(seconds=1)) == [query]
    assert folding.wait(timedelta(hours=12)) == [query, query]
    assert folding.tell(succeeded()) == [activated()]
    assert folding.wait(timedelta(days=30)) == []


def test_a_slow_method_is_given_its_days() -> None:
    folding = given("awaiting_payment")
    folding.tell(pay(method=PaymentMethod.WESTERN_UNION))
    assert folding.wait(timedelta(days=4, hours=23)) == []
    assert [type(one) for one in folding.wait(timedelta(hours=1))] == [QueryOperation]


def test_a_payment_the_provider_never_saw_is_sent_again_under_the_same_id() -> None:
    folding = given("awaiting_payment")
    first = folding.tell(pay())
    folding.wait(timedelta(minutes=15))
    assert folding.tell(not_found()) == first
    assert folding.timers == {(Ref("deposits", SELLER), ANSWER_OVERDUE): folding.now + timedelta(minutes=15)}


def test_a_late_timer_after_the_answer_does_nothing() -> None:
    folding = given("paying")
    (place,) = folding.timers
    folding.tell(succeeded())
    folding.timers[place] = folding.now
    assert folding.wait(timedelta(0)) == []
    assert folding.note == "nothing_pending"


def test_p3_a_claim_that_leaves_too_little_suspends_and_paying_lifts_it_by_itself() -> None:
    folding = given("active")
    assert folding.tell(claim(cny(3_000)))[1:] == [SHORT]
    assert deposit(folding).status is Status.SUSPENDED
    assert folding.refuses(reinstate()) == "money_missing"
    (collect,) = folding.tell(pay())
    assert isinstance(collect, CollectPayment)
    assert collect.amount == cny(3_000)
    assert folding.tell(succeeded(2, cny(3_000))) == [activated()]
    assert deposit(folding).status is Status.ACTIVE


def test_p3_a_further_claim_while_suspended_asks_once_only() -> None:
    folding = given("short")
    assert [type(one) for one in folding.tell(claim(cny(1_000), "claim-2"))] == [DepositClaimed]
    assert deposit(folding).missing == 4_000_00


def test_a_payment_that_no_longer_suffices_says_what_is_still_missing() -> None:
    folding = given("topping_up")
    folding.tell(claim(cny(3_000), "claim-2"))
    assert folding.tell(succeeded(2, cny(3_000))) == [SHORT]
    (collect,) = folding.tell(pay())
    assert isinstance(collect, CollectPayment)
    assert collect.amount == cny(3_000)


def test_an_operators_stop_is_lifted_by_an_operator_alone() -> None:
    folding = given("active")
    assert folding.tell(suspend()) == [stopped(missing=0)]
    assert deposit(folding).status is Status.SUSPENDED
    assert folding.tell(reinstate()) == [activated()]
    assert deposit(folding).status is Status.ACTIVE


def test_paying_does_not_lift_an_operators_stop() -> None:
    folding = given("stopped_short")
    folding.tell(pay())
    assert folding.tell(succeeded(2, cny(3_000))) == []
    assert folding.note == "still_suspended_by_operator"
    assert deposit(folding).status is Status.SUSPENDED
    assert folding.tell(reinstate()) == [activated()]


def test_an_operator_may_stop_a_seller_who_is_short_already() -> None:
    folding = given("short")
    assert folding.tell(suspend()) == [stopped(missing=3_000)]


STRANGERS = [Role.BUYER, Role.MEDIATOR, Role.REVIEWER, Role.OPERATOR]


@pytest.mark.parametrize("role", list(Role))
def test_who_may_open_and_pay(role: Role) -> None:
    by = actor(role, SELLER if role is Role.SELLER else "someone")
    if role in STRANGERS:
        assert service().refuses(open_deposit(by)) == "forbidden"
        assert given("awaiting_payment").refuses(pay(by)) == "forbidden"
    else:
        assert service().tell(open_deposit(by))
        assert given("awaiting_payment").tell(pay(by))


def test_another_seller_sees_nothing() -> None:
    other = actor("seller", "s-2")
    assert service().refuses(open_deposit(other)) == "forbidden"
    assert given("awaiting_payment").refuses(pay(other)) == "not_found"
    assert given("unknown").refuses(pay(other)) == "not_found"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
def test_only_an_operator_suspends_and_reinstates(role: Role) -> None:
    assert given("active").refuses(suspend(actor(role))) == "forbidden"
    assert given("stopped").refuses(reinstate(actor(role))) == "forbidden"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SERVICE])
def test_only_a_service_claims(role: Role) -> None:
    assert given("active").refuses(claim(cny(1), by=actor(role))) == "forbidden"


def test_ids_of_the_greatest_length_make_valid_operations() -> None:
    longest = "s" * 64
    assert len({operation_id(longest, 1), operation_id(longest, 2), operation_id("s" * 63 + "t", 1)}) == 3
    for number in (1, 10**6):
        event = PaymentSucceeded(
            operation_id=operation_id(longest, number),
            reference=longest,
            purpose=Purpose.DEPOSIT,
            amount=cny(1),
            method=PaymentMethod.ALIPAY,
        )
        assert event.operation_id.startswith("deposit-")


def test_a_stale_version_is_refused() -> None:
    folding = given("awaiting_payment")
    assert folding.refuses(pay().model_copy(update={"expected_version": 7})) == "stale_version"
    assert folding.tell(pay().model_copy(update={"expected_version": 1}))


def test_status_needs_no_storing() -> None:
    assert Deposit(SELLER).status is Status.NOT_OPENED
