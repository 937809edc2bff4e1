"""What a test, a demo or a replay tells the carrier to do. Not part of the contracts: a real carrier has none."""

from contracts.carrier import Stage
from contracts.message import Command, Id, Moment
from contracts.orders import TrackingNumber
from simulators.carrier.journey import End


class DeliverParcel(Command, key="reference", owner="carrier"):
    """The parcel of this reference is handed over now; with `tracking_number`, only if it is that one. A parcel that is
    late, lost or sent back by the carrier's faults begins to be so now."""

    reference: Id
    tracking_number: TrackingNumber | None = None


class ReportParcel(Command, key="reference", owner="carrier"):
    """This happens to the parcel now, whatever would have become of it."""

    reference: Id
    what: Stage | End
    tracking_number: TrackingNumber | None = None
    expected_at: Moment | None = None
