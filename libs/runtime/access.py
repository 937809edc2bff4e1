"""Who asks, over HTTP."""

from fastapi import Request
from pydantic import ValidationError

from contracts.message import Actor
from runtime.decision import Refused


async def actor_of(request: Request) -> Actor:
    """Who asks, from `Holdfast-Actor: role:id`. Raises `Refused`: no_actor, bad_actor (both 401)."""
    text = request.headers.get("holdfast-actor", "")
    if not text:
        raise Refused("no_actor", "say who asks in the header Holdfast-Actor, such as buyer:b-1")
    role, _, id = text.partition(":")
    try:
        return Actor.model_validate({"role": role, "id": id})
    except ValidationError:
        raise Refused("bad_actor", "Holdfast-Actor is role:id with a known role, such as buyer:b-1") from None
