"""The floor of a message's text: pydantic alone, each message of an order that goes well read from its JSON and written
to it again. No envelope, no headers, no record around it.

`python -m bench.bare_contracts MESSAGES` prints one JSON object: messages, CPU seconds of this process to read them and
to write them.
"""

import json
import sys
import time

from contracts import carrier, escrow, identity, orders, payments
from contracts.examples import EXAMPLES
from contracts.message import Message

ORDER: tuple[type[Message], ...] = (
    orders.PlaceOrder,
    orders.OrderPlaced,
    orders.PayOrder,
    payments.CollectPayment,
    payments.PaymentSucceeded,
    orders.OrderPaid,
    escrow.FundsHeld,
    identity.ScreenOrder,
    identity.OrderCleared,
    escrow.FundsSecured,
    orders.ShipOrder,
    orders.OrderShipped,
    carrier.TrackParcel,
    carrier.ParcelDelivered,
    orders.OrderDelivered,
    orders.ConfirmReceipt,
    orders.ReceiptConfirmed,
    escrow.FundsReleased,
    payments.PayOut,
    payments.PayoutSucceeded,
)


def rounds(messages: int) -> dict[str, float]:
    """Reads and writes about `messages` of each, in turns of one order."""
    written = [(kind, EXAMPLES[kind.CE_TYPE].model_dump_json(exclude_none=True).encode()) for kind in ORDER]
    count = max(messages // len(written), 1)
    began = time.process_time()
    for _ in range(count):
        read = [kind.__pydantic_validator__.validate_json(value, extra="ignore") for kind, value in written]
    turned = time.process_time()
    for _ in range(count):
        for one in read:
            one.__pydantic_serializer__.to_json(one, exclude_none=True)
    ended = time.process_time()
    return {"messages": count * len(written), "read_seconds": turned - began, "write_seconds": ended - turned}


if __name__ == "__main__":
    print(json.dumps(rounds(int(sys.argv[1]))))
