"""The words in which escrow is tested: `given(paid(), cleared()).when(days(11)).then(REFUNDING, sends(RefundPayment))`.

The past is told in messages and in time that passes. After every step the postings go into a book, and everything that
must always be true is checked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from contracts.deposits import ClaimDeposit, DepositClaimed
from contracts.disputes import (
    DisputeOpened,
    DisputeReason,
    DisputeResolved,
    DisputeWithdrawn,
    LineRuling,
    ReplacementShipped,
    ReturnReceived,
    ReturnShipped,
    Verdict,
)
from contracts.escrow import OperationResult, RecordOperationResult, RetryOperation
from contracts.identity import AppealRejected, AppealVerified, OrderCleared, OrderStopped, RiskSignal
from contracts.message import Actor, Command, Message, Role
from contracts.money import Money
from contracts.orders import (
    CancelReason,
    Fault,
    HeldLine,
    LatePaymentReceived,
    OrderCancelled,
    OrderDelivered,
    OrderPaid,
    OrderShipped,
    OrderUndelivered,
    PaymentMethod,
    ReceiptConfirmed,
    Undelivered,
)
from contracts.payments import (
    ChargebackReceived,
    ChargebackReversed,
    OperationNotFound,
    PayOut,
    PayoutFailed,
    PayoutSucceeded,
    RefundFailed,
    RefundPayment,
    RefundSucceeded,
)
from escrow.invariants import held, invariants
from escrow.service import DEADLINE, REMINDER, SERVICE, earliest
from escrow.state import RESTING, Escrow, State, Tranche
from ledger.book import Book
from ledger.postings import Account, Hold, Kind, Transfer
from runtime.decision import Ref
from tests.folding import Folding

T0 = datetime(2026, 1, 5, 9, tzinfo=UTC)
ID = "o-1"
TRACKING = "TRACK-1"
OPERATOR = Actor(id="op-1", role=Role.OPERATOR)

Step = Message | timedelta | Callable[["Story"], Message]
M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Bought:
    """An order as it was paid."""

    lines: tuple[HeldLine, ...]
    seller_country: str = "CN"
    buyer_country: str = "FR"

    @property
    def presented(self) -> Money:
        amount = sum(each.presented.amount for each in self.lines)
        return Money(amount=amount, currency=self.lines[0].presented.currency)


def line(
    line_no: int = 1, price: int = 10_000, presented: int | None = None, *, of: str = "EUR", paid_in: str | None = None,
    category: str = "books",
) -> HeldLine:  # fmt: skip
    """A line of `price` minor units; `presented` and `paid_in` where the buyer's currency is another."""
    return HeldLine(
        line_no=line_no,
        category=category,
        price=Money(amount=price, currency=of),
        presented=Money(amount=price if presented is None else presented, currency=paid_in or of),
    )


def order(*lines: HeldLine, **countries: str) -> Bought:
    """An order of these lines; without any, of one book for 100 euros, on which the fee is 5 euros."""
    return Bought(lines or (line(),), **countries)


ONE = order()
TWO = order(line(1, 10_000), line(2, 3_000))


class Story:
    """One order in a folded escrow service and a book."""

    def __init__(self) -> None:
        self.folding = Folding(SERVICE, T0)
        self.book = Book()
        self.happened: list[Message] = []
        self.moved: list[Any] = []
        self.told: Message | None = None
        self.refused: str | None = None

    @property
    def state(self) -> Escrow:
        found = self.folding.state("escrow", ID)
        assert isinstance(found, Escrow), "nothing is known of the order"
        return found

    def tranche(self, line_no: int = 1) -> Tranche:
        return next(each for each in self.state.tranches if each.line_no == line_no)

    def balance(self, kind: Kind, owner: str, currency: str = "EUR") -> int:
        return self.book.balance(Account(kind, owner, currency))

    def newest(self, kind: type[M]) -> M:
        """The newest command of this kind that escrow sent."""
        return next(each for each in reversed(self.folding.sent) if isinstance(each, kind))

    def when(self, *steps: Step) -> "Story":
        """Lets this happen; what it brings about is then asked for."""
        self.happened, self.moved, self.refused = [], [], None
        for step in steps:
            self._take(step)
        return self

    def then(self, *expected: "State | dict[int, State] | Expectation") -> "Story":
        """What became of it: the state of every line, or of each by its number, and expectations."""
        for each in expected:
            if isinstance(each, State):
                assert {tranche.state for tranche in self.state.tranches} == {each}, self.folding.note
            elif isinstance(each, dict):
                assert {tranche.line_no: tranche.state for tranche in self.state.tranches} == each, self.folding.note
            else:
                each(self)
        return self

    def _take(self, step: Step) -> None:
        if isinstance(step, timedelta):
            before = len(self.folding.postings)
            self.happened += self.folding.wait(step)
            self._settle(before)
            return
        before = len(self.folding.postings)
        self.told = step if isinstance(step, Message) else step(self)
        self.happened += self.folding.tell(self.told)
        self.refused = self.folding.refused.code if self.folding.refused else None
        self._settle(before)

    def _settle(self, before: int) -> None:
        new = self.folding.postings[before:]
        self.book.apply_all([("cause", posting) for posting in new])
        self.moved += new
        check(self)


