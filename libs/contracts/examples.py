"""One example of every message, told as one story (and a few that its main line passes by).

Kaito's workshop in Japan sells a rice cooker and two tea cups to a buyer in Germany, who pays in euros. The order is
stopped by screening, released by an appeal, shipped and delivered. The cooker is paid out; a cup is broken, disputed,
and its price is split. Amounts are in minor units: yen have none, so 12800 is ¥12,800, and 7808 is €78.08.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime

from contracts import carrier, deposits, disputes, escrow, identity, orders, payments
from contracts.message import Actor, Message, Role
from contracts.money import Money

ORDER = "ord-0198c5a1"
SECOND_ORDER = "ord-0198c5b7"
BUYER = "per-4f21"
SELLER = "sel-77c0"
DISPUTE = "dis-0198d0e2"
APPEAL = "app-0198c5a4"
CHARGEBACK = "cb-31b9"

_BUYER = Actor(id=BUYER, role=Role.BUYER)
_SELLER = Actor(id=SELLER, role=Role.SELLER)
_MEDIATOR = Actor(id="med-3", role=Role.MEDIATOR)
_REVIEWER = Actor(id="rev-12", role=Role.REVIEWER)
_OPERATOR = Actor(id="opr-5", role=Role.OPERATOR)
_ESCROW = Actor(id="escrow", role=Role.SERVICE)
_ORDERS = Actor(id="orders", role=Role.SERVICE)


def _at(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def _jpy(amount: int) -> Money:
    return Money(amount=amount, currency="JPY")


def _eur(amount: int) -> Money:
    return Money(amount=amount, currency="EUR")


_PLACED = (
    orders.OrderLine(line_no=1, sku="cooker-rk5", category="appliances", quantity=1, unit_price=_jpy(12800)),
    orders.OrderLine(line_no=2, sku="cup-blue-2", category="tableware", quantity=2, unit_price=_jpy(3400)),
)
_HELD = (
    orders.HeldLine(line_no=1, category="appliances", price=_jpy(12800), presented=_eur(7808)),
    orders.HeldLine(line_no=2, category="tableware", price=_jpy(6800), presented=_eur(4148)),
)
_QUOTE = orders.Quote(
    quote_id="fx-20260302-9", presentment="EUR", settlement="JPY", rate="0.0061", expires_at=_at(3, 2, 9, 15)
)
_PARTIES = {"buyer_id": BUYER, "seller_id": SELLER, "buyer_country": "DE", "seller_country": "JP"}

_ORDERS_STORY: tuple[Message, ...] = (
    orders.RequestQuote(actor=_BUYER, quote_id=_QUOTE.quote_id, buyer_id=BUYER, presentment="EUR", settlement="JPY"),
    orders.QuoteIssued(buyer_id=BUYER, **_QUOTE.model_dump()),
    orders.PlaceOrder(actor=_BUYER, order_id=ORDER, **_PARTIES, lines=_PLACED, quote=_QUOTE, quote_id=_QUOTE.quote_id),
    orders.OrderPlaced(order_id=ORDER, **_PARTIES, lines=_HELD, pay_by=_at(3, 22, 9)),
    orders.PayOrder(actor=_BUYER, order_id=ORDER, method=orders.PaymentMethod.CREDIT_CARD),
    orders.OrderPaymentDeclined(order_id=ORDER, method=orders.PaymentMethod.DEBIT_CARD, reason="insufficient_funds"),
    orders.PaymentReminderDue(order_id=SECOND_ORDER, buyer_id=BUYER, pay_by=_at(3, 22, 9)),
    orders.PaymentNotTaken(
        order_id=ORDER,
        buyer_id=BUYER,
        operation_id="pay-ord-0198c5a1-1",
        received=_eur(11900),
        due=_eur(11956),
        why=orders.NotTaken.TOO_LITTLE,
    ),
    orders.PaymentReturned(order_id=ORDER, buyer_id=BUYER, operation_id="pay-ord-0198c5a1-1", amount=_eur(11900)),
    orders.PaymentReturnStopped(
        order_id=ORDER, operation_id="pay-ord-0198c5a1-1", amount=_eur(11900), reason="account_closed"
    ),
    orders.ReturnPayment(actor=_OPERATOR, order_id=ORDER, operation_id="pay-ord-0198c5a1-1"),
    orders.OrderPaid(
        order_id=ORDER, **_PARTIES, method=orders.PaymentMethod.CREDIT_CARD, lines=_HELD, paid_at=_at(3, 2, 9, 4)
    ),
    orders.ShipOrder(
        actor=_SELLER, order_id=ORDER, expected_version=4, carrier="yamato", tracking_number="YT-4411-2207-JP"
    ),
    orders.OrderShipped(
        order_id=ORDER,
        seller_id=SELLER,
        carrier="yamato",
        tracking_number="YT-4411-2207-JP",
        shipped_at=_at(3, 5, 1, 30),
    ),
    orders.OrderDelivered(order_id=ORDER, tracking_number="YT-4411-2207-JP", delivered_at=_at(3, 14, 10, 12)),
    orders.OrderUndelivered(
        order_id=SECOND_ORDER,
        tracking_number="YT-4411-9020-JP",
        why=orders.Undelivered.LOST,
        at=_at(3, 29, 6, 30),
    ),
    orders.ConfirmReceipt(actor=_BUYER, order_id=ORDER, lines=(1,)),
    orders.ReceiptConfirmed(order_id=ORDER, lines=(1,), confirmed_at=_at(3, 15, 18, 40)),
    orders.CancelOrder(actor=_BUYER, order_id=SECOND_ORDER, reason=orders.CancelReason.CHANGED_MIND),
    orders.OrderCancelled(
        order_id=SECOND_ORDER,
        cancelled_by=Role.BUYER,
        reason=orders.CancelReason.CHANGED_MIND,
        fault=orders.Fault.BUYER,
        paid=False,
    ),
    orders.LatePaymentReceived(
        order_id=SECOND_ORDER,
        **_PARTIES,
        method=orders.PaymentMethod.BANK_TRANSFER,
        lines=(orders.HeldLine(line_no=1, category="tableware", price=_jpy(3400), presented=_eur(2074)),),
        paid_at=_at(3, 9, 8),
    ),
    orders.CommandRefused(
        subject=ORDER,
        command_id="0198c5a2-7e10-7b3a-9d55-0c1f7a2b9e01",
        command_type=orders.ShipOrder.CE_TYPE,
        code="funds_not_secured",
        reason="the buyer's money is not secured yet; ship after escrow.funds_secured",
    ),
)

_ESCROW_STORY: tuple[Message, ...] = (
    escrow.FundsHeld(order_id=ORDER, buyer_id=BUYER, seller_id=SELLER, lines=_HELD),
    escrow.OrderUnderReview(order_id=ORDER, until=_at(4, 1, 9, 4)),
    escrow.FundsSecured(order_id=ORDER, seller_id=SELLER, ship_by=_at(3, 13, 7, 20)),
    escrow.ShipmentReminderDue(order_id=ORDER, seller_id=SELLER, ship_by=_at(3, 13, 7, 20)),
    escrow.ReceiptReminderDue(order_id=ORDER, buyer_id=BUYER, confirm_by=_at(3, 24, 10, 12)),
    escrow.FundsReleased(
        order_id=ORDER,
        seller_id=SELLER,
        lines=(escrow.ReleasedLine(line_no=1, net=_jpy(12032), fee=_jpy(768)),),
        why=escrow.Why.CONFIRMED,
    ),
    escrow.RefundStarted(
        order_id=ORDER,
        buyer_id=BUYER,
        lines=(escrow.RefundedLine(line_no=2, amount=_eur(1659)),),
        why=escrow.Why.RULING,
        fault=orders.Fault.SELLER,
    ),
    escrow.LinesRested(order_id=ORDER, lines=(2,), outcome=escrow.Outcome.SETTLED, order_at_rest=True),
    escrow.DisputeNotAdmitted(order_id=ORDER, dispute_id="dis-0198f771", lines=(1,), code="window_over"),
    escrow.DisputeLapsed(order_id=SECOND_ORDER, dispute_id="dis-0198e9aa", lines=(1,)),
    escrow.OperatorNeeded(order_id=ORDER, lines=(1,), operation_id="payout-ord-0198c5a1-1-3", code="retries_exhausted"),
    escrow.ChargebackRecorded(order_id=ORDER, chargeback_id=CHARGEBACK, lines=(1,), amount=_eur(7808)),
    escrow.RetryOperation(actor=_OPERATOR, order_id=ORDER, operation_id="payout-ord-0198c5a1-1-3"),
    escrow.RecordOperationResult(
        actor=_OPERATOR,
        order_id=ORDER,
        operation_id="payout-ord-0198c5a1-1-3",
        result=escrow.OperationResult.SUCCEEDED,
    ),
    escrow.CommandRefused(
        subject=ORDER,
        command_id="0198f2c0-11aa-7c41-8e6f-5b0d9a7c3e22",
        command_type=escrow.RetryOperation.CE_TYPE,
        code="operation_not_stopped",
        reason="this operation is still under way; retry one that stands in the operators' queue",
    ),
)

_DEPOSITS_STORY: tuple[Message, ...] = (
    deposits.OpenDeposit(actor=_SELLER, seller_id=SELLER, category="tableware", country="JP"),
    deposits.DepositRequired(seller_id=SELLER, amount=_jpy(100000), policy="2026_1"),
    deposits.PayDeposit(actor=_SELLER, seller_id=SELLER, method=orders.PaymentMethod.BANK_TRANSFER),
    deposits.DepositPaymentDeclined(seller_id=SELLER, reason="account_closed"),
    deposits.DepositActivated(seller_id=SELLER, balance=_jpy(100000)),
    deposits.ClaimDeposit(
        actor=_ESCROW, seller_id=SELLER, claim_id="claim-0198f9d4", order_id=ORDER, amount=_jpy(12800)
    ),
    deposits.DepositClaimed(
        seller_id=SELLER, claim_id="claim-0198f9d4", order_id=ORDER, asked=_jpy(12800), paid=_jpy(12800)
    ),
    deposits.DepositSuspended(seller_id=SELLER, reason=deposits.SuspendReason.SHORTFALL, missing=_jpy(12800)),
    deposits.SuspendDeposit(actor=_OPERATOR, seller_id=SELLER, reason="counterfeit_reports"),
    deposits.ReinstateDeposit(actor=_OPERATOR, seller_id=SELLER),
    deposits.CommandRefused(
        subject=SELLER,
        command_id="0198fa01-4d7c-7a90-b1c3-2f6e8d5a0b14",
        command_type=deposits.ReinstateDeposit.CE_TYPE,
        code="money_missing",
        reason="12800 JPY of the deposit are missing; the seller pays them first",
    ),
)

_RULINGS = (disputes.LineRuling(line_no=2, verdict=disputes.Verdict.SPLIT, buyer_basis_points=4000),)

_DISPUTES_STORY: tuple[Message, ...] = (
    disputes.OpenDispute(
        actor=_BUYER, dispute_id=DISPUTE, order_id=ORDER, lines=(2,), reason=disputes.DisputeReason.DAMAGED
    ),
    disputes.DisputeOpened(
        dispute_id=DISPUTE,
        order_id=ORDER,
        buyer_id=BUYER,
        seller_id=SELLER,
        lines=(2,),
        reason=disputes.DisputeReason.DAMAGED,
    ),
    disputes.RuleDispute(actor=_MEDIATOR, dispute_id=DISPUTE, rulings=_RULINGS),
    disputes.DisputeResolved(dispute_id=DISPUTE, order_id=ORDER, rulings=_RULINGS),
    disputes.WithdrawDispute(actor=_BUYER, dispute_id="dis-0198e1b3"),
    disputes.DisputeWithdrawn(dispute_id="dis-0198e1b3", order_id=SECOND_ORDER, lines=(1,)),
    disputes.ShipReturn(actor=_BUYER, dispute_id="dis-0198e2c4", carrier="dhl", tracking_number="00340434161094"),
    disputes.ReturnShipped(dispute_id="dis-0198e2c4", order_id=SECOND_ORDER, lines=(1,)),
    disputes.ConfirmReturn(actor=_SELLER, dispute_id="dis-0198e2c4"),
    disputes.ReturnReceived(dispute_id="dis-0198e2c4", order_id=SECOND_ORDER, lines=(1,)),
    disputes.ShipReplacement(
        actor=_SELLER, dispute_id="dis-0198e5f6", carrier="yamato", tracking_number="YT-4498-0013-JP"
    ),
    disputes.ReplacementShipped(
        dispute_id="dis-0198e5f6", order_id=SECOND_ORDER, lines=(1,), tracking_number="YT-4498-0013-JP"
    ),
    disputes.CommandRefused(
        subject=DISPUTE,
        command_id="0198d0e9-90b2-7d18-a4f7-6c3e1b8d2a55",
        command_type=disputes.WithdrawDispute.CE_TYPE,
        code="already_resolved",
        reason="a mediator has ruled this dispute; it cannot be withdrawn any more",
    ),
)

_IDENTITY_STORY: tuple[Message, ...] = (
    identity.OpenAccount(actor=_BUYER, person_id=BUYER, country="DE"),
    identity.AccountOpened(person_id=BUYER, country="DE"),
    identity.ScreenOrder(actor=_ESCROW, person_id=BUYER, order_id=ORDER, total=_eur(11956)),
    identity.OrderStopped(
        order_id=ORDER, person_id=BUYER, signals=(identity.RiskSignal(rule="large_first_order", policy="2026_1"),)
    ),
    identity.SubmitAppeal(
        actor=_BUYER,
        appeal_id=APPEAL,
        person_id=BUYER,
        order_id=ORDER,
        documents=(
            identity.Document(
                kind=identity.DocumentKind.ID_CARD,
                sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                issued_on=date(2022, 6, 30),
            ),
            identity.Document(
                kind=identity.DocumentKind.CARD_STATEMENT,
                sha256="60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
                issued_on=date(2026, 2, 20),
            ),
        ),
    ),
    identity.AppealSubmitted(appeal_id=APPEAL, person_id=BUYER, order_id=ORDER),
    identity.VerifyAppeal(actor=_REVIEWER, appeal_id=APPEAL, person_id=BUYER),
    identity.AppealVerified(appeal_id=APPEAL, person_id=BUYER, order_id=ORDER),
    identity.OrderCleared(order_id=SECOND_ORDER, person_id=BUYER),
    identity.RejectAppeal(
        actor=_REVIEWER, appeal_id="app-0198c6d8", person_id="per-90aa", reason="document_unreadable"
    ),
    identity.AppealRejected(
        appeal_id="app-0198c6d8", person_id="per-90aa", order_id="ord-0198c6d1", reason="document_unreadable"
    ),
    identity.CommandRefused(
        subject=APPEAL,
        command_id="0198c5a5-03d4-7e62-97b8-4a1c0f9e6d33",
        command_type=identity.SubmitAppeal.CE_TYPE,
        code="document_too_old",
        reason="card_statement is older than 90 days; submit one of the last 90 days",
    ),
)

_COLLECT = "pay-ord-0198c5a1-2"
_REFUND = "refund-ord-0198c5a1-2-1"
_PAYOUT = "payout-ord-0198c5a1-1-1"

_PAYMENTS_STORY: tuple[Message, ...] = (
    payments.CollectPayment(
        actor=_ORDERS,
        operation_id=_COLLECT,
        reference=ORDER,
        purpose=payments.Purpose.ORDER,
        amount=_eur(11956),
        method=orders.PaymentMethod.CREDIT_CARD,
    ),
    payments.PaymentDeclined(
        operation_id="pay-ord-0198c5a1-1",
        reference=ORDER,
        purpose=payments.Purpose.ORDER,
        method=orders.PaymentMethod.DEBIT_CARD,
        reason="insufficient_funds",
    ),
    payments.PaymentSucceeded(
        operation_id=_COLLECT,
        reference=ORDER,
        purpose=payments.Purpose.ORDER,
        amount=_eur(11956),
        method=orders.PaymentMethod.CREDIT_CARD,
    ),
    payments.RefundPayment(actor=_ESCROW, operation_id=_REFUND, reference=ORDER, amount=_eur(1659)),
    payments.RefundFailed(operation_id=_REFUND, reference=ORDER, reason="card_expired"),
    payments.RefundSucceeded(operation_id="refund-ord-0198c5a1-2-2", reference=ORDER, amount=_eur(1659)),
    payments.PayOut(actor=_ESCROW, operation_id=_PAYOUT, reference=ORDER, seller_id=SELLER, amount=_jpy(12032)),
    payments.QueryOperation(actor=_ESCROW, operation_id=_PAYOUT, reference=ORDER),
    payments.OperationNotFound(operation_id=_PAYOUT, reference=ORDER),
    payments.PayoutFailed(operation_id="payout-ord-0198c5a1-1-2", reference=ORDER, reason="bank_unavailable"),
    payments.PayoutSucceeded(operation_id="payout-ord-0198c5a1-1-3", reference=ORDER, amount=_jpy(12032)),
    payments.ChargebackReceived(
        chargeback_id=CHARGEBACK, reference=ORDER, amount=_eur(7808), reason="not_as_described"
    ),
    payments.ChargebackReversed(chargeback_id=CHARGEBACK, reference=ORDER, amount=_eur(7808)),
    payments.CommandRefused(
        subject=SELLER,
        command_id="0198fa02-6b5d-7f07-8c29-7d4f2e1a9b60",
        command_type=payments.CollectPayment.CE_TYPE,
        code="unknown_method",
        reason="a deposit cannot be paid by this method; ask for another one",
    ),
)

_CARRIER_STORY: tuple[Message, ...] = (
    carrier.TrackParcel(actor=_ORDERS, reference=ORDER, carrier="yamato", tracking_number="YT-4411-2207-JP"),
    carrier.ParcelProgressed(
        reference=ORDER,
        tracking_number="YT-4411-2207-JP",
        stage=carrier.Stage.IN_TRANSIT,
        at=_at(3, 8, 22, 5),
        expected_at=_at(3, 15, 12),
    ),
    carrier.ParcelLost(reference=SECOND_ORDER, tracking_number="YT-4411-9020-JP", lost_at=_at(3, 29, 6, 30)),
    carrier.ParcelReturned(reference=SECOND_ORDER, tracking_number="YT-4411-9020-JP", returned_at=_at(4, 2, 9)),
    carrier.ParcelDelivered(reference=ORDER, tracking_number="YT-4411-2207-JP", delivered_at=_at(3, 14, 10, 12)),
    carrier.CommandRefused(
        subject=ORDER,
        command_id="0198c8f1-2a3b-7c4d-9e5f-60718293a4b5",
        command_type=carrier.TrackParcel.CE_TYPE,
        code="unknown_carrier",
        reason="parcels of this carrier cannot be followed; name another carrier",
    ),
)

EXAMPLES: Mapping[str, Message] = {
    message.CE_TYPE: message
    for message in (
        *_ORDERS_STORY,
        *_ESCROW_STORY,
        *_DEPOSITS_STORY,
        *_DISPUTES_STORY,
        *_IDENTITY_STORY,
        *_PAYMENTS_STORY,
        *_CARRIER_STORY,
    )
}
"""`ce_type` → an example of it, for every message there is."""
