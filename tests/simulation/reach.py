"""Which endings of the saga's rows no world can come to, and why; and which rows so few come to that only many must.

A name is a pattern of an ending in words, without the number of its row, so that the list does not shift with the
table.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from tests.simulation.coverage import Ending

NEVER: Mapping[str, str] = {
    "OrderPaid|LatePaymentReceived × SCREENING* → stays": "orders pays an order once; a second payment stays with it",
    "OrderDelivered × FUNDED → *": "orders says that it was shipped before it says that it arrived",
    "OrderShipped|OrderDelivered|OrderUndelivered|* × SCREENING* → refused*": "orders waits for the funds",
    "ReceiptConfirmed × FUNDED → refused*": "orders takes a confirmation after the shipment only",
    "OrderUndelivered × FUNDED|SHIPPED fate=another → *": "a parcel is lost or back before a case replaces it",
    "OrderUndelivered × INSPECTION its_parcel=False → *": "a parcel is lost or back before a case replaces it",
    "OrderCancelled × START → *": "orders cancels a paid order after it said that it was paid",
    "OrderCleared × UNDER_REVIEW was_stopped=True → *": "identity does not take back what it said",
    "ReturnShipped × RETURNING return_under_way=True → *": "a case sends the goods back once",
    "DisputeWithdrawn|DisputeResolved × SCREENING* → ignored*": "a line hears of its own case only",
    "ReturnShipped|ReturnReceived × SCREENING* → ignored*": "a line hears of its own case only",
    "ReplacementShipped × SCREENING* → ignored*": "a line hears of its own case only",
    "* × AFTER_RELEASE* whereabouts=held → *": "after a release the money is owed or paid",
    "PayoutSucceeded × AFTER_RELEASE|* → stays": "the provider does not take back what it said",
    "*Succeeded × SCREENING* → refused, unexpected_result": "a line hears of its own operations only",
    "PayoutFailed|RefundFailed|OperationNotFound × SCREENING* → refused*": "a line hears of its own operations only",
    "DepositClaimed × SCREENING* → refused*": "a line hears of its own claim only",
    "ChargebackReversed × SCREENING* → ignored*": "a reversal is for lines that were suspended",
    "ChargebackReceived|ChargebackReversed × START → *": "what a bank does is remembered outside the table",
}

RARE: tuple[str, ...] = (
    "OrderUndelivered × INSPECTION *",
    "OrderCancelled × REFUNDING|REFUNDED *",
    "OrderCancelled × SHIPPED|* → refused, already_shipped",
    "OrderDelivered × REPLACING *",
    "DepositClaimed × CHARGED_BACK *",
    "ChargebackReceived × WITH_OPERATOR *",
)


def is_named(ending: Ending, names: Iterable[str]) -> bool:
    """Whether one of the names is the ending's."""
    words = str(ending).partition(": ")[2]
    return any(fnmatchcase(words, name) for name in names)
