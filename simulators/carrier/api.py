"""HTTP of the carrier: parcels, and the control of their delivery."""

from typing import Any

import msgspec

from runtime.http import Api, command, query
from simulators.carrier.control import DeliverParcel
from simulators.carrier.parcels import Parcel


def parcel_view(parcel: Parcel, version: int) -> dict[str, Any]:
    """The parcel followed now, and when it was delivered."""
    return {"version": version, **msgspec.to_builtins(parcel)}


API = Api(
    commands=(command("/parcels/{reference}/delivery", DeliverParcel),),
    queries=(query("/parcels/{reference}", "parcels", parcel_view),),
)
