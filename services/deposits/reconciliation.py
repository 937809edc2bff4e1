"""What the provider's statement is compared with on the side of deposits: their payments, by seller."""

from collections.abc import Iterator

import msgspec

from contracts.money import Money
from contracts.statement import EntryKind
from deposits.domain import PROVIDER, Deposit
from ledger.reconciliation import Asked
from ledger.statements import BookOf

_decode = msgspec.json.Decoder(Deposit).decode


def operation_of(transfer_id: str, seller_id: str) -> str | None:
    """`<seller>/payment/<operation>` is a payment of a deposit (`deposits.domain`)."""
    head, payment, operation = transfer_id.partition(f"{seller_id}/payment/")
    return operation if payment and not head else None


def asked(state: str) -> Iterator[Asked]:
    """The payment that is under way."""
    deposit = _decode(state)
    if deposit.pending and deposit.terms:
        amount = Money(amount=deposit.pending.amount, currency=deposit.terms.currency)
        yield Asked(
            EntryKind.PAYMENT, deposit.seller_id, deposit.pending.operation_id, amount, deposit.pending.asked_at
        )


BOOK = BookOf(clearing=PROVIDER, table="deposits", operation_of=operation_of, asked=asked, of_orders=False)
