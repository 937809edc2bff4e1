"""What escrow remembers of an order: its facts, and one tranche of money a line that walks the saga by itself."""

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from contracts.escrow import Why
from contracts.orders import Fault


class State(StrEnum):
    """Where a line's money stands. `MEANING` says each in a sentence."""

    START = "start"
    SCREENING = "screening"
    UNDER_REVIEW = "under_review"
    FUNDED = "funded"
    SHIPPED = "shipped"
    INSPECTION = "inspection"
    DISPUTED = "disputed"
    RETURNING = "returning"
    REPLACING = "replacing"
    RELEASING = "releasing"
    REFUNDING = "refunding"
    SETTLING = "settling"
    AFTER_RELEASE = "after_release"
    RECOVERING = "recovering"
    CHARGEBACK = "chargeback"
    WITH_OPERATOR = "with_operator"
    RELEASED = "released"
    REFUNDED = "refunded"
    SETTLED = "settled"
    CHARGED_BACK = "charged_back"


MEANING = {
    State.START: "No payment of this order is known.",
    State.SCREENING: "The payment is held; identity is asked whether the order may go on.",
    State.UNDER_REVIEW: "The payment is held; the buyer has to prove who they are.",
    State.FUNDED: "The payment is secured; the seller has to ship.",
    State.SHIPPED: "The parcel travels.",
    State.INSPECTION: "The parcel arrived; the buyer inspects it.",
    State.DISPUTED: "A case is open; the money stays held and the line's own clock is paused.",
    State.RETURNING: "Ruled: the buyer sends the goods back, then gets the money.",
    State.REPLACING: "Ruled: the seller sends a replacement; the money stays where it is.",
    State.RELEASING: "The money is the seller's; the payout is under way.",
    State.REFUNDING: "The money is the buyer's; the refund is under way.",
    State.SETTLING: "The money is shared; refund and payout are under way.",
    State.AFTER_RELEASE: "A case was opened after the seller had been given the money.",
    State.RECOVERING: "The buyer won after the seller was paid; the seller's deposit is asked to pay.",
    State.CHARGEBACK: "The buyer's bank took the money back; the line waits for the bank's last word.",
    State.WITH_OPERATOR: "The provider or the deposit fails to answer well; an operator decides.",
    State.RELEASED: "The seller has the money.",
    State.REFUNDED: "The buyer has the money.",
    State.SETTLED: "Buyer and seller have their shares.",
    State.CHARGED_BACK: "The buyer has the money, by their bank.",
}


RESTING = (State.RELEASED, State.REFUNDED, State.SETTLED, State.CHARGED_BACK)
_AT_REST = frozenset(RESTING)


class OperationKind(StrEnum):
    """What is asked of someone outside escrow: the payment provider, or for a claim the deposits service."""

    PAYOUT = "payout"
    REFUND = "refund"
    CLAIM = "claim"


class Standing(StrEnum):
    """What is known of an operation. `SENT` means not known yet: money may have moved or not. `BY_BANK`: it failed, and
    the buyer has the money from their bank instead."""

    SENT = "sent"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    BY_BANK = "by_bank"


PAID = (Standing.SUCCEEDED, Standing.BY_BANK)
"""The money of such an operation is where it was to go."""


class Operation(Struct, frozen=True, omit_defaults=True):
    """One movement asked for under one id, for the sum of some lines.

    Lines that wait for one operation entered it together and walk together until it is answered, so an answer never
    finds them in different states; but a line that waits for two may stand with an operator because of the other.
    `amount` is minor units: settlement currency for a payout, presentment otherwise.
    `repeats` counts how often it was sent again under its own id.
    """

    id: str
    kind: OperationKind
    lines: tuple[int, ...]
    amount: int
    standing: Standing = Standing.SENT
    repeats: int = 0


class Chargeback(Struct, frozen=True, omit_defaults=True):
    """A chargeback by its provider's id, `amount` in minor units. The two messages about it come in either order."""

    id: str
    amount: int
    received: bool = False
    reversed: bool = False


class Concern(Struct, frozen=True, omit_defaults=True):
    """Something in the operators' queue. `waits`: its lines stand in WITH_OPERATOR and leave it with an answer;
    otherwise it closes when an operator records a result for `operation_id`. Asked once a pair of id and code."""

    operation_id: str
    code: str
    lines: tuple[int, ...]
    since: datetime
    waits: bool = False
    open: bool = True


class Kept(Struct, frozen=True):
    """A message postponed by some lines, decided again whenever one of them moves: type, key and JSON body."""

    type: str
    key: str
    body: str
    lines: tuple[int, ...]


class Paused(Struct, frozen=True):
    """The state a line was taken out of, and the seconds its clock had left."""

    state: State
    left: int