Expectation = Callable[[Story], None]


def given(*past: Step) -> Story:
    """The order after this has happened to it."""
    return Story().when(*past)


def check(story: Story) -> None:
    """Everything that is true after every step."""
    found = story.folding.state("escrow", ID)
    assert story.book.check() == []
    if found is None:
        return
    assert invariants(found) == []
    for tranche in found.tranches:
        balance = story.balance(Kind.HOLD, f"{ID}/{tranche.line_no}", found.presentment)
        assert balance == held(tranche), f"hold of line {tranche.line_no} in {tranche.state}"
        assert tranche.state not in RESTING or balance == 0
    timers = tuple(story.folding.timers.get((Ref("escrow", ID), name)) for name in (DEADLINE, REMINDER))
    assert timers == earliest(found)


# What is expected


def sends(*commands: type[Command]) -> Expectation:
    """Exactly these commands, in this order."""

    def expect(story: Story) -> None:
        sent = [each for each in story.happened if isinstance(each, Command)]
        assert [type(each) for each in sent] == list(commands), f"sent: {sent}"

    return expect


def publishes(*messages: type[Message]) -> Expectation:
    """Exactly these events and commands, in this order."""

    def expect(story: Story) -> None:
        assert [type(each) for each in story.happened] == list(messages), f"published: {story.happened}"

    return expect


def says(message: type[M], **fields: Any) -> Expectation:
    """One message of this type, with these fields."""

    def expect(story: Story) -> None:
        (found,) = [each for each in story.happened if isinstance(each, message)]
        assert {name: getattr(found, name) for name in fields} == fields, f"said: {found}"

    return expect


def moves(debit: Kind, credit: Kind, amount: int) -> Expectation:
    """So much, in transfers from accounts of the one kind to accounts of the other."""

    def expect(story: Story) -> None:
        moved = [
            each.amount
            for each in story.moved
            if isinstance(each, Transfer) and (each.debit.kind, each.credit.kind) == (debit, credit)
        ]
        assert sum(moved) == amount, f"{debit} → {credit}: {moved}"

    return expect


def reserves(amount: int) -> Expectation:
    """A pending payout of so much."""

    def expect(story: Story) -> None:
        assert [each.amount for each in story.moved if isinstance(each, Hold)] == [amount]

    return expect


def refuses(code: str) -> Expectation:
    """The last message was refused with this code."""

    def expect(story: Story) -> None:
        assert story.refused == code, f"refused: {story.refused}; {story.folding.note}"

    return expect


def waits(span: timedelta, *, line_no: int = 1) -> Expectation:
    """The line's deadline is this far away."""

    def expect(story: Story) -> None:
        deadline = story.tranche(line_no).deadline_at
        assert deadline is not None and deadline - story.folding.now == span, f"{deadline} at {story.folding.now}"

    return expect


def nothing(story: Story) -> None:
    """Nothing was published and no money moved."""
    assert (story.happened, story.moved) == ([], []), f"happened: {story.happened} {story.moved}"


def moves_nothing(story: Story) -> None:
    """No money moved."""
    assert story.moved == [], f"moved: {story.moved}"


def asks_operator(*codes: str) -> Expectation:
    """The order stands in the operators' queue for these reasons, and for no others."""

    def expect(story: Story) -> None:
        assert [each.code for each in story.state.concerns if each.open] == list(codes), story.state.concerns

    return expect


# What happens


