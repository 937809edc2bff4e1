"""What a test, a demo or a replay tells the carrier to do. Not part of the contracts: a real carrier has none."""

from contracts.message import Command, Id
from contracts.orders import TrackingNumber


class DeliverParcel(Command, key="reference", owner="carrier"):
    """The parcel of this reference is handed over now; with `tracking_number`, only if it is that one."""

    reference: Id
    tracking_number: TrackingNumber | None = None