class Tranche(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The money of one line. `price` is settlement minor units, `presented` is presentment minor units.

    `to_seller` (net of `fee`, settlement) and `to_buyer` (presentment) are what was decided so far. `tries` counts
    failures of its operations and `queries` questions about the unanswered one, since the line came to wait.
    """

    line_no: int
    category: str
    price: int
    presented: int
    state: State = State.START
    deadline_at: datetime | None = None
    remind_at: datetime | None = None
    paused: tuple[Paused, ...] = ()
    carrier: str | None = None
    tracking_number: str | None = None
    dispute_id: str | None = None
    disputed_at: datetime | None = None
    return_shipped: bool = False
    chargeback_id: str | None = None
    why: Why | None = None
    fault: Fault = Fault.NOBODY
    to_seller: int = 0
    fee: int = 0
    to_buyer: int = 0
    released_at: datetime | None = None
    payout_id: str | None = None
    refund_id: str | None = None
    claim_id: str | None = None
    tries: int = 0
    queries: int = 0


class Escrow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order's money. `policy` is the version the order began under and keeps; `payments` are the times of the
    payments heard of, `cases` the disputes. Without tranches nothing is known of the payment yet, and `kept` is what
    banks did before."""

    order_id: str
    buyer_id: str
    seller_id: str
    buyer_country: str
    seller_country: str
    method: str
    settlement: str
    presentment: str
    policy: str
    tranches: tuple[Tranche, ...]
    payments: tuple[datetime, ...] = ()
    stopped: bool = False
    operations: tuple[Operation, ...] = ()
    chargebacks: tuple[Chargeback, ...] = ()
    cases: tuple[str, ...] = ()
    concerns: tuple[Concern, ...] = ()
    kept: tuple[Kept, ...] = ()


Group = tuple[Tranche, ...]


def tranches_of(order: Escrow, lines: Iterable[int]) -> Group:
    """The tranches of these lines, in the order of the order."""
    wanted = frozenset(lines)
    return tuple([tranche for tranche in order.tranches if tranche.line_no in wanted])


def lines_of(tranches: Iterable[Tranche]) -> tuple[int, ...]:
    """Their line numbers."""
    return tuple([tranche.line_no for tranche in tranches])


def every_line(order: Escrow) -> tuple[int, ...]:
    """All line numbers of the order."""
    return lines_of(order.tranches)


def change(order: Escrow, lines: Iterable[int], how: Callable[[Tranche], Tranche]) -> Escrow:
    """The order with `how` applied to the tranches of these lines."""
    wanted = frozenset(lines)
    return replace(order, tranches=tuple([how(each) if each.line_no in wanted else each for each in order.tranches]))


def mark(order: Escrow, lines: Iterable[int], **fields: Any) -> Escrow:
    """The order with the same fields set on the tranches of these lines."""
    return change(order, lines, lambda tranche: replace(tranche, **fields))


def operation(order: Escrow, id: str | None) -> Operation | None:
    """The operation of this id, or None."""
    for each in order.operations:
        if each.id == id:
            return each
    return None


def with_operation(order: Escrow, changed: Operation) -> Escrow:
    """The order with this operation in place of the one of the same id."""
    return replace(order, operations=tuple([changed if each.id == changed.id else each for each in order.operations]))


def at_rest(order: Escrow) -> bool:
    """Whether no line of the order waits for anything."""
    return _AT_REST.issuperset([tranche.state for tranche in order.tranches])


def with_operator(order: Escrow) -> bool:
    """Whether the order stands in the operators' queue."""
    return order.concerns != () and any(each.open for each in order.concerns)


def legs(order: Escrow, tranche: Tranche) -> tuple[Operation, ...]:
    """The operations that carry the tranche's money now: the newest of each kind, without those it replaced."""
    return tuple([each for each in order.operations if carries(each, tranche)])


def carries(by: Operation, tranche: Tranche) -> bool:
    """Whether it is the newest of its kind for this tranche: a tranche names one of each kind."""
    return by.id in (tranche.payout_id, tranche.refund_id, tranche.claim_id)


def carried(order: Escrow, by: Operation) -> tuple[int, ...]:
    """The lines whose money this operation carries now; none when another was sent in its place. Fewer than its `lines`
    when it failed and only some of them were sent again."""
    return tuple([tranche.line_no for tranche in order.tranches if carries(by, tranche)])


def open_chargeback(order: Escrow) -> bool:
    """Whether a bank holds money of this order back."""
    return order.chargebacks != () and any(each.received and not each.reversed for each in order.chargebacks)


def withheld(order: Escrow, each: Operation) -> bool:
    """Whether it is a refund that must not be sent now: the buyer has the money from their bank (E13)."""
    return each.kind is OperationKind.REFUND and each.standing is Standing.FAILED and open_chargeback(order)
