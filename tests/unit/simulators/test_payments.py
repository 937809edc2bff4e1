"""The provider: asynchronous results, the same operation once for ever, scripted trouble, chargebacks (E2, E13, P4)."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.message import Actor, Event, Message, Role
from contracts.money import Money
from contracts.orders import PaymentMethod
from contracts.payments import (
    ChargebackReceived,
    ChargebackReversed,
    CollectPayment,
    OperationNotFound,
    PaymentDeclined,
    PaymentSucceeded,
    PayOut,
    PayoutFailed,
    PayoutSucceeded,
    Purpose,
    QueryOperation,
    RefundFailed,
    RefundPayment,
    RefundSucceeded,
)
from simulators.faults import Faults
from simulators.payments.control import (
    ClearScript,
    Misbehaviour,
    ReportChargeback,
    ReverseChargeback,
    ScriptOperation,
)
from simulators.payments.service import SERVICE
from simulators.payments.service import service as provider
from tests.folding import Folding

NOW = datetime(2025, 5, 17, 9, 30, tzinfo=UTC)
TEN = Money(amount=1000, currency="EUR")
SERVICE_ACTOR = Actor(id="orders", role=Role.SERVICE)
DRIVER = Actor(id="demo", role=Role.OPERATOR)
LONG = timedelta(days=30)


def collect(method: PaymentMethod = PaymentMethod.CREDIT_CARD, id: str = "pay-o1-1") -> CollectPayment:
    return CollectPayment(
        actor=SERVICE_ACTOR, operation_id=id, reference="o1", purpose=Purpose.ORDER, amount=TEN, method=method
    )


def refund(id: str = "refund-o1-1") -> RefundPayment:
    return RefundPayment(actor=SERVICE_ACTOR, operation_id=id, reference="o1", amount=TEN)


def pay_out(id: str = "payout-o1-1") -> PayOut:
    return PayOut(actor=SERVICE_ACTOR, operation_id=id, reference="o1", seller_id="s1", amount=TEN)


def query(id: str, reference: str = "o1") -> QueryOperation:
    return QueryOperation(actor=SERVICE_ACTOR, operation_id=id, reference=reference)


def script(outcome: str, target: str = "o1", reason: str | None = None, attempts: int | None = None) -> ScriptOperation:
    return ScriptOperation(actor=DRIVER, target=target, outcome=Misbehaviour(outcome), reason=reason, attempts=attempts)


PAID = PaymentSucceeded(
    operation_id="pay-o1-1", reference="o1", purpose=Purpose.ORDER, amount=TEN, method=PaymentMethod.CREDIT_CARD
)
REFUNDED = RefundSucceeded(operation_id="refund-o1-1", reference="o1", amount=TEN)
PAID_OUT = PayoutSucceeded(operation_id="payout-o1-1", reference="o1", amount=TEN)
REQUESTS = [(collect(), PAID), (refund(), REFUNDED), (pay_out(), PAID_OUT)]
requests = pytest.mark.parametrize(("request_", "answer"), REQUESTS, ids=["collect", "refund", "payout"])


def declined(reason: str, id: str = "pay-o1-1") -> PaymentDeclined:
    return PaymentDeclined(
        operation_id=id, reference="o1", purpose=Purpose.ORDER, method=PaymentMethod.CREDIT_CARD, reason=reason
    )


def given(*messages: Message) -> Folding:
    folding = Folding(SERVICE, NOW)
    folding.tell(*messages)
    assert folding.refused is None
    return folding


@pytest.mark.parametrize(
    ("method", "takes"),
    [
        (PaymentMethod.CREDIT_CARD, timedelta(seconds=3)),
        (PaymentMethod.DEBIT_CARD, timedelta(seconds=3)),
        (PaymentMethod.VIRTUAL_CARD, timedelta(seconds=3)),
        (PaymentMethod.ALIPAY, timedelta(seconds=5)),
        (PaymentMethod.BANK_TRANSFER, timedelta(days=2)),
        (PaymentMethod.WESTERN_UNION, timedelta(days=3)),
    ],
)
def test_e2_each_method_answers_in_its_time(method: PaymentMethod, takes: timedelta) -> None:
    folding = given()
    assert folding.tell(collect(method)) == []
    assert folding.wait(takes - timedelta(microseconds=1)) == []
    assert folding.wait(timedelta(microseconds=1)) == [PAID.model_copy(update={"method": method})]


@requests
def test_an_operation_is_answered_once_by_itself(request_: Message, answer: Event) -> None:
    folding = given(request_)
    assert folding.wait(timedelta(minutes=1)) == [answer]
    assert folding.wait(LONG) == []


@requests
def test_the_same_operation_again_gets_the_same_answer_and_moves_nothing_twice(
    request_: Message, answer: Event
) -> None:
    folding = given(request_)
    assert folding.tell(request_) == []
    assert folding.note == "in_progress"
    assert folding.wait(LONG) == [answer]
    moved = dict(folding.states)
    assert folding.tell(request_, request_) == [answer, answer]
    assert folding.wait(LONG) == []
    assert folding.states == moved


@requests
def test_a_query_repeats_the_result_once_it_is_known(request_: Message, answer: Event) -> None:
    id = answer.model_dump()["operation_id"]
    folding = given()
    assert folding.tell(query(id)) == [OperationNotFound(operation_id=id, reference="o1")]
    folding.tell(request_)
    assert folding.tell(query(id)) == []
    assert folding.wait(LONG) == [answer]
    assert folding.tell(query(id)) == [answer]
    assert folding.tell(query(id, "o2")) == [OperationNotFound(operation_id=id, reference="o2")]


@pytest.mark.parametrize(
    "other",
    [
        collect(PaymentMethod.ALIPAY),
        collect().model_copy(update={"amount": Money(amount=1001, currency="EUR")}),
        collect().model_copy(update={"reference": "o2"}),
        refund("pay-o1-1"),
        pay_out("pay-o1-1"),
    ],
)
def test_an_operation_id_stands_for_one_movement(other: Message) -> None:
    assert given(collect()).refuses(other) == "operation_differs"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SERVICE])
@pytest.mark.parametrize("command", [collect(), refund(), pay_out(), query("pay-o1-1")])
def test_only_services_move_money(role: Role, command: CollectPayment) -> None:
    by = Actor(id="someone", role=role)
    assert given().refuses(command.model_copy(update={"actor": by})) == "forbidden"


def test_scripted_failures_hit_their_kind_of_operation_only() -> None:
    everything = [message for message, _ in REQUESTS]
    declining = given(script("decline", reason="insufficient_funds"), *everything)
    assert declining.wait(LONG) == [declined("insufficient_funds"), PAID_OUT, REFUNDED]
    failing = given(script("fail_refund"), script("fail_payout"), *everything)
    assert failing.wait(LONG) == [
        PAID,
        PayoutFailed(operation_id="payout-o1-1", reference="o1", reason="account_closed"),
        RefundFailed(operation_id="refund-o1-1", reference="o1", reason="refund_rejected"),
    ]


def test_a_failed_operation_stays_failed() -> None:
    folding = given(script("decline"), collect())
    folding.wait(LONG)
    folding.tell(ClearScript(actor=DRIVER, target="o1"))
    assert folding.tell(collect()) == [declined("declined_by_bank")]
    assert folding.tell(query("pay-o1-1")) == [declined("declined_by_bank")]


def test_a_script_for_the_first_attempts_lets_the_next_one_pass() -> None:
    folding = given(script("fail_refund", attempts=2))
    outcomes = []
    for attempt in (1, 2, 3):
        folding.tell(refund(f"refund-o1-{attempt}"))
        outcomes += folding.wait(LONG)
    assert [type(one) for one in outcomes] == [RefundFailed, RefundFailed, RefundSucceeded]


def test_a_script_for_one_operation_wins_over_one_for_its_reference() -> None:
    folding = given(script("decline", reason="by_reference"), script("decline", "pay-o1-2", "by_operation"))
    folding.tell(collect(), collect(id="pay-o1-2"))
    assert folding.wait(LONG) == [declined("by_reference"), declined("by_operation", "pay-o1-2")]


def test_a_script_is_replaced_and_cleared() -> None:
    folding = given(script("decline", reason="first"), script("decline", reason="second"))
    folding.tell(collect())
    assert folding.wait(LONG) == [declined("second")]
    folding.tell(ClearScript(actor=DRIVER, target="o1"), collect(id="pay-o1-2"))
    assert folding.wait(LONG) == [PAID.model_copy(update={"operation_id": "pay-o1-2"})]
    folding.tell(ClearScript(actor=DRIVER, target="o9"))
    assert folding.note == "nothing_scripted"


def test_operations_of_others_are_not_touched() -> None:
    folding = given(script("decline", "o2"), script("lost", "pay-o1-2"), collect())
    assert folding.wait(LONG) == [PAID]


@requests
def test_a_silent_operation_is_told_only_when_asked(request_: Message, answer: Event) -> None:
    id = answer.model_dump()["operation_id"]
    folding = given(script("silent"), request_)
    assert folding.wait(LONG) == []
    assert folding.note == "silent"
    assert folding.tell(query(id)) == [answer]


@requests
def test_a_lost_request_never_happened_and_may_be_sent_again(request_: Message, answer: Event) -> None:
    id = answer.model_dump()["operation_id"]
    folding = given(script("lost"), request_)
    assert folding.wait(LONG) == []
    assert folding.tell(query(id)) == [OperationNotFound(operation_id=id, reference="o1")]
    assert folding.tell(request_) == []
    assert folding.wait(LONG) == [answer]


def always(*words: str) -> Folding:
    """The provider to which these happen every time."""
    return Folding(provider(Faults("a", dict.fromkeys(words, 10_000))), NOW)


def test_declines_concern_payments_of_orders_alone() -> None:
    folding = always("decline")
    deposit = collect(id="deposit-s1-1").model_copy(update={"purpose": Purpose.DEPOSIT})
    folding.tell(collect(), deposit, refund(), pay_out())
    succeeded = PAID.model_copy(update={"operation_id": "deposit-s1-1", "purpose": Purpose.DEPOSIT})
    assert folding.wait(LONG) == [succeeded, declined("declined_by_bank"), PAID_OUT, REFUNDED]


def test_a_refund_that_never_works_fails_whatever_its_attempt_and_others_have_luck() -> None:
    faults = Faults("a", {"payout_never": 5_000, "payout_fails": 5_000})
    unlucky = next(f"o{n}" for n in range(99) if faults.hits("payout_never", f"o{n}"))
    lucky = next(f"o{n}" for n in range(99) if not faults.hits("payout_never", f"o{n}"))
    folding = Folding(provider(faults), NOW)
    for reference in (unlucky, lucky):
        for attempt in range(1, 13):
            id = f"payout-{reference}-{attempt}"
            folding.tell(pay_out(id).model_copy(update={"reference": reference}))
    told = folding.wait(LONG)
    assert {type(one) for one in told if one.key == unlucky} == {PayoutFailed}
    assert {type(one) for one in told if one.key == lucky} == {PayoutFailed, PayoutSucceeded}


@requests
def test_a_lost_answer_is_told_when_asked(request_: Message, answer: Event) -> None:
    folding = always("answer_lost")
    folding.tell(request_)
    assert folding.wait(LONG) == []
    assert folding.tell(query(answer.model_dump()["operation_id"])) == [answer]


@requests
def test_a_request_that_was_lost_goes_through_the_second_time(request_: Message, answer: Event) -> None:
    folding = always("request_lost")
    folding.tell(request_)
    assert folding.wait(LONG) == []
    (unknown,) = folding.tell(query(answer.model_dump()["operation_id"]))
    assert isinstance(unknown, OperationNotFound)
    folding.tell(request_)
    assert folding.wait(LONG) == [answer]


@requests
def test_a_delayed_answer_comes_behind_the_deed_and_once(request_: Message, answer: Event) -> None:
    folding = always("delay")
    folding.tell(request_)
    id = answer.model_dump()["operation_id"]
    assert folding.wait(timedelta(minutes=19)) == []
    operation = folding.state("operations", id)
    assert operation.done_at is not None and operation.faults == ("delay",)
    assert folding.tell(query(id)) == [answer]
    assert folding.wait(LONG) == [answer]


@requests
def test_a_duplicated_answer_is_told_twice_at_different_times(request_: Message, answer: Event) -> None:
    folding = always("duplicate")
    folding.tell(request_)
    assert folding.wait(timedelta(minutes=1)) == [answer]
    assert folding.wait(LONG) == [answer]
    assert folding.wait(LONG) == []


def test_e13_chargebacks_are_numbered_and_reversed_once() -> None:
    report = ReportChargeback(actor=DRIVER, reference="o1", amount=TEN, reason="not_recognised")
    folding = given()
    received = folding.tell(report, report)
    assert received == [
        ChargebackReceived(chargeback_id=f"chargeback-o1-{n}", reference="o1", amount=TEN, reason="not_recognised")
        for n in (1, 2)
    ]
    reverse = ReverseChargeback(actor=DRIVER, reference="o1", chargeback_id="chargeback-o1-2")
    assert folding.tell(reverse) == [ChargebackReversed(chargeback_id="chargeback-o1-2", reference="o1", amount=TEN)]
    assert folding.refuses(reverse) == "already_reversed"
    assert folding.refuses(reverse.model_copy(update={"chargeback_id": "chargeback-o1-3"})) == "not_found"
    assert folding.refuses(reverse.model_copy(update={"reference": "o2"})) == "not_found"


def test_a_reference_of_the_greatest_length_can_be_charged_back() -> None:
    (event,) = given().tell(ReportChargeback(actor=DRIVER, reference="o" * 64, amount=TEN, reason="fraud"))
    assert isinstance(event, ChargebackReceived)


def test_control_commands_belong_to_the_provider() -> None:
    assert ScriptOperation.CE_TYPE == "payments.script_operation.v1"
    assert ReportChargeback.TOPIC == "payments.commands.v1"
    assert SERVICE.topics == ("payments.commands.v1",)
