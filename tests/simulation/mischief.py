"""What nobody should do, and somebody does: wrong actors, wrong states, broken checkouts, strangers, forged events.

None of it may have an effect that the rules do not allow, so everything here is done at random moments to any order.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from contracts.carrier import TrackParcel
from contracts.deposits import ClaimDeposit, OpenDeposit, PayDeposit, ReinstateDeposit, SuspendDeposit
from contracts.disputes import (
    ConfirmReturn,
    DisputeReason,
    LineRuling,
    OpenDispute,
    RuleDispute,
    ShipReplacement,
    ShipReturn,
    Verdict,
    WithdrawDispute,
)
from contracts.escrow import FundsSecured, OperationResult, RecordOperationResult, RetryOperation
from contracts.identity import OpenAccount, RejectAppeal, ScreenOrder, VerifyAppeal
from contracts.message import Actor, Command, Role
from contracts.money import MAX_MINOR_UNITS, Money
from contracts.orders import CancelOrder, CancelReason, ConfirmReceipt, PayOrder, RequestQuote, ReturnPayment, ShipOrder
from contracts.payments import CollectPayment, PaymentSucceeded, Purpose, QueryOperation, RefundPayment
from tests.simulation.goods import QUICK, checkout, quote
from tests.simulation.scene import MEDIATOR, OPERATOR, OUTSIDE, REVIEWER, SUPPORT, Deal, Scene, buyer_of, seller_of

STRANGER = Actor(id="buyer-9", role=Role.BUYER)
OTHER_SHOP = Actor(id="seller-9", role=Role.SELLER)
ONE_EURO = Money(amount=100, currency="EUR")


def plan_mischief(scene: Scene) -> None:
    """Spread over the time in which orders live."""
    for _ in range(scene.habits.mischief):
        scene.later(timedelta(days=scene.rng.uniform(0.5, 45)), partial(_do, scene))


def _do(scene: Scene) -> None:
    kind = scene.rng.choice((_checkout, _of_order, _of_order, _of_case, _of_others, _of_quotes, _forged, _garbled))
    kind(scene)


def _checkout(scene: Scene) -> None:
    """A checkout with one thing wrong."""
    rng = scene.rng
    honest = checkout(scene, f"odd-{rng.randint(1, 10**6)}", rng.choice(scene.buyers[:1]), rng.choice(scene.sellers))
    first, currency = honest.lines[0], honest.lines[0].unit_price.currency
    other = "USD" if currency != "USD" else "EUR"
    past = quote(scene, currency).model_copy(update={"expires_at": scene.world.now - timedelta(seconds=1)})
    dear = first.model_copy(
        update={"quantity": 100_000, "unit_price": Money(amount=MAX_MINOR_UNITS // 9, currency=currency)}
    )
    foreign = first.model_copy(update={"line_no": 99, "unit_price": Money(amount=5, currency=other)})
    changes: Sequence[dict[str, object]] = (
        {"actor": STRANGER},
        {"actor": Actor(id=honest.seller_id, role=Role.SELLER)},
        {"order_id": f"odd-{'x' * 40}"},
        {"seller_id": honest.buyer_id},
        {"buyer_id": "buyer-9", "actor": STRANGER},
        {"seller_id": "seller-9"},
        {"seller_id": scene.sellers[-1]},
        {"lines": (first, first)},
        {"lines": (first, foreign)},
        {"quote": quote(scene, other)},
        {"quote": quote(scene, currency).model_copy(update={"presentment": currency, "rate": "1.5"})},
        {"quote": past},
        {"lines": (dear,), "quote": None},
        {"order_id": rng.choice(list(scene.deals))} if scene.deals else {"actor": STRANGER},
    )
    odd = honest.model_copy(update=rng.choice(changes))
    scene.deals.setdefault(odd.order_id, Deal(odd.order_id, odd.buyer_id, odd.seller_id))
    scene.ask(odd)


def _of_order(scene: Scene) -> None:
    """Any command to any order by anybody at any time."""
    deal = _any_deal(scene)
    rng, order_id = scene.rng, deal.order_id
    actor = rng.choice(
        (buyer_of(deal), buyer_of(deal), buyer_of(deal), seller_of(deal), STRANGER, OTHER_SHOP, SUPPORT, OPERATOR)
    )
    version = rng.choice((None, None, 1, deal.version))
    lines = rng.choice(((), (1,), (1, 1), (77,), deal.line_numbers[:1]))
    reason = rng.choice(tuple(CancelReason))
    commands: Sequence[Command] = (
        PayOrder(actor=actor, order_id=order_id, method=rng.choice(QUICK), expected_version=version),
        ShipOrder(actor=seller_of(deal), order_id=order_id, carrier="fast_parcel", tracking_number="PAR-1"),
        ShipOrder(actor=actor, order_id=order_id, carrier="fast_parcel", tracking_number="PAR-2"),
        ConfirmReceipt(actor=actor, order_id=order_id, lines=lines),
        ConfirmReceipt(actor=buyer_of(deal), order_id=order_id, lines=lines),
        CancelOrder(actor=actor, order_id=order_id, reason=reason),
        CancelOrder(actor=buyer_of(deal), order_id=order_id, reason=CancelReason.NOT_PAID),
        RetryOperation(actor=rng.choice((actor, OPERATOR)), order_id=order_id, operation_id=f"refund-{order_id}-1"),
        RecordOperationResult(
            actor=rng.choice((actor, OPERATOR)),
            order_id=order_id,
            operation_id=f"nothing-{order_id}-1",
            result=rng.choice(tuple(OperationResult)),
        ),
    )
    scene.ask(rng.choice(commands))


def _of_quotes(scene: Scene) -> None:
    """A rate asked for by anybody, and money to be sent back that never came."""
    rng, deal = scene.rng, _any_deal(scene)
    commands: Sequence[Command] = (
        RequestQuote(
            actor=rng.choice((buyer_of(deal), buyer_of(deal), seller_of(deal))),
            quote_id=f"quote-{rng.randint(1, 3)}",
            buyer_id=rng.choice((deal.buyer, deal.buyer, "buyer-9")),
            presentment=rng.choice(("EUR", "USD", "KZT")),
            settlement="EUR",
        ),
        ReturnPayment(
            actor=rng.choice((OPERATOR, OPERATOR, buyer_of(deal))),
            order_id=deal.order_id,
            operation_id=f"nothing-{deal.order_id}-1",
        ),
    )
    scene.ask(rng.choice(commands))


def _of_case(scene: Scene) -> None:
    """Any command to any case by anybody at any time."""
    rng, deal = scene.rng, _any_deal(scene)
    dispute_id = rng.choice(deal.cases) if deal.cases else "case-none"
    actor = rng.choice((buyer_of(deal), seller_of(deal), STRANGER, MEDIATOR, SUPPORT))
    biased = rng.choice((Actor(id=deal.buyer, role=Role.MEDIATOR), MEDIATOR, seller_of(deal)))
    ruling = LineRuling(line_no=rng.choice((1, 2, 88)), verdict=rng.choice((Verdict.RELEASE, Verdict.REFUND)))
    opened = OpenDispute(
        actor=actor,
        dispute_id=rng.choice((dispute_id, f"case-{'y' * 40}", f"case-odd-{rng.randint(1, 10**6)}")),
        order_id=deal.order_id,
        lines=rng.choice(((1,), (1, 1), (66,))),
        reason=DisputeReason.LATE,
    )
    names = {"dispute_id": dispute_id, "carrier": "fast_parcel", "tracking_number": f"ODD-{rng.randint(1000, 9999)}"}
    commands: Sequence[Command] = (
        opened,
        WithdrawDispute(actor=actor, dispute_id=dispute_id),
        RuleDispute(actor=biased, dispute_id=dispute_id, rulings=(ruling,) * rng.choice((1, 2))),
        ShipReturn(actor=actor, **names),
        ShipReplacement(actor=actor, **names),
        ConfirmReturn(actor=actor, dispute_id=dispute_id),
    )
    scene.ask(rng.choice(commands))


def _of_others(scene: Scene) -> None:
    """What people ask of deposits, identity, the provider and the carrier without any right to."""
    rng, deal = scene.rng, _any_deal(scene)
    actor, seller, buyer = rng.choice((buyer_of(deal), seller_of(deal), SUPPORT)), deal.seller, deal.buyer
    appeal = {"appeal_id": f"appeal-{deal.order_id}-0", "person_id": buyer}
    operation = {"operation_id": f"refund-{deal.order_id}-1", "reference": deal.order_id}
    commands: Sequence[Command] = (
        OpenDeposit(actor=actor, seller_id=seller, category="toys", country="CN"),
        PayDeposit(actor=rng.choice((actor, OTHER_SHOP)), seller_id=seller, method=QUICK[0]),
        SuspendDeposit(actor=actor, seller_id=seller, reason="envy"),
        ReinstateDeposit(actor=rng.choice((actor, OPERATOR)), seller_id=seller),
        ClaimDeposit(actor=actor, seller_id=seller, claim_id="claim-odd", order_id=deal.order_id, amount=ONE_EURO),
        OpenAccount(actor=rng.choice((actor, STRANGER)), person_id=buyer, country="DE"),
        ScreenOrder(actor=actor, person_id=buyer, order_id=deal.order_id, total=ONE_EURO),
        ScreenOrder(actor=OUTSIDE, person_id=buyer, order_id=rng.choice((deal.order_id, "order-none")), total=ONE_EURO),
        VerifyAppeal(actor=rng.choice((actor, Actor(id=buyer, role=Role.REVIEWER))), **appeal),
        RejectAppeal(actor=rng.choice((actor, REVIEWER)), reason="doubt", **appeal | {"appeal_id": "appeal-none"}),
        RefundPayment(actor=actor, amount=ONE_EURO, **operation),
        CollectPayment(actor=actor, amount=ONE_EURO, purpose=Purpose.ORDER, method=QUICK[0], **operation),
        QueryOperation(actor=rng.choice((actor, OUTSIDE)), **operation),
        TrackParcel(actor=actor, reference=deal.order_id, carrier="fast_parcel", tracking_number="ODD-1"),
    )
    scene.ask(rng.choice(commands))


def _forged(scene: Scene) -> None:
    """Events that never happened, in the name of the provider or of escrow."""
    deal = _any_deal(scene)
    number = scene.rng.choice((1, deal.payments or 1, 42))
    paid = PaymentSucceeded(
        operation_id=f"pay-{deal.order_id}-{number}",
        reference=deal.order_id,
        purpose=Purpose.ORDER,
        amount=Money(amount=12_345_678_901, currency="EUR"),
        method=QUICK[0],
    )
    secured = FundsSecured(order_id=deal.order_id, seller_id=deal.seller, ship_by=scene.world.now)
    order = scene.world.nodes["orders"].database.state("orders", deal.order_id)
    unpaid = order is not None and not order.paid_operation
    event, source = (secured, "escrow") if unpaid and scene.chance(0.5) else (paid, "payments")
    scene.tell(event, source)


def _garbled(scene: Scene) -> None:
    """Commands that can be read and not be obeyed: an unknown type, another service's, fields that are none."""
    deal = _any_deal(scene)
    pay = PayOrder(actor=buyer_of(deal), order_id=deal.order_id, method=QUICK[0])
    type_and_value: tuple[str, bytes] = scene.rng.choice(
        (
            ("orders.give_me_money.v1", b"{}"),
            ("deposits.pay_deposit.v1", b"{}"),
            (PayOrder.CE_TYPE, b'{"order_id": 7}'),
            (PayOrder.CE_TYPE, pay.model_copy(update={"order_id": "order-of-others"}).model_dump_json().encode()),
        )
    )
    scene.world.send_raw(PayOrder.TOPIC, deal.order_id, *type_and_value)


def _any_deal(scene: Scene) -> Deal:
    known = list(scene.deals.values())
    if not known or scene.chance(0.05):
        return Deal("order-none", "buyer-1", "seller-1")
    return scene.rng.choice(known)
