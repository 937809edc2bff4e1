"""Where a parcel goes: the one thing of the buyer that shipping needs (E10). Pure.

An address comes by HTTP only and stands in a table of its own: never in an event, in the order's state or history, in a
log or in a dead letter. The buyer reads it until it is erased; the seller from the moment the money is secured until
the parcel is delivered or the money goes back. So many days after the order came to rest it is erased.
"""

from datetime import datetime
from typing import Final

from contracts.message import Role
from orders.address import EraseAddress, KeepAddress, SetShippingAddress
from orders.order import FINAL, Order, Status, record
from orders.policy import policy_of
from orders.rules import admit
from runtime.decision import Outcome, Refused, Timer

ERASE_ADDRESS: Final = "erase_address"

SELLER_READS: Final = frozenset({Status.FUNDED, Status.SHIPPED})
"""While the seller needs it: the money is secured, and the parcel not yet there."""

_STAFF: Final = frozenset({Role.SUPPORT, Role.SERVICE})


def set_address(order: Order, command: SetShippingAddress, now: datetime) -> Outcome[Order]:
    """Keeps the address. Raises `Refused`: not_found, forbidden, invalid_address, or the code of the state."""
    admit(order, command)
    if command.address.country != order.buyer_country:
        raise Refused("invalid_address", f"the order was placed for delivery to {order.buyer_country}")
    keep = KeepAddress(order.order_id, command.address, now)
    if order.has_address:
        # What changes is not the order: a buyer who corrects a house number adds nothing to its history.
        return Outcome(postings=(keep,), note="the address was replaced")
    return Outcome(record(order, now, "address_given", has_address=True), postings=(keep,))


def may_read(order: Order, role: Role) -> bool:
    """Whether someone who takes part in the order in this role sees where it goes, now."""
    if role is Role.SELLER:
        return order.status in SELLER_READS
    return role is Role.BUYER or role in _STAFF


def at_rest(order: Order, now: datetime) -> tuple[Timer, ...]:
    """What is to be forgotten once an order rests; nothing is set for an order without an address."""
    if not order.has_address or order.status not in FINAL:
        return ()
    return (Timer(ERASE_ADDRESS, now + policy_of(order.policy).address_kept),)


def erase(order: Order, now: datetime) -> Outcome[Order]:
    """The address has been kept long enough. An order whose money moves again sets a new time when it rests again."""
    if not order.has_address or order.status not in FINAL:
        return Outcome(note="there is no address to be forgotten now")
    state = record(order, now, "address_erased", has_address=False)
    return Outcome(state, postings=(EraseAddress(order.order_id),))
