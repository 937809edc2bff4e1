"""Words for the tests of deposits: the messages of one seller, and a service that starts empty."""

from datetime import UTC, datetime

from contracts.deposits import ClaimDeposit, OpenDeposit, PayDeposit, ReinstateDeposit, SuspendDeposit
from contracts.message import Actor, Role
from contracts.money import Money
from contracts.orders import PaymentMethod
from contracts.payments import OperationNotFound, PaymentDeclined, PaymentSucceeded, Purpose
from deposits.domain import Deposit, operation_id
from deposits.service import SERVICE
from tests.folding import Folding

SELLER = "s-1"
MAY_2025 = datetime(2025, 5, 17, 9, 30, tzinfo=UTC)
CLOTHING = 8_000_00


def actor(role: Role | str, id: str = SELLER) -> Actor:
    return Actor(id=id, role=Role(role))


def cny(yuan: int) -> Money:
    return Money(amount=yuan * 100, currency="CNY")


def service(now: datetime = MAY_2025) -> Folding:
    return Folding(SERVICE, now)


def open_deposit(by: Actor | None = None, category: str = "clothing", country: str = "CN") -> OpenDeposit:
    return OpenDeposit(actor=by or actor("seller"), seller_id=SELLER, category=category, country=country)


def pay(by: Actor | None = None, method: PaymentMethod = PaymentMethod.CREDIT_CARD) -> PayDeposit:
    return PayDeposit(actor=by or actor("seller"), seller_id=SELLER, method=method)


def suspend(by: Actor | None = None) -> SuspendDeposit:
    return SuspendDeposit(actor=by or actor("operator", "o-1"), seller_id=SELLER, reason="counterfeit_goods")


def reinstate(by: Actor | None = None) -> ReinstateDeposit:
    return ReinstateDeposit(actor=by or actor("operator", "o-1"), seller_id=SELLER)


def claim(amount: Money, id: str = "claim-1", by: Actor | None = None) -> ClaimDeposit:
    return ClaimDeposit(
        actor=by or actor("service", "escrow"), seller_id=SELLER, claim_id=id, order_id="order-1", amount=amount
    )


def succeeded(number: int = 1, amount: Money | None = None, purpose: Purpose = Purpose.DEPOSIT) -> PaymentSucceeded:
    return PaymentSucceeded(
        operation_id=operation_id(SELLER, number),
        reference=SELLER,
        purpose=purpose,
        amount=amount or cny(8_000),
        method=PaymentMethod.CREDIT_CARD,
    )


def declined(number: int = 1) -> PaymentDeclined:
    return PaymentDeclined(
        operation_id=operation_id(SELLER, number),
        reference=SELLER,
        purpose=Purpose.DEPOSIT,
        method=PaymentMethod.CREDIT_CARD,
        reason="declined_by_bank",
    )


def not_found(number: int = 1) -> OperationNotFound:
    return OperationNotFound(operation_id=operation_id(SELLER, number), reference=SELLER)


def deposit(folding: Folding) -> Deposit:
    state = folding.state("deposits", SELLER)
    assert isinstance(state, Deposit)
    return state


def given(situation: str) -> Folding:
    """A service whose one seller is: unknown, claimed_before_opening, awaiting_payment, paying, active, short,
    topping_up, stopped, stopped_unpaid or stopped_short."""
    folding = service()
    steps = {
        "unknown": (),
        "claimed_before_opening": (claim(cny(1), "claim-0"),),
        "awaiting_payment": (open_deposit(),),
        "paying": (open_deposit(), pay()),
        "active": (open_deposit(), pay(), succeeded()),
        "short": (open_deposit(), pay(), succeeded(), claim(cny(3_000), "claim-0")),
        "topping_up": (open_deposit(), pay(), succeeded(), claim(cny(3_000), "claim-0"), pay()),
        "stopped": (open_deposit(), pay(), succeeded(), suspend()),
        "stopped_unpaid": (open_deposit(), suspend()),
        "stopped_short": (open_deposit(), pay(), succeeded(), suspend(), claim(cny(3_000), "claim-0")),
    }[situation]
    for step in steps:
        folding.tell(step)
        assert folding.refused is None, folding.refused
    return folding


SITUATIONS = (
    "unknown", "claimed_before_opening", "awaiting_payment", "paying", "active", "short", "topping_up", "stopped",
    "stopped_unpaid", "stopped_short",
)  # fmt: skip
