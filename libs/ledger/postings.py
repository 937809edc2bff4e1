"""Postings: what a decision wants the book to say. Pure data; `ledger.store` writes it, the database checks it.

Accounts are named by what they are, so that a decision can name one without asking the database. A transfer moves one
amount of one currency from one account (debited) to another (credited): the sum over all accounts is zero by form.
"""

from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """Kinds of account, and with them the rules of the database."""

    CLEARING = "clearing"
    """Money at a provider; the other side of everything that enters or leaves. Runs negative by nature."""
    HOLD = "hold"
    """A buyer's payment of one order line. Never negative: release + refund + fee ≤ funded."""
    PAYABLE = "payable"
    """What the platform owes a seller. Never negative."""
    RESERVE = "reserve"
    """A seller's money kept back. Never negative."""
    FEES = "fees"
    """What the platform earned."""
    FUND = "fund"
    """The platform's own money that pays buyers when nobody else can; a cost, so it may run negative."""
    FX = "fx"
    """Position taken by converting between currencies; may run negative in one and positive in the other."""
    REFUND_TRANSIT = "refund_transit"
    """Refunds decided and not yet confirmed by the provider. Never negative."""
    PAYOUT_TRANSIT = "payout_transit"
    """Payouts confirmed by a pending transfer until the provider answers. Never negative."""
    DEPOSIT = "deposit"
    """A seller's guarantee (deposits service). Never negative."""
    CLAIMS = "claims"
    """Between escrow and deposits: what deposits pay for lost claims. May run negative."""
    CHARGEBACK = "chargeback"
    """Taken back by a bank and not yet won or lost. May run negative."""
    WRITE_OFF = "write_off"
    """Lost for good. May run negative."""


NEVER_NEGATIVE = frozenset(
    {Kind.HOLD, Kind.PAYABLE, Kind.RESERVE, Kind.REFUND_TRANSIT, Kind.PAYOUT_TRANSIT, Kind.DEPOSIT}
)
HOT = frozenset({Kind.CLEARING, Kind.FEES, Kind.FUND, Kind.FX, Kind.REFUND_TRANSIT, Kind.PAYOUT_TRANSIT, Kind.CLAIMS})
"""Kinds whose one account every order touches; it is spread over shards, by order (`ledger.naming`), so that a
never-negative one can be checked row by row."""


class Account(Struct, frozen=True, gc=False):
    """`Account(Kind.HOLD, "order-1/2", "EUR")`. `owner` is an order line (`order/line`), a seller, a provider."""

    kind: Kind
    owner: str
    currency: str


class Transfer(Struct, frozen=True, gc=False):
    """`amount` minor units (> 0) from `debit` to `credit`, both of one currency. `id` is unique for ever and made by
    the decision from business keys (`order-1/1/release`), so that the same movement can never be written twice.
    `corrects` links a correction to the transfer it corrects; nothing is ever edited."""

    id: str
    debit: Account
    credit: Account
    amount: int
    purpose: str
    order_id: str
    corrects: str | None = None


class Hold(Struct, frozen=True, gc=False):
    """A two-phase transfer, first phase: `amount` is reserved on `debit` and announced on `credit`, moved by `Post`."""

    id: str
    debit: Account
    credit: Account
    amount: int
    purpose: str
    order_id: str


class Post(Struct, frozen=True, gc=False):
    """Second phase: moves `amount` (None: all) of the hold as a transfer with its id; the rest returns. A hold is
    posted or voided, once."""

    hold_id: str
    amount: int | None = None


class Void(Struct, frozen=True, gc=False):
    """Second phase: the hold returns whole."""

    hold_id: str


Posting = Transfer | Hold | Post | Void
