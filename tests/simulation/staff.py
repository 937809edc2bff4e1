"""Everybody else: mediators rule, reviewers look at documents, operators work their queue, carriers deliver, banks take
money back, and the provider does not always do what it should."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from contracts.deposits import DepositActivated, ReinstateDeposit, SuspendDeposit
from contracts.disputes import DisputeOpened, DisputeResolved, LineRuling, ReplacementShipped, RuleDispute, Verdict
from contracts.escrow import (
    FundsReleased,
    OperationResult,
    OperatorNeeded,
    RecordOperationResult,
    RefundStarted,
    RetryOperation,
)
from contracts.identity import AppealSubmitted, OrderStopped, RejectAppeal, ScreenOrder, VerifyAppeal
from contracts.message import Message
from contracts.money import Money, total
from contracts.orders import OrderPaid, OrderPaymentDeclined, OrderPlaced, OrderShipped
from contracts.payments import ChargebackReceived, PaymentSucceeded, Purpose
from escrow.state import Concern, Escrow, OperationKind, Standing, operation, withheld
from runtime.delivery import RawRecord
from simulators.carrier.control import DeliverParcel, ReportParcel
from simulators.carrier.journey import End
from simulators.payments.control import ClearScript, Misbehaviour, ReportChargeback, ReverseChargeback, ScriptOperation
from simulators.payments.operations import Status
from tests.simulation.scene import MEDIATOR, OPERATOR, OUTSIDE, REVIEWER, Scene
from tests.simulation.trade import complain


def rule(scene: Scene, event: DisputeOpened) -> None:
    """In time, at the last moment, twice, or never; not always all lines of the case."""
    wait = scene.soon() if scene.chance(0.3) else scene.by(timedelta(days=30), never=0.15, race=0.08)
    if wait is None:
        return
    for _ in range(2 if scene.chance(0.08) else 1):
        lines = event.lines[1:] if len(event.lines) > 1 and scene.chance(0.05) else event.lines
        same = _ruling(scene, lines[0])
        rulings = tuple(
            same.model_copy(update={"line_no": line}) if scene.chance(0.6) else _ruling(scene, line) for line in lines
        )
        scene.later(wait, partial(scene.ask, RuleDispute(actor=MEDIATOR, dispute_id=event.dispute_id, rulings=rulings)))


def _ruling(scene: Scene, line: int) -> LineRuling:
    if scene.chance(scene.habits.returns):
        return LineRuling(line_no=line, verdict=scene.rng.choice((Verdict.RETURN, Verdict.REPLACE)))
    verdict = scene.rng.choice((Verdict.REFUND, Verdict.RELEASE, Verdict.SPLIT, Verdict.SPLIT))
    share = scene.rng.choice((1, 3_333, 5_000, 9_999)) if verdict is Verdict.SPLIT else None
    return LineRuling(line_no=line, verdict=verdict, buyer_basis_points=share)


def screen_again(scene: Scene, event: OrderStopped) -> None:
    """Some other system asks for what identity said already."""
    if scene.chance(0.1):
        one = Money(amount=1, currency="EUR")
        again = ScreenOrder(actor=OUTSIDE, person_id=event.person_id, order_id=event.order_id, total=one)
        scene.later(scene.soon() * 0.1, partial(scene.ask, again))


def review(scene: Scene, event: AppealSubmitted) -> None:
    names = {"actor": REVIEWER, "appeal_id": event.appeal_id, "person_id": event.person_id}
    decision = VerifyAppeal(**names) if scene.chance(0.6) else RejectAppeal(**names, reason="not_the_holder")
    wait = scene.by(timedelta(days=9), never=0.08)
    if wait is not None:
        scene.later(wait, partial(scene.ask, decision))


def follow(scene: Scene, event: OrderShipped | ReplacementShipped) -> None:
    """The parcel arrives in time, around the deadline, or never; some are lost or brought back, before or instead."""
    wait = scene.by(timedelta(days=scene.rng.choice((5, 20, 35))), never=scene.habits.delivered_never)
    if isinstance(event, ReplacementShipped) and scene.chance(0.3):
        wait = timedelta(seconds=scene.rng.choice((1, 30)))
        if scene.chance(0.5):
            scene.world.silence("escrow", timedelta(hours=1))
    if scene.chance(scene.habits.strays):
        strays = scene.by(timedelta(days=scene.rng.choice((2, 20, 35, 48))), never=0.0) or timedelta(0)
        scene.later(strays, partial(_stray, scene, event, scene.rng.choice((End.LOST, End.RETURNED))))
    if wait is not None:
        scene.later(wait, partial(_deliver, scene, event.order_id, event.tracking_number, 3))


def _stray(scene: Scene, event: OrderShipped | ReplacementShipped, end: End) -> None:
    names = {"reference": event.order_id, "tracking_number": event.tracking_number}
    scene.ask(ReportParcel(actor=OUTSIDE, what=end, **names))


def _deliver(scene: Scene, order_id: str, tracking_number: str, tries: int) -> None:
    """A driver whose carrier has not heard of the parcel yet comes again."""
    scene.ask(DeliverParcel(actor=OUTSIDE, reference=order_id, tracking_number=tracking_number))
    parcel = scene.world.nodes["carrier"].database.state("parcels", order_id)
    if tries and (parcel is None or parcel.tracking_number != tracking_number):
        scene.later(timedelta(hours=8), partial(_deliver, scene, order_id, tracking_number, tries - 1))


def misbehave_in(scene: Scene, event: OrderPlaced) -> None:
    """The provider is going to decline the order's payments, to keep silent about them or to lose them."""
    if scene.deals[event.order_id].stubborn:
        _script(scene, event.order_id, Misbehaviour.DECLINE, None)
    elif scene.chance(scene.habits.payments_fail):
        outcome = scene.rng.choice((Misbehaviour.DECLINE, Misbehaviour.SILENT, Misbehaviour.LOST))
        _script(scene, event.order_id, outcome, scene.rng.choice((1, 1, 2, 3)))


