"""The deposits service, whole: its aggregate and where each message goes."""

from contracts.deposits import (
    ClaimDeposit,
    CommandRefused,
    OpenDeposit,
    PayDeposit,
    ReinstateDeposit,
    SuspendDeposit,
)
from contracts.payments import OperationNotFound, PaymentDeclined, PaymentSucceeded, Purpose
from deposits.domain import Deposit, decide
from ledger.store import LedgerStore
from runtime.decision import Aggregate, Service, to


def _seller_of(event: PaymentSucceeded | PaymentDeclined) -> str | None:
    return event.reference if event.purpose is Purpose.DEPOSIT else None


def _seller_of_operation(event: OperationNotFound) -> str | None:
    return event.reference if event.operation_id.startswith("deposit-") else None


SERVICE = Service(
    name="deposits",
    aggregates=(Aggregate("deposits", Deposit, decide),),
    routes={
        OpenDeposit: to("deposits", "seller_id"),
        PayDeposit: to("deposits", "seller_id"),
        SuspendDeposit: to("deposits", "seller_id"),
        ReinstateDeposit: to("deposits", "seller_id"),
        ClaimDeposit: to("deposits", "seller_id"),
        PaymentSucceeded: to("deposits", _seller_of),
        PaymentDeclined: to("deposits", _seller_of),
        OperationNotFound: to("deposits", _seller_of_operation),
    },
    refusal=CommandRefused,
    postings=LedgerStore(),
)
