"""The carrier, whole: its aggregate and where each message goes."""

from datetime import timedelta
from functools import partial

from contracts.carrier import CommandRefused, TrackParcel
from runtime.decision import Aggregate, Service, to
from simulators.carrier import parcels
from simulators.carrier.control import DeliverParcel
from simulators.carrier.parcels import Parcel


def service(delivery_time: timedelta | None) -> Service:
    """The carrier that delivers by itself after `delivery_time`, or only when told (None)."""
    return Service(
        name="carrier",
        aggregates=(Aggregate("parcels", Parcel, partial(parcels.decide, delivery_time)),),
        routes={
            TrackParcel: to("parcels", "reference"),
            DeliverParcel: to("parcels", "reference"),
        },
        refusal=CommandRefused,
    )


SERVICE = service(None)