def misbehave_out(scene: Scene, event: OrderPaid) -> None:
    """The provider is going to fail refunds or payouts of this order: the first few, or all; or to lose them."""
    habits, attempts = scene.habits, (1, 2, 3, 5, 8, None)
    if scene.chance(0.07):
        _script(scene, event.order_id, Misbehaviour.FAIL_REFUND, None)
        _script(scene, event.order_id, Misbehaviour.FAIL_PAYOUT, None)
    if scene.chance(habits.refunds_fail):
        _script(scene, event.order_id, Misbehaviour.FAIL_REFUND, scene.rng.choice(attempts))
    if scene.chance(habits.payouts_fail):
        _script(scene, event.order_id, Misbehaviour.FAIL_PAYOUT, scene.rng.choice(attempts))
    if scene.chance(habits.answers_lost):
        outcome = scene.rng.choice((Misbehaviour.SILENT, Misbehaviour.LOST))
        _script(scene, event.order_id, outcome, scene.rng.choice(attempts))


def misbehave_with_deposits(scene: Scene) -> None:
    for seller in scene.sellers:
        if scene.chance(scene.habits.payments_fail * 0.5):
            outcome = scene.rng.choice((Misbehaviour.DECLINE, Misbehaviour.SILENT, Misbehaviour.LOST))
            _script(scene, seller, outcome, 1)


def _script(scene: Scene, target: str, outcome: Misbehaviour, attempts: int | None) -> None:
    scene.ask(ScriptOperation(actor=OUTSIDE, target=target, outcome=outcome, attempts=attempts))


def mistake(scene: Scene, event: OrderPaymentDeclined) -> None:
    """The provider confirms a payment that it declined, and in another amount than was asked for."""
    if scene.chance(0.15):
        deal = scene.deals[event.order_id]
        wrong = PaymentSucceeded(
            operation_id=f"pay-{event.order_id}-{scene.rng.randint(1, max(1, deal.payments))}",
            reference=event.order_id,
            purpose=Purpose.ORDER,
            amount=Money(amount=12_345_678_901, currency="EUR"),
            method=event.method,
        )
        scene.later(scene.soon() * 0.1, partial(scene.tell, wrong, "payments"))


def take_back(scene: Scene, event: OrderPaid | OperatorNeeded | DisputeOpened) -> None:
    """The buyer's bank takes the payment back; some buyers turn to it when something else is under way already."""
    likely = scene.habits.chargebacks if isinstance(event, OrderPaid) else 0.1 + scene.habits.chargebacks * 0.3
    if scene.chance(likely):
        at_once = not isinstance(event, OrderPaid)
        some_time = scene.rng.choice((scene.soon(), timedelta(days=60) * scene.rng.random()))
        _charge_back(scene, event.order_id, scene.soon() * 0.1 if at_once else some_time)
    if isinstance(event, OperatorNeeded) and event.code == "chargeback_after_release" and scene.chance(0.3):
        scene.later(scene.soon() * 0.1, partial(complain, scene, scene.deals[event.order_id]))


