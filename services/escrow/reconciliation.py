"""What the provider's statement is compared with on escrow's side: how its book names operations, and which of them are
not answered yet."""

from collections.abc import Iterator

import msgspec

from contracts.money import Money
from contracts.statement import EntryKind
from escrow.money import PROVIDER
from escrow.state import Escrow, OperationKind, Standing
from ledger.reconciliation import Asked
from ledger.statements import BookOf

_OUT = "/out"
_KIND = {OperationKind.PAYOUT: EntryKind.PAYOUT, OperationKind.REFUND: EntryKind.REFUND}

_decode = msgspec.json.Decoder(Escrow).decode


def operation_of(transfer_id: str, order_id: str) -> str | None:
    """`<order>/<operation>/out` are refunds and payouts (`escrow.money`). A payment is booked by lines and a chargeback
    under the bank's id; the statement calls both by the payment, which escrow never hears of by its id."""
    if not transfer_id.endswith(_OUT):
        return None
    return transfer_id.removeprefix(f"{order_id}/").removesuffix(_OUT)


def asked(state: str) -> Iterator[Asked]:
    """The order's refunds and payouts without an answer. Since when says the book."""
    order = _decode(state)
    for each in order.operations:
        if each.kind in _KIND and each.standing is Standing.SENT:
            currency = order.settlement if each.kind is OperationKind.PAYOUT else order.presentment
            amount = Money(amount=each.amount, currency=currency)
            yield Asked(_KIND[each.kind], order.order_id, each.id, amount)


BOOK = BookOf(clearing=PROVIDER, table="escrow", operation_of=operation_of, asked=asked, of_orders=True)
