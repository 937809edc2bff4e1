"""The carrier's port: parcels that are followed and what became of them. Key: `reference`, the order id."""

from contracts.message import Code, Command, Event, Id, Moment, Refusal
from contracts.orders import TrackingNumber


class TrackParcel(Command, key="reference"):
    """Follow this parcel and say when it is delivered."""

    reference: Id
    carrier: Code
    tracking_number: TrackingNumber


class ParcelDelivered(Event, key="reference"):
    """The carrier handed the parcel over at its destination (E9: evidence of delivery)."""

    reference: Id
    tracking_number: TrackingNumber
    delivered_at: Moment


class CommandRefused(Refusal, key="subject"):
    """The carrier refused to follow a parcel."""
