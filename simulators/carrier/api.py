"""HTTP of the carrier: parcels, and the control of what becomes of them."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request

from runtime.http import Api, command, query
from simulators.carrier.control import DeliverParcel, ReportParcel
from simulators.carrier.parcels import Parcel
from simulators.carrier.repository import fates_met
from simulators.faults import NONE, Faults
from simulators.forgeries import Tally


def parcel_view(parcel: Parcel, version: int) -> dict[str, Any]:
    """The parcel followed now, and when it was delivered."""
    return {"version": version, **msgspec.to_builtins(parcel)}


def account(faults: Faults, tally: Tally) -> APIRouter:
    """The route that tells what went wrong by itself."""
    router = APIRouter()

    @router.get("/faults")
    async def read_faults(request: Request) -> dict[str, Any]:
        """What was to go wrong, how many parcels met it, and what became of the webhooks of this process."""
        return {
            "seed": faults.seed,
            "basis_points": dict(faults.shares),
            "operations": await fates_met(request.app.state.pool),
            "webhooks": tally.told(),
        }

    return router


def api(faults: Faults = NONE, tally: Tally | None = None) -> Api:
    """All of it, of a carrier with these faults, whose sender counts in `tally`."""
    return Api(
        commands=(
            command("/parcels/{reference}/delivery", DeliverParcel),
            command("/parcels/{reference}/report", ReportParcel),
        ),
        queries=(query("/parcels/{reference}", "parcels", parcel_view),),
        routers=(account(faults, tally or Tally()),),
    )


API = api()
