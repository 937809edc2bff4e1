"""A shipping address, and what asks for it to be kept or forgotten: data only. What becomes of it says `addresses`."""

from datetime import datetime
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo

from contracts.message import Command, Country, Id, Part

Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\x00-\x1f]*$")
]
Optional = Annotated[str, StringConstraints(strip_whitespace=True, max_length=120, pattern=r"^[^\x00-\x1f]*$")]


class Address(Part):
    """A postal address as it is printed on a parcel. It never shows itself in a log: its text is hidden."""

    name: Text = Field(repr=False)
    line_1: Text = Field(repr=False)
    line_2: Optional = Field(default="", repr=False)
    city: Text = Field(repr=False)
    region: Optional = Field(default="", repr=False)
    postcode: Optional = Field(default="", repr=False)
    country: Country
    phone: Optional = Field(default="", repr=False)


def _not_from_a_topic(value: Any, how: ValidationInfo) -> Any:
    """A message of a topic is read as JSON text, a request over HTTP as an object."""
    if how.mode == "json":
        raise ValueError("an address is taken over HTTP only")
    return value


class SetShippingAddress(Command, key="order_id", owner="orders"):
    """The buyer says where the parcel goes, until it is shipped (E10). Taken over HTTP only, so that no topic ever
    holds an address; what is sent to one is refused unread."""

    order_id: Id
    address: Annotated[Address, BeforeValidator(_not_from_a_topic)] = Field(repr=False)


class KeepAddress(NamedTuple):
    """Write this address beside the order, in the place of an earlier one."""

    order_id: str
    address: Address
    at: datetime


class EraseAddress(NamedTuple):
    """Forget the order's address."""

    order_id: str
