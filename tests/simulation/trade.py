"""Buyers and sellers: shops are opened, orders placed, paid, shipped, confirmed, cancelled, disputed, appealed."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any

from contracts.deposits import DepositPaymentDeclined, DepositRequired, DepositSuspended, OpenDeposit, PayDeposit
from contracts.disputes import (
    ConfirmReturn,
    DisputeOpened,
    DisputeReason,
    DisputeResolved,
    OpenDispute,
    ReturnShipped,
    ShipReplacement,
    ShipReturn,
    Verdict,
    WithdrawDispute,
)
from contracts.escrow import FundsReleased, FundsSecured, RefundStarted
from contracts.identity import Document, DocumentKind, OpenAccount, OrderStopped, SubmitAppeal
from contracts.message import Actor, Message, Role
from contracts.orders import (
    CancelOrder,
    CancelReason,
    ConfirmReceipt,
    OrderCancelled,
    OrderDelivered,
    OrderPaid,
    OrderPaymentDeclined,
    OrderPlaced,
    OrderShipped,
    PayOrder,
    ReceiptConfirmed,
    ShipOrder,
)
from tests.simulation.goods import CATEGORIES, COUNTRIES, QUICK, SLOW, checkout
from tests.simulation.scene import SUPPORT, Deal, Scene, buyer_of, seller_of

CARRIERS = ("fast_parcel", "fast_parcel", "letter_post")


def open_shops(scene: Scene) -> None:
    """Accounts of the buyers, deposits of the sellers. The last of each never gets one."""
    rng = scene.rng
    scene.buyers = [f"buyer-{n}" for n in range(1, 3 if scene.habits.rush else 6)]
    scene.sellers = [f"seller-{n}" for n in range(1, 5)]
    for person in (*scene.buyers, *scene.sellers):
        scene.countries[person] = rng.choice(COUNTRIES)
    for buyer in scene.buyers[:-1] if len(scene.buyers) > 2 else scene.buyers:
        opened = OpenAccount(actor=Actor(id=buyer, role=Role.BUYER), person_id=buyer, country=scene.countries[buyer])
        scene.later(scene.soon(), partial(scene.ask, opened))
    for seller in scene.sellers:
        asked = OpenDeposit(
            actor=Actor(id=seller, role=Role.SELLER),
            seller_id=seller,
            category=rng.choice(CATEGORIES),
            country=scene.countries[seller],
        )
        scene.later(scene.soon(), partial(scene.ask, asked))


def plan_orders(scene: Scene) -> None:
    """When who buys from whom: most once shops are open, in the rush all in one day."""
    for number in range(1, scene.habits.orders + (8 if scene.habits.rush else 0) + 1):
        days = scene.rng.uniform(3, 3.8) if scene.habits.rush else scene.rng.uniform(2, 20)
        scene.later(timedelta(days=days), partial(_buy, scene, f"order-{number}"))


def _buy(scene: Scene, order_id: str) -> None:
    buyer = scene.buyers[0] if scene.habits.rush else scene.rng.choice(scene.buyers[:-1])
    seller = scene.rng.choice(scene.sellers[:-1])
    if scene.chance(0.04):
        buyer, seller = scene.buyers[-1], scene.sellers[-1]
    scene.deals[order_id] = Deal(order_id, buyer, seller, stubborn=scene.chance(0.02))
    scene.ask(checkout(scene, order_id, buyer, seller))


def deposit_due(scene: Scene, event: DepositRequired | DepositSuspended | DepositPaymentDeclined) -> None:
    if event.seller_id == scene.sellers[-1] and scene.chance(0.6):
        return
    method = scene.rng.choice(QUICK if scene.chance(0.8) else SLOW)
    paid = PayDeposit(actor=Actor(id=event.seller_id, role=Role.SELLER), seller_id=event.seller_id, method=method)
    scene.later(scene.soon(), partial(scene.ask, paid))


def placed(scene: Scene, event: OrderPlaced) -> None:
    deal = scene.deals.get(event.order_id)
    if deal is None:
        deal = scene.deals[event.order_id] = Deal(event.order_id, event.buyer_id, event.seller_id)
    deal.lines = event.lines
    if scene.chance(scene.habits.cancels):
        regret = scene.rng.choice((scene.soon(), timedelta(seconds=scene.rng.uniform(0, 20))))
        scene.later(regret, partial(_cancel, scene, deal))
    wait = scene.by(event.pay_by, never=scene.habits.never_pays, race=0.1)
    if wait is not None:
        scene.later(wait * 0.3 if scene.chance(0.7) and wait < timedelta(days=2) else wait, partial(_pay, scene, deal))


def payment_declined(scene: Scene, event: OrderPaymentDeclined) -> None:
    deal = scene.deals[event.order_id]
    if deal.stubborn or scene.chance(0.85):
        wait = timedelta(minutes=5) if deal.stubborn else scene.soon()
        scene.later(wait, partial(_pay, scene, deal))


def paid(scene: Scene, event: OrderPaid) -> None:
    deal = scene.deals[event.order_id]
    if scene.chance(0.03):
        scene.later(timedelta(0), partial(_ship, scene, deal))
    if scene.chance(scene.habits.cancels * 0.5):
        scene.later(scene.soon(), partial(_cancel, scene, deal))


def may_ship(scene: Scene, event: FundsSecured) -> None:
    deal = scene.deals[event.order_id]
    wait = scene.by(event.ship_by, never=scene.habits.ships_never)
    if wait is not None:
        scene.later(wait, partial(_ship, scene, deal))
    if scene.chance(scene.habits.cancels):
        near = timedelta(milliseconds=scene.rng.choice((0, 50, 500)))
        last = scene.by(event.ship_by, never=0.0, race=1.0) or near
        at = scene.rng.choice((near + (wait or timedelta(0)), scene.soon(), last))
        scene.later(at, partial(_cancel, scene, deal))
    elif wait is None and scene.chance(0.4):
        last = scene.by(event.ship_by, never=0.0, race=1.0) or timedelta(0)
        scene.later(last, partial(_cancel, scene, deal))
    if scene.chance(0.08):
        complaint = scene.soon() * 3
        scene.later(complaint, partial(complain, scene, deal))
        if scene.chance(0.4):
            scene.later(complaint + timedelta(seconds=2), partial(_cancel, scene, deal))


def shipped(scene: Scene, event: OrderShipped) -> None:
    deal = scene.deals[event.order_id]
    if scene.chance(scene.habits.disputes * 0.5):
        scene.later(timedelta(days=scene.rng.choice((1, 10, 45)) * scene.rng.random()), partial(complain, scene, deal))
    if scene.chance(0.08):
        scene.later(scene.soon(), partial(_confirm, scene, deal))


def delivered(scene: Scene, event: OrderDelivered) -> None:
    deal = scene.deals[event.order_id]
    inspection = timedelta(days=10)
    if scene.chance(scene.habits.confirms):
        wait = scene.by(inspection, never=0.0)
        scene.later(wait or timedelta(0), partial(_confirm, scene, deal))
        if scene.chance(0.15):
            near = timedelta(milliseconds=scene.rng.choice((0, 40, 4_000)))
            scene.later((wait or timedelta(0)) + near, partial(complain, scene, deal))
    if scene.chance(scene.habits.disputes):
        scene.later(scene.by(inspection, never=0.0, race=0.2) or timedelta(0), partial(complain, scene, deal))


def released(scene: Scene, event: FundsReleased) -> None:
    deal = scene.deals[event.order_id]
    if scene.chance(scene.habits.disputes_after):
        days = scene.rng.choice((0.001, 0.03, 0.2, 4, 14, 20)) * scene.rng.random()
        scene.later(timedelta(days=days), partial(complain, scene, deal))


def refund_started(scene: Scene, event: RefundStarted) -> None:
    """A buyer confirms what is being refunded."""
    deal = scene.deals[event.order_id]
    if len(event.lines) < len(deal.lines) and scene.chance(0.3):
        lines = tuple(line.line_no for line in event.lines)
        late = ConfirmReceipt(actor=buyer_of(deal), order_id=deal.order_id, lines=lines)
        scene.later(scene.soon() * 0.1, partial(scene.ask, late))


def confirmed(scene: Scene, event: ReceiptConfirmed) -> None:
    if event.lines and scene.chance(0.6):
        scene.later(scene.soon(), partial(_confirm, scene, scene.deals[event.order_id]))


def cancelled(scene: Scene, event: OrderCancelled) -> None:
    if scene.chance(0.1):
        scene.later(timedelta(0), partial(_ship, scene, scene.deals[event.order_id]))


def case_opened(scene: Scene, event: DisputeOpened) -> None:
    deal = scene.deals[event.order_id]
    withdrawn = WithdrawDispute(actor=buyer_of(deal), dispute_id=event.dispute_id)
    if scene.chance(scene.habits.withdraws):
        wait = scene.by(timedelta(days=30), never=0.0, race=0.05) or timedelta(0)
        scene.later(wait * scene.rng.choice((0, 0.01, 1)), partial(scene.ask, withdrawn))
    if scene.chance(0.1):
        scene.later(scene.soon(), partial(complain, scene, deal))
    if scene.chance(0.12):
        near = timedelta(seconds=scene.rng.choice((0, 1, 3_000)))
        scene.later(near, partial(_confirm, scene, deal))


def case_ruled(scene: Scene, event: DisputeResolved) -> None:
    verdicts = {ruling.verdict for ruling in event.rulings}
    deal, number = scene.deals[event.order_id], scene.rng.randint(1000, 9999)
    names = {"dispute_id": event.dispute_id, "carrier": scene.rng.choice(CARRIERS)}
    if Verdict.RETURN in verdicts:
        sent = ShipReturn(actor=buyer_of(deal), tracking_number=f"RET-{number}", **names)
        _in_time(scene, timedelta(days=10) - timedelta(hours=1), sent)
    if Verdict.REPLACE in verdicts:
        again = ShipReplacement(actor=seller_of(deal), tracking_number=f"REP-{number}", **names)
        _in_time(scene, timedelta(days=10) - timedelta(hours=1), again)
    if scene.chance(0.2):
        scene.later(scene.soon(), partial(_confirm, scene, deal))
    if scene.chance(0.1):
        scene.later(scene.soon(), partial(complain, scene, deal))


def return_shipped(scene: Scene, event: ReturnShipped) -> None:
    arrived = ConfirmReturn(actor=seller_of(scene.deals[event.order_id]), dispute_id=event.dispute_id)
    _in_time(scene, timedelta(days=20) - timedelta(hours=1), arrived, never=0.4)


def stopped(scene: Scene, event: OrderStopped) -> None:
    rng = scene.rng
    for attempt in range(rng.choice((1, 2, 3))):
        wait = scene.by(timedelta(days=10), never=0.05)
        if wait is not None:
            appeal_id = f"appeal-{event.order_id}-{attempt}"
            scene.later(wait, partial(_appeal, scene, event.person_id, event.order_id, appeal_id))
    if scene.chance(0.15) and event.order_id in scene.deals:
        scene.later(scene.soon(), partial(complain, scene, scene.deals[event.order_id]))


def _appeal(scene: Scene, person: str, order_id: str, appeal_id: str) -> None:
    """Mostly complete; sometimes a document is missing, too old, from the future or shown twice."""
    rng, today = scene.rng, scene.world.now.date()
    age = rng.choice((10, 10, 30, 30, 60, 60, 200, -5))
    kinds = [DocumentKind.CARD_PICTURE, rng.choice((DocumentKind.ID_CARD, DocumentKind.PASSPORT))]
    kinds += [DocumentKind.CARD_STATEMENT] if scene.chance(0.9) else []
    same = scene.chance(0.05)
    documents = tuple(
        Document(
            kind=kind,
            sha256=sha256(b"same" if same else f"{appeal_id}{kind}".encode()).hexdigest(),
            issued_on=today - timedelta(days=age),
        )
        for kind in kinds
    )
    actor = Actor(id=person, role=Role.BUYER)
    scene.ask(SubmitAppeal(actor=actor, appeal_id=appeal_id, person_id=person, order_id=order_id, documents=documents))


def _in_time(scene: Scene, deadline: timedelta, command: Any, never: float = 0.2) -> None:
    wait = scene.by(deadline, never=never)
    if wait is not None:
        scene.later(wait, partial(scene.ask, command))


def _pay(scene: Scene, deal: Deal) -> None:
    deal.payments += 1
    method = scene.rng.choice(QUICK if deal.stubborn or scene.chance(0.8) else SLOW)
    scene.ask(PayOrder(actor=buyer_of(deal), order_id=deal.order_id, method=method))


def _cancel(scene: Scene, deal: Deal) -> None:
    reasons = (CancelReason.CHANGED_MIND, CancelReason.SELLER_ASKED, CancelReason.OUT_OF_STOCK)
    actor = scene.rng.choice((buyer_of(deal), buyer_of(deal), seller_of(deal), SUPPORT))
    scene.ask(CancelOrder(actor=actor, order_id=deal.order_id, reason=scene.rng.choice(reasons)))


def _ship(scene: Scene, deal: Deal) -> None:
    carrier, number = scene.rng.choice(CARRIERS), f"PAR-{deal.order_id}"
    scene.ask(ShipOrder(actor=seller_of(deal), order_id=deal.order_id, carrier=carrier, tracking_number=number))


def _confirm(scene: Scene, deal: Deal) -> None:
    some = scene.some((*deal.line_numbers, 77)[: 99 if scene.chance(0.1) else -1]) if scene.chance(0.4) else ()
    scene.ask(ConfirmReceipt(actor=buyer_of(deal), order_id=deal.order_id, lines=some))


def complain(scene: Scene, deal: Deal) -> None:
    """The buyer opens a case about some lines or all."""
    if not deal.lines:
        return
    dispute_id = f"case-{deal.order_id}-{len(deal.cases) + 1}"
    deal.cases.append(dispute_id)
    scene.ask(
        OpenDispute(
            actor=buyer_of(deal),
            dispute_id=dispute_id,
            order_id=deal.order_id,
            lines=scene.some(deal.line_numbers) if scene.chance(0.5) else deal.line_numbers,
            reason=scene.rng.choice(tuple(DisputeReason)),
        )
    )


REACTIONS: Mapping[type[Message], Callable[[Scene, Any], None]] = {
    DepositRequired: deposit_due,
    DepositSuspended: deposit_due,
    DepositPaymentDeclined: deposit_due,
    OrderPlaced: placed,
    OrderPaymentDeclined: payment_declined,
    OrderPaid: paid,
    FundsSecured: may_ship,
    OrderShipped: shipped,
    OrderDelivered: delivered,
    FundsReleased: released,
    RefundStarted: refund_started,
    ReceiptConfirmed: confirmed,
    OrderCancelled: cancelled,
    DisputeOpened: case_opened,
    DisputeResolved: case_ruled,
    ReturnShipped: return_shipped,
    OrderStopped: stopped,
}