def days(n: float) -> timedelta:
    return timedelta(days=n)


def hours(n: float) -> timedelta:
    return timedelta(hours=n)


def _payment(bought: Bought, at: datetime) -> dict[str, Any]:
    return {
        "order_id": ID,
        "buyer_id": "b-1",
        "seller_id": "s-1",
        "buyer_country": bought.buyer_country,
        "seller_country": bought.seller_country,
        "method": PaymentMethod.CREDIT_CARD,
        "lines": bought.lines,
        "paid_at": at,
    }


def paid(bought: Bought = ONE, at: datetime = T0) -> OrderPaid:
    return OrderPaid(**_payment(bought, at))


def paid_late(bought: Bought = ONE, at: datetime = T0) -> LatePaymentReceived:
    return LatePaymentReceived(**_payment(bought, at))


def cleared() -> OrderCleared:
    return OrderCleared(order_id=ID, person_id="b-1")


def stopped() -> OrderStopped:
    return OrderStopped(order_id=ID, person_id="b-1", signals=(RiskSignal(rule="large_order", policy="2025_01"),))


def verified() -> AppealVerified:
    return AppealVerified(appeal_id="a-1", person_id="b-1", order_id=ID)


def rejected() -> AppealRejected:
    return AppealRejected(appeal_id="a-1", person_id="b-1", order_id=ID, reason="falsified")


def shipped(carrier: str = "dhl") -> OrderShipped:
    return OrderShipped(order_id=ID, seller_id="s-1", carrier=carrier, tracking_number=TRACKING, shipped_at=T0)


def delivered(tracking_number: str = TRACKING) -> OrderDelivered:
    return OrderDelivered(order_id=ID, tracking_number=tracking_number, delivered_at=T0)


def brought_back(tracking_number: str = TRACKING) -> OrderUndelivered:
    return OrderUndelivered(order_id=ID, tracking_number=tracking_number, why=Undelivered.RETURNED, at=T0)


def lost(tracking_number: str = TRACKING) -> OrderUndelivered:
    return OrderUndelivered(order_id=ID, tracking_number=tracking_number, why=Undelivered.LOST, at=T0)


def confirmed(*lines: int, at: datetime = T0) -> ReceiptConfirmed:
    return ReceiptConfirmed(order_id=ID, lines=lines, confirmed_at=at)


def cancelled(fault: Fault = Fault.BUYER, *, was_paid: bool = True) -> OrderCancelled:
    return OrderCancelled(
        order_id=ID, cancelled_by=Role.BUYER, reason=CancelReason.CHANGED_MIND, fault=fault, paid=was_paid
    )


def disputed(*lines: int, case: str = "d-1") -> DisputeOpened:
    return DisputeOpened(
        dispute_id=case, order_id=ID, buyer_id="b-1", seller_id="s-1", lines=lines or (1,), reason=DisputeReason.DAMAGED
    )


def withdrawn(*lines: int, case: str = "d-1") -> DisputeWithdrawn:
    return DisputeWithdrawn(dispute_id=case, order_id=ID, lines=lines or (1,))


def ruled(rulings: dict[int, Verdict | int], case: str = "d-1") -> DisputeResolved:
    """By line: a verdict, or for a split the buyer's basis points."""
    return DisputeResolved(
        dispute_id=case,
        order_id=ID,
        rulings=tuple(
            LineRuling(line_no=line_no, verdict=ruling)
            if isinstance(ruling, Verdict)
            else LineRuling(line_no=line_no, verdict=Verdict.SPLIT, buyer_basis_points=ruling)
            for line_no, ruling in rulings.items()
        ),
    )


def return_shipped(*lines: int, case: str = "d-1") -> ReturnShipped:
    return ReturnShipped(dispute_id=case, order_id=ID, lines=lines or (1,))


def return_received(*lines: int, case: str = "d-1") -> ReturnReceived:
    return ReturnReceived(dispute_id=case, order_id=ID, lines=lines or (1,))


def replacement_shipped(*lines: int, case: str = "d-1", tracking_number: str = "TRACK-2") -> ReplacementShipped:
    return ReplacementShipped(dispute_id=case, order_id=ID, lines=lines or (1,), tracking_number=tracking_number)


def charged_back(amount: int = 10_000, currency: str = "EUR", id: str = "cb-1") -> ChargebackReceived:
    return ChargebackReceived(
        chargeback_id=id, reference=ID, amount=Money(amount=amount, currency=currency), reason="fraud"
    )