def _charge_back(scene: Scene, order_id: str, wait: timedelta) -> None:
    """The whole payment, or both halves of it, one after the other."""
    deal = scene.deals[order_id]
    if not deal.lines or deal.charged_back:
        return
    deal.charged_back = True
    paid = total([line.presented for line in deal.lines])
    whole = scene.chance(0.8) or paid.amount == 1
    amount = paid if whole else Money(amount=paid.amount // 2, currency=paid.currency)
    for n in range(1 if whole else 2):
        report = ReportChargeback(actor=OUTSIDE, reference=order_id, amount=amount, reason="not_recognised")
        scene.later(wait * (n + 1), partial(scene.world.send, report))


def give_back(scene: Scene, event: ChargebackReceived) -> None:
    if scene.chance(0.5):
        days = scene.rng.choice((0.0001, 5, 40, 74.99, 75, 80)) * scene.rng.uniform(0.97, 1.03)
        reverse = ReverseChargeback(actor=OUTSIDE, reference=event.reference, chargeback_id=event.chargeback_id)
        scene.later(timedelta(days=days), partial(scene.world.send, reverse))


def go_away(scene: Scene, event: Message) -> None:
    """A service is silent just when it is asked something, or just after."""
    rng, habits = scene.rng, scene.habits
    if isinstance(event, FundsReleased | RefundStarted) and scene.chance(habits.provider_away):
        away = timedelta(days=rng.choice((0.5, 3, 8)) * rng.uniform(0.8, 1.2))
        scene.later(timedelta(seconds=rng.choice((0, 60))), partial(scene.world.silence, "payments", away))
    if isinstance(event, OrderPaid) and scene.chance(habits.others_away):
        scene.world.silence("identity", timedelta(hours=rng.choice((8, 18, 30, 300))))
    if isinstance(event, DisputeOpened) and scene.chance(habits.others_away):
        wait, away = timedelta(days=rng.uniform(0, 12)), timedelta(days=rng.choice((2, 8, 20)))
        scene.later(wait, partial(scene.world.silence, rng.choice(("disputes", "orders", "escrow")), away))
    if isinstance(event, DisputeResolved) and scene.chance(habits.others_away * 2):
        scene.world.silence("deposits", timedelta(days=rng.choice((3, 8, 12))))
        if scene.chance(0.3):
            _charge_back(scene, event.order_id, scene.soon() * 0.1)
    if isinstance(event, DisputeResolved) and scene.chance(habits.provider_away):
        scene.later(timedelta(seconds=rng.choice((0, 60))), partial(scene.world.silence, "payments", timedelta(days=8)))


def suspend_sellers(scene: Scene, event: DepositActivated) -> None:
    if scene.chance(scene.habits.suspends):
        stop = SuspendDeposit(actor=OPERATOR, seller_id=event.seller_id, reason="too_many_complaints")
        lift = ReinstateDeposit(actor=OPERATOR, seller_id=event.seller_id)
        wait = timedelta(days=scene.rng.uniform(0, 10))
        scene.later(wait, partial(scene.ask, stop))
        scene.later(wait + scene.soon() * 3, partial(scene.ask, lift))


def attend(scene: Scene, event: OperatorNeeded) -> None:
    """Most at once, some after weeks; meanwhile buyers complain."""
    if scene.chance(scene.habits.operators_sleep):
        return
    wait = scene.soon()
    if scene.chance(0.2):
        wait = timedelta(days=scene.rng.uniform(14, 20))
        scene.later(timedelta(days=scene.rng.uniform(0, 10)), partial(complain, scene, scene.deals[event.order_id]))
    scene.later(wait, partial(_work_queue, scene, event.order_id, 6))


def _work_queue(scene: Scene, order_id: str, rounds: int) -> None:
    """An operator looks at everything open of the order, asks the provider where needed, and comes back later."""
    order: Escrow = scene.world.nodes["escrow"].database.state("escrow", order_id)
    waiting = [each for each in order.concerns if each.open]
    for concern in waiting:
        _settle(scene, order, concern)
    if waiting and rounds:
        scene.later(timedelta(days=scene.rng.uniform(0.5, 3)), partial(_work_queue, scene, order_id, rounds - 1))


def _settle(scene: Scene, order: Escrow, concern: Concern) -> None:
    names: dict[str, Any] = {"actor": OPERATOR, "order_id": order.order_id, "operation_id": concern.operation_id}
    asked = operation(order, concern.operation_id)
    if not concern.waits or asked is None:
        scene.ask(RecordOperationResult(**names, result=OperationResult.SUCCEEDED))
    elif asked.kind is not OperationKind.CLAIM and asked.standing is Standing.SENT and scene.chance(0.85):
        result = _found_out(scene, asked.id)
        if result is not None:
            scene.ask(RecordOperationResult(**names, result=result))
    elif withheld(order, asked) and scene.chance(0.85):
        scene.ask(RecordOperationResult(**names, result=OperationResult.BY_BANK))
    else:
        if scene.chance(0.8):
            scene.ask(ClearScript(actor=OUTSIDE, target=order.order_id))
        scene.later(scene.soon() * 0.1, partial(scene.ask, RetryOperation(**names)))


def _found_out(scene: Scene, operation_id: str) -> OperationResult | None:
    """What the provider says of an operation on the telephone. None: not yet known, for what the provider has not read
    may still move money."""
    provider = scene.world.nodes["payments"]
    known = provider.database.state("operations", operation_id)
    if known and known.status is Status.SUCCEEDED:
        return OperationResult.SUCCEEDED
    if known and known.status is Status.FAILED:
        return OperationResult.FAILED
    unread = scene.world.is_away("payments") or provider.behind or provider.hands
    in_progress = known and known.status is Status.IN_PROGRESS
    return None if unread or in_progress else OperationResult.FAILED


def meddle(scene: Scene, event: FundsReleased | RefundStarted) -> None:
    """An operator touches what is not in their hands."""
    if scene.chance(0.06):
        kind = "payout" if isinstance(event, FundsReleased) else "refund"
        names = {"actor": OPERATOR, "order_id": event.order_id}
        operation_id = f"{kind}-{event.order_id}-{scene.rng.choice((1, 1, 2, 3))}"
        retry = RetryOperation(**names, operation_id=operation_id)
        record = RecordOperationResult(**names, operation_id=operation_id, result=OperationResult.FAILED)
        scene.later(timedelta(seconds=scene.rng.choice((0, 3))), partial(scene.ask, scene.rng.choice((retry, record))))


def plant_poison(scene: Scene) -> None:
    """Records that nobody can decode, on keys of orders; an operator clears them away days later."""
    for _ in range(scene.world.faults.poison):
        order_id = f"order-{scene.rng.randint(1, scene.habits.orders)}"
        topic = scene.rng.choice(("orders.events.v1", "orders.commands.v1", "escrow.events.v1", "payments.events.v1"))
        scene.later(timedelta(days=scene.rng.uniform(1, 40)), partial(_plant, scene, topic, order_id))


def _plant(scene: Scene, topic: str, order_id: str) -> None:
    record = scene.world.plant(topic, order_id)
    scene.later(timedelta(days=scene.rng.uniform(0.2, 4)), partial(_unpark, scene, order_id, record))


def _unpark(scene: Scene, lane: str, record: RawRecord) -> None:
    nodes = scene.world.nodes.values()
    for node in nodes:
        node.replay(lane, scene.world.now)
    if any(lane in node.database.parked or not node.has_read(record) for node in nodes):
        scene.later(timedelta(days=1), partial(_unpark, scene, lane, record))


REACTIONS: Mapping[type[Message], tuple[Callable[[Scene, Any], None], ...]] = {
    DisputeOpened: (rule, go_away, take_back),
    DisputeResolved: (go_away,),
    OrderStopped: (screen_again,),
    AppealSubmitted: (review,),
    OrderShipped: (follow,),
    ReplacementShipped: (follow,),
    OrderPlaced: (misbehave_in,),
    OrderPaid: (misbehave_out, take_back, go_away),
    OrderPaymentDeclined: (mistake,),
    FundsReleased: (go_away, meddle),
    RefundStarted: (go_away, meddle),
    ChargebackReceived: (give_back,),
    DepositActivated: (suspend_sellers,),
    OperatorNeeded: (attend, take_back),
}
