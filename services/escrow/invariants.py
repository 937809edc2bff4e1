"""What is true of an order's money after every decision. For the simulation and the tests; the database has its own."""

from collections.abc import Iterator

from escrow.process import Move
from escrow.saga import ESCROW
from escrow.state import PAID, RESTING, Escrow, Standing, State, Tranche, legs

PAUSING = frozenset(
    move.to for _, _, move in ESCROW.moves() if isinstance(move, Move) and move.pauses and move.to is not None
)


def held(tranche: Tranche) -> int:
    """What the line's hold contains, in presentment minor units: all that was paid, or nothing."""
    gone = tranche.released_at or tranche.to_buyer or tranche.chargeback_id
    return 0 if gone else tranche.presented


def invariants(order: Escrow) -> list[str]:
    """Every rule the order breaks, in words; empty for a sound one."""
    return [
        f"{order.order_id}/{tranche.line_no} {tranche.state.name}: {broken}"
        for tranche in order.tranches
        for broken in (*_waits(order, tranche), *_adds_up(order, tranche), *_walks_together(order, tranche))
    ]


def _waits(order: Escrow, tranche: Tranche) -> Iterator[str]:
    if (tranche.deadline_at is not None) != (tranche.state in ESCROW.waiting):
        yield f"deadline {tranche.deadline_at}"
    if tranche.remind_at and not (tranche.deadline_at and tranche.remind_at < tranche.deadline_at):
        yield f"reminder {tranche.remind_at} without a later deadline"
    if bool(tranche.paused) != (tranche.state in PAUSING):
        yield f"paused {tranche.paused}"
    asked = any(each.open and each.waits and tranche.line_no in each.lines for each in order.concerns)
    if tranche.state is State.WITH_OPERATOR and not asked:
        yield "no operator was asked"
    if tranche.state in RESTING and any(tranche.line_no in each.lines for each in order.kept):
        yield "rests with a postponed message"


def _adds_up(order: Escrow, tranche: Tranche) -> Iterator[str]:
    released = tranche.to_seller + tranche.fee
    if not 0 <= tranche.to_buyer <= tranche.presented:
        yield f"{tranche.to_buyer} of {tranche.presented} to the buyer"
    if released and tranche.released_at is None:
        yield "given to the seller without a release"
    sellers = tranche.presented - tranche.to_buyer
    if tranche.claim_id is None and released * tranche.presented > tranche.price * sellers:
        yield f"release {tranche.to_seller} + fee {tranche.fee} + refund {tranche.to_buyer} is more than was funded"
    whole = {
        State.RELEASED: tranche.to_buyer == 0 and released == tranche.price,
        State.REFUNDED: tranche.to_buyer == tranche.presented,
        State.SETTLED: 0 < tranche.to_buyer < tranche.presented,
    }
    if not whole.get(tranche.state, True):
        yield f"rests with release {tranche.to_seller} + fee {tranche.fee} + refund {tranche.to_buyer}"
    paid = all(leg.standing in PAID for leg in legs(order, tranche))
    if tranche.state in whole and not paid:
        yield "rests before everyone was paid"


def _walks_together(order: Escrow, tranche: Tranche) -> Iterator[str]:
    # The other leg of a shared line may bring it to an operator, or back, without the lines that have only this leg.
    for leg in legs(order, tranche):
        others = {each.state for each in order.tranches if each.line_no in leg.lines} - {State.WITH_OPERATOR}
        if leg.standing is Standing.SENT and len(others) > 1:
            yield f"waits for {leg.id} with lines in {sorted(others)}"