def given_back(amount: int = 10_000, currency: str = "EUR", id: str = "cb-1") -> ChargebackReversed:
    return ChargebackReversed(chargeback_id=id, reference=ID, amount=Money(amount=amount, currency=currency))


def payout_succeeds(story: Story) -> Message:
    asked = story.newest(PayOut)
    return PayoutSucceeded(operation_id=asked.operation_id, reference=ID, amount=asked.amount)


def payout_fails(story: Story) -> Message:
    return PayoutFailed(operation_id=story.newest(PayOut).operation_id, reference=ID, reason="account_closed")


def refund_succeeds(story: Story) -> Message:
    asked = story.newest(RefundPayment)
    return RefundSucceeded(operation_id=asked.operation_id, reference=ID, amount=asked.amount)


def refund_fails(story: Story) -> Message:
    return RefundFailed(operation_id=story.newest(RefundPayment).operation_id, reference=ID, reason="card_expired")


def never_arrived(story: Story) -> Message:
    asked = next(each for each in reversed(story.folding.sent) if isinstance(each, PayOut | RefundPayment))
    return OperationNotFound(operation_id=asked.operation_id, reference=ID)


def deposit_pays(amount: int, currency: str | None = None) -> Callable[[Story], Message]:
    def answer(story: Story) -> Message:
        asked = story.newest(ClaimDeposit)
        paid_amount = Money(amount=amount, currency=currency or asked.amount.currency)
        return DepositClaimed(
            seller_id="s-1", claim_id=asked.claim_id, order_id=ID, asked=asked.amount, paid=paid_amount
        )

    return answer


def operation(story: Story) -> str:
    return story.state.operations[-1].id


def retried(operation_id: str | None = None, actor: Actor = OPERATOR) -> Callable[[Story], Message]:
    def command(story: Story) -> Message:
        return RetryOperation(actor=actor, order_id=ID, operation_id=operation_id or operation(story))

    return command


def recorded(
    result: OperationResult, operation_id: str | None = None, actor: Actor = OPERATOR
) -> Callable[[Story], Message]:
    def command(story: Story) -> Message:
        return RecordOperationResult(
            actor=actor, order_id=ID, operation_id=operation_id or operation(story), result=result
        )

    return command


SHIPPED_ORDER: Sequence[Step] = (paid(), cleared(), shipped())
DELIVERED: Sequence[Step] = (*SHIPPED_ORDER, delivered())
RELEASED_ORDER: Sequence[Step] = (*DELIVERED, confirmed(), payout_succeeds)
STUCK_PAYOUT: Sequence[Step] = (*DELIVERED, confirmed(), days(6))
PAYOUT_BOUNCED: Sequence[Step] = (*DELIVERED, confirmed(), payout_fails)

PAST: dict[State, Sequence[Step]] = {
    State.SCREENING: (paid(),),
    State.UNDER_REVIEW: (paid(), stopped()),
    State.FUNDED: (paid(), cleared()),
    State.SHIPPED: SHIPPED_ORDER,
    State.INSPECTION: DELIVERED,
    State.DISPUTED: (*DELIVERED, disputed()),
    State.RETURNING: (*DELIVERED, disputed(), ruled({1: Verdict.RETURN})),
    State.REPLACING: (*DELIVERED, disputed(), ruled({1: Verdict.REPLACE})),
    State.RELEASING: (*DELIVERED, confirmed()),
    State.REFUNDING: (paid(), cancelled()),
    State.SETTLING: (*DELIVERED, disputed(), ruled({1: 3_000})),
    State.AFTER_RELEASE: (*RELEASED_ORDER, disputed()),
    State.RECOVERING: (*RELEASED_ORDER, disputed(), ruled({1: Verdict.REFUND})),
    State.CHARGEBACK: (*DELIVERED, charged_back()),
    State.WITH_OPERATOR: STUCK_PAYOUT,
    State.RELEASED: RELEASED_ORDER,
    State.REFUNDED: (paid(), cancelled(), refund_succeeds),
    State.SETTLED: (*DELIVERED, disputed(), ruled({1: 3_000}), payout_succeeds, refund_succeeds),
    State.CHARGED_BACK: (*DELIVERED, charged_back(), days(76)),
}
"""One way into every state but START."""
