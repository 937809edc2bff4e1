"""The carrier, whole: its aggregate and where each message goes."""

from datetime import timedelta
from functools import partial

from contracts.carrier import CommandRefused, TrackParcel
from runtime.decision import Aggregate, Service, to
from simulators.carrier import parcels
from simulators.carrier.control import DeliverParcel, ReportParcel
from simulators.carrier.parcels import Manner, Parcel
from simulators.faults import NONE, Faults


def service(delivery_time: timedelta | None, reports: bool = False, faults: Faults = NONE) -> Service:
    """The carrier that delivers by itself after `delivery_time`, or only when told (None); that `reports` where parcels
    are on their way, or only how they end; and whose parcels meet these faults."""
    manner = Manner(delivery_time, reports, faults)
    return Service(
        name="carrier",
        aggregates=(Aggregate("parcels", Parcel, partial(parcels.decide, manner)),),
        routes={
            TrackParcel: to("parcels", "reference"),
            DeliverParcel: to("parcels", "reference"),
            ReportParcel: to("parcels", "reference"),
        },
        refusal=CommandRefused,
    )


SERVICE = service(None)
