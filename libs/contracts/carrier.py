"""The carrier's port: parcels that are followed and what became of them. Key: `reference`, the order id.

Carriers tell late, twice and in any order: what happened when is said by the times inside, not by the order of events.
"""

from enum import StrEnum

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


class Stage(StrEnum):
    """How far a parcel has come. After `attempt_failed` the carrier tries again, or sends it back."""

    HANDED_OVER = "handed_over"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    ATTEMPT_FAILED = "attempt_failed"


class ParcelProgressed(Event, key="reference"):
    """The parcel came as far as `stage` at this time (E5). `expected_at` is the arrival the carrier now expects, if it
    says; it replaces what was expected before."""

    reference: Id
    tracking_number: TrackingNumber
    stage: Stage
    at: Moment
    expected_at: Moment | None = None


class ParcelLost(Event, key="reference"):
    """The carrier cannot find the parcel any more. If it turns up after all, `ParcelDelivered` follows."""

    reference: Id
    tracking_number: TrackingNumber
    lost_at: Moment


class ParcelReturned(Event, key="reference"):
    """The parcel could not be delivered and is back with its sender."""

    reference: Id
    tracking_number: TrackingNumber
    returned_at: Moment


class CommandRefused(Refusal, key="subject"):
    """The carrier refused to follow a parcel."""
