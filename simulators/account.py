"""HTTP of what went wrong by itself, for simulators that have nothing to tell but what their webhooks came to."""

from typing import Any

from fastapi import APIRouter

from simulators.forgeries import Tally


def account(tally: Tally) -> APIRouter:
    """`GET /faults`: how many webhooks were sent, and how many forgeries of each kind were refused, in this life of the
    process."""
    router = APIRouter()

    @router.get("/faults")
    async def read_faults() -> dict[str, Any]:
        """What the webhooks came to."""
        return {"operations": {}, "webhooks": tally.told()}

    return router
