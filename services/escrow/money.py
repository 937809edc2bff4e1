"""What every movement of an order's money looks like in the book. Nothing else in escrow makes a posting.

Ids are made of order, line and purpose (or of the operation's id): each movement happens at most once for ever, and
the database refuses the second. Between two currencies money passes through the position accounts: the presentment
side takes what leaves the hold, the settlement side gives what the locked quote promised; drift and what rounding
leaves stay there as gain or loss, so a hold always ends at exactly zero.
"""

from contracts.money import Money
from escrow import policy
from escrow.state import Escrow, Group, Operation, Tranche
from ledger.postings import Account, Hold, Kind, Post, Posting, Transfer, Void

PROVIDER = "provider"
PLATFORM = "platform"
DEPOSITS = "deposits"


def clearing(currency: str) -> Account:
    """Money at the payment provider."""
    return Account(Kind.CLEARING, PROVIDER, currency)


def hold_of(order: Escrow, tranche: Tranche) -> Account:
    """The hold of one line, in presentment currency."""
    return Account(Kind.HOLD, f"{order.order_id}/{tranche.line_no}", order.presentment)


def payable(order: Escrow) -> Account:
    """What the seller of this order is owed, in settlement currency."""
    return Account(Kind.PAYABLE, order.seller_id, order.settlement)


def refund_transit(order: Escrow) -> Account:
    """Refunds under way, in presentment currency."""
    return Account(Kind.REFUND_TRANSIT, PROVIDER, order.presentment)


def suspense(order: Escrow, currency: str) -> Account:
    """What a bank took from this order and what stands against it."""
    return Account(Kind.CHARGEBACK, order.order_id, currency)


def _payout_transit(order: Escrow) -> Account:
    return Account(Kind.PAYOUT_TRANSIT, PROVIDER, order.settlement)


def _fees(order: Escrow) -> Account:
    return Account(Kind.FEES, PLATFORM, order.settlement)


def _fx(currency: str) -> Account:
    return Account(Kind.FX, PLATFORM, currency)


def _move(
    order: Escrow,
    what: str,
    debit: Account,
    credit: Account,
    amount: int,
    purpose: str,
    corrects: str | None = None,
) -> tuple[Transfer, ...]:
    if amount == 0:
        return ()
    full = f"{order.order_id}/{corrects}" if corrects else None
    return (Transfer(f"{order.order_id}/{what}", debit, credit, amount, purpose, order.order_id, full),)


def fund(order: Escrow, tranche: Tranche) -> tuple[Posting, ...]:
    """The buyer's payment of a line: provider → hold."""
    return _move(
        order,
        f"{tranche.line_no}/fund",
        clearing(order.presentment),
        hold_of(order, tranche),
        tranche.presented,
        "fund",
    )


def release(order: Escrow, tranche: Tranche, presented: int, purpose: str) -> tuple[Posting, ...]:
    """`presented` of the hold becomes the seller's `to_seller` and the platform's `fee`, as the tranche says."""
    line, hold = tranche.line_no, hold_of(order, tranche)
    if order.presentment == order.settlement and presented == tranche.to_seller + tranche.fee:
        source: Account = hold
        convert: tuple[Posting, ...] = ()
    else:
        source = _fx(order.settlement)
        convert = _move(order, f"{line}/{purpose}-convert", hold, _fx(order.presentment), presented, "convert")
    return (
        *convert,
        *_move(order, f"{line}/{purpose}", source, payable(order), tranche.to_seller, purpose),
        *_move(order, f"{line}/{purpose}-fee", source, _fees(order), tranche.fee, "fee"),
    )


def undo_release(order: Escrow, tranche: Tranche) -> tuple[Posting, ...]:
    """The exact reverse of a whole line's release, each transfer linked to the one it corrects."""
    return tuple(
        Transfer(f"{each.id}-undone", each.credit, each.debit, each.amount, "correction", order.order_id, each.id)
        for each in reversed(release(order, tranche, tranche.presented, "release"))
        if isinstance(each, Transfer)
    )


def refund(order: Escrow, tranche: Tranche) -> tuple[Posting, ...]:
    """The buyer's part of the hold: hold → refunds under way."""
    return _move(
        order,
        f"{tranche.line_no}/refund",
        hold_of(order, tranche),
        refund_transit(order),
        tranche.to_buyer,
        "refund",
    )


def reserve_payout(order: Escrow, operation: Operation) -> tuple[Posting, ...]:
    """First phase of a payout: reserved on the seller's balance, moved when the provider confirms."""
    return (Hold(operation.id, payable(order), _payout_transit(order), operation.amount, "payout", order.order_id),)


