"""Orders over HTTP: the five commands, one order, and lists. Buyers and sellers read their own orders only (E10)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from contracts.message import Actor, Id, Role
from contracts.orders import CancelOrder, ConfirmReceipt, PayOrder, PlaceOrder, ShipOrder
from orders.order import Status
from orders.repository import PAGE_LIMIT, list_orders
from orders.rules import not_found, takes_part
from orders.views import order_summary, order_view
from runtime.access import actor_of
from runtime.decision import Ref, Refused
from runtime.http import Api, command

router = APIRouter()


@router.get("/orders/{order_id}")
async def read_order(request: Request, order_id: Id) -> dict[str, Any]:
    """One order as the actor may see it; not_found for buyers and sellers who have no part in it."""
    actor = await actor_of(request)
    found = await request.app.state.repository.get(request.app.state.pool, Ref("orders", order_id))
    if found is None or not takes_part(found.state, actor.role, actor.id):
        raise not_found()
    return order_view(found.state, found.version, actor.role)


@router.get("/orders")
async def read_orders(
    request: Request,
    buyer_id: Id | None = None,
    seller_id: Id | None = None,
    state: Status | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 50,
    after: Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._:-]*$")] = "",
) -> dict[str, Any]:
    """Orders by id. Go on with `after` = `next` until it is null; a page may hold fewer than `limit`."""
    actor = await actor_of(request)
    buyer_id, seller_id = _own(actor, buyer_id, seller_id)
    page = await list_orders(
        request.app.state.pool, buyer_id=buyer_id, seller_id=seller_id, status=state, after=after, limit=limit
    )
    return {
        "orders": [order_summary(found.state, found.version, actor.role) for found in page.orders],
        "next": page.next_after,
    }


def _own(actor: Actor, buyer_id: str | None, seller_id: str | None) -> tuple[str | None, str | None]:
    """The filters with the actor's own id in them: nobody lists other people's orders, and no seller asks by buyer."""
    if actor.role is Role.BUYER and buyer_id in (None, actor.id):
        return actor.id, seller_id
    if actor.role is Role.SELLER and seller_id in (None, actor.id) and buyer_id is None:
        return None, actor.id
    if actor.role in (Role.BUYER, Role.SELLER):
        raise Refused("forbidden", "buyers and sellers list their own orders; leave the other filter out")
    return buyer_id, seller_id


API = Api(
    commands=(
        command("/orders", PlaceOrder),
        command("/orders/{order_id}/payment", PayOrder),
        command("/orders/{order_id}/shipment", ShipOrder),
        command("/orders/{order_id}/receipt", ConfirmReceipt),
        command("/orders/{order_id}/cancellation", CancelOrder),
    ),
    queries=(),
    routers=(router,),
)
