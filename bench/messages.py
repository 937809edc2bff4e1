"""The messages of the outside world as ready bytes. What is answered word for word (amounts, operation ids) is taken
from what was asked; the rest is made here."""

from bench.plan import CURRENCY, SPLIT_BASIS_POINTS, Order
from runtime import ids

TOO_EARLY = {
    ("orders.ship_order.v1", "funds_not_secured"): "ship",
    ("disputes.open_dispute.v1", "not_found"): "dispute",
}
"""Refusals that only say that a service has not read yet what the asker has: by type and code, the step to repeat."""

BUYER_COUNTRY, SELLER_COUNTRY = "DE", "CN"
METHOD = "credit_card"


def new_id() -> bytes:
    """A new message id, a UUIDv7."""
    return ids.new_id().encode()


def answer_id(id: bytes) -> bytes:
    """The id of the answer to a message: the same UUID as version 8, so always the same for the same message."""
    return id[:14] + b"8" + id[15:]


def place_order(order: Order) -> bytes:
    """PlaceOrder, of about 390 bytes."""
    return (
        f'{{"actor":{{"id":"{order.buyer_id}","role":"buyer"}},"order_id":"{order.order_id}",'
        f'"buyer_id":"{order.buyer_id}","seller_id":"{order.seller_id}",'
        f'"buyer_country":"{BUYER_COUNTRY}","seller_country":"{SELLER_COUNTRY}",'
        f'"lines":[{{"line_no":1,"sku":"sku-{order.unit_price:06d}-blue-l","category":"clothing",'
        f'"quantity":{order.quantity},"unit_price":{{"amount":{order.unit_price},"currency":"{CURRENCY}"}}}}]}}'
    ).encode()


def pay_order(buyer: bytes, order: bytes) -> bytes:
    """PayOrder, by card."""
    return b'{"actor":{"id":"%b","role":"buyer"},"order_id":"%b","method":"%b"}' % (buyer, order, METHOD.encode())


def ship_order(seller: bytes, order: bytes) -> bytes:
    """ShipOrder; the tracking number is made of the order's number."""
    return b'{"actor":{"id":"%b","role":"seller"},"order_id":"%b","carrier":"dhl","tracking_number":"%b"}' % (
        seller,
        order,
        tracking_number(order),
    )


def confirm_receipt(buyer: bytes, order: bytes) -> bytes:
    """ConfirmReceipt of all lines."""
    return b'{"actor":{"id":"%b","role":"buyer"},"order_id":"%b"}' % (buyer, order)


def open_dispute(buyer: bytes, dispute: bytes, order: bytes) -> bytes:
    """OpenDispute about the order's one line."""
    return b'{"actor":{"id":"%b","role":"buyer"},"dispute_id":"%b","order_id":"%b","lines":[1],"reason":"damaged"}' % (
        buyer,
        dispute,
        order,
    )


def rule_dispute(dispute: bytes) -> bytes:
    """RuleDispute: a split."""
    return (
        b'{"actor":{"id":"mediator-1","role":"mediator"},"dispute_id":"%b",'
        b'"rulings":[{"line_no":1,"verdict":"split","buyer_basis_points":%d}]}' % (dispute, SPLIT_BASIS_POINTS)
    )


def provider_result(asked: bytes) -> bytes:
    """The result of a payment, refund or payout that was asked for like this: the same without who asked."""
    return b"{" + asked[asked.index(b'"operation_id"') :]


def parcel_delivered(order: bytes, at: bytes) -> bytes:
    """ParcelDelivered of the parcel that `ship_order` handed over; `at` RFC 3339."""
    return b'{"reference":"%b","tracking_number":"%b","delivered_at":"%b"}' % (order, tracking_number(order), at)


def tracking_number(order: bytes) -> bytes:
    """What the carrier prints on the order's parcel."""
    return b"DHL-" + order[-8:]


def open_account(buyer: str) -> bytes:
    """OpenAccount of a buyer."""
    return f'{{"actor":{{"id":"{buyer}","role":"buyer"}},"person_id":"{buyer}","country":"{BUYER_COUNTRY}"}}'.encode()


def open_deposit(seller: str) -> bytes:
    """OpenDeposit of a seller."""
    return (
        f'{{"actor":{{"id":"{seller}","role":"seller"}},"seller_id":"{seller}",'
        f'"category":"clothing","country":"{SELLER_COUNTRY}"}}'
    ).encode()


def pay_deposit(seller: bytes) -> bytes:
    """PayDeposit, by card."""
    return b'{"actor":{"id":"%b","role":"seller"},"seller_id":"%b","method":"%b"}' % (seller, seller, METHOD.encode())