def payout_succeeded(order: Escrow, operation: Operation) -> tuple[Posting, ...]:
    """Second phase, and out of the provider's account."""
    out = _move(
        order, f"{operation.id}/out", _payout_transit(order), clearing(order.settlement), operation.amount, "payout"
    )
    return (Post(operation.id), *out)


def payout_failed(operation: Operation) -> tuple[Posting, ...]:
    """The reservation returns to the seller's balance."""
    return (Void(operation.id),)


def payout_succeeded_after_all(order: Escrow, operation: Operation) -> tuple[Posting, ...]:
    """A payout that had been reported failed, and was voided, turns out to have been made."""
    return _move(order, f"{operation.id}/out", payable(order), clearing(order.settlement), operation.amount, "payout")


def refund_succeeded(order: Escrow, operation: Operation) -> tuple[Posting, ...]:
    """The refund left the provider's account."""
    return _move(
        order,
        f"{operation.id}/out",
        refund_transit(order),
        clearing(order.presentment),
        operation.amount,
        "refund",
    )


def refund_by_bank(order: Escrow, operation: Operation) -> tuple[Posting, ...]:
    """A refund that never left stands in for what the buyer's bank took."""
    return _move(
        order,
        f"{operation.id}/by-bank",
        refund_transit(order),
        suspense(order, order.presentment),
        operation.amount,
        "chargeback",
    )


def recover(order: Escrow, claim: Operation, paid: int, into: Account) -> tuple[Posting, ...]:
    """What the buyer won after the release: `paid` by the deposit, the rest by the platform's fund (P8)."""
    deposits = Account(Kind.CLAIMS, DEPOSITS, order.presentment)
    platform = Account(Kind.FUND, PLATFORM, order.presentment)
    return (
        *_move(order, f"{claim.id}/deposit", deposits, into, paid, "claim"),
        *_move(order, f"{claim.id}/fund", platform, into, claim.amount - paid, "claim"),
    )


def taken_by_bank(order: Escrow, chargeback_id: str, amount: Money) -> tuple[Posting, ...]:
    """A bank took `amount` out of the provider's account, whatever stands against it here."""
    currency = amount.currency
    return _move(
        order,
        f"{chargeback_id}/taken",
        suspense(order, currency),
        clearing(currency),
        amount.amount,
        "chargeback",
    )


def returned_by_bank(order: Escrow, chargeback_id: str, amount: Money) -> tuple[Posting, ...]:
    """The bank gave `amount` back."""
    currency = amount.currency
    return _move(
        order,
        f"{chargeback_id}/returned",
        clearing(currency),
        suspense(order, currency),
        amount.amount,
        "chargeback",
    )


def suspend(order: Escrow, tranche: Tranche) -> tuple[Posting, ...]:
    """The hold of a line stands in for what the bank took."""
    chargeback_id = tranche.chargeback_id
    return _move(
        order,
        f"{tranche.line_no}/{chargeback_id}/suspend",
        hold_of(order, tranche),
        suspense(order, order.presentment),
        tranche.presented,
        "chargeback",
    )


def restore(order: Escrow, tranche: Tranche) -> tuple[Posting, ...]:
    """The bank gave it back: the line's hold is whole again."""
    chargeback_id = tranche.chargeback_id
    return _move(
        order,
        f"{tranche.line_no}/{chargeback_id}/restore",
        suspense(order, order.presentment),
        hold_of(order, tranche),
        tranche.presented,
        "chargeback",
        corrects=f"{tranche.line_no}/{chargeback_id}/suspend",
    )


def divide(order: Escrow, tranche: Tranche, presented_to_seller: int) -> tuple[int, int]:
    """What `presented_to_seller` of a line is worth to the seller: (net, fee) in settlement minor units.

    The share of the price that the share of the payment is, rounded down; what rounding leaves stays in the platform's
    currency position. Within one currency price and payment are equal and nothing is left over.
    """
    gross = tranche.price * presented_to_seller // tranche.presented
    fee = policy.fee(order, tranche.category, gross)
    return gross - fee, fee


def total(tranches: Group, of: str) -> int:
    """The sum of one amount over the group."""
    return sum(getattr(tranche, of) for tranche in tranches)


def paid_by_deposit(order: Escrow, claim: Operation, paid: Money) -> int:
    """What of a claim the deposit really pays, at most what was asked; an answer in another currency pays nothing."""
    return min(paid.amount, claim.amount) if paid.currency == order.presentment else 0
