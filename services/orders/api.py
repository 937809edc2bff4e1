"""Orders over HTTP: the commands, one order, its money and its address, and lists. Buyers and sellers read their own
orders only (E10)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from contracts.message import Actor, Id, Role
from contracts.orders import (
    CancelOrder,
    ConfirmReceipt,
    PayOrder,
    PlaceOrder,
    RequestQuote,
    ReturnPayment,
    ShipOrder,
)
from orders.address import Address, SetShippingAddress
from orders.addresses import may_read
from orders.legs import money_view
from orders.order import Status
from orders.quotes import Issued
from orders.repository import PAGE_LIMIT, address_of, list_orders
from orders.rules import not_found, takes_part
from orders.shapes import MoneyShown, Orders, OrderShown, QuoteShown
from orders.views import order_summary, order_view, quote_view
from runtime.access import actor_of, is_staff
from runtime.decision import Ref, Refused
from runtime.fold import Versioned
from runtime.http import Api, command, query, shown, shows

router = APIRouter()

EXAMPLE_ADDRESS = {"name": "A. Example", "line_1": "1 Example Street", "city": "Berlin", "country": "DE"}


@router.get("/orders/{order_id}", **shows(OrderShown))
async def read_order(request: Request, order_id: Id) -> Response:
    """One order as the actor may see it; not_found for buyers and sellers who have no part in it."""
    actor = await actor_of(request)
    found = await _seen_by(actor, request, order_id)
    return shown(order_view(found.state, found.version, actor.role), found.version)


@router.get("/orders/{order_id}/money", **shows(MoneyShown))
async def read_money(request: Request, order_id: Id) -> Response:
    """Where the order's money is: each leg, who holds it, when it should arrive, and whether it is overdue (E11)."""
    actor = await actor_of(request)
    found = await _seen_by(actor, request, order_id)
    return shown(money_view(found.state, found.version, actor.role, request.app.state.clock.now()), found.version)


@router.get("/orders/{order_id}/shipping-address")
async def read_address(request: Request, response: Response, order_id: Id) -> Address:
    """Where the parcel goes; for the seller only from secured funds to delivery (E10). not_found where nobody said so,
    or it is erased already."""
    actor = await actor_of(request)
    found = await _seen_by(actor, request, order_id)
    if not may_read(found.state, actor.role):
        raise Refused("forbidden", "a seller sees the address from the moment the funds are secured until the delivery")
    address = await address_of(request.app.state.pool, order_id)
    if address is None:
        raise Refused("not_found", "no address is kept for this order")
    response.headers["cache-control"] = "no-store"
    return address


async def _seen_by(actor: Actor, request: Request, order_id: str) -> Versioned:
    """The order, if it is there for this actor; else raises `Refused` (not_found)."""
    found: Versioned | None = await request.app.state.repository.get(request.app.state.pool, Ref("orders", order_id))
    if found is None or not takes_part(found.state, actor.role, actor.id):
        raise not_found()
    return found


def _own_quote(quote: Issued, actor: Actor) -> bool:
    return is_staff(quote, actor) or (actor.role is Role.BUYER and actor.id == quote.buyer_id)


@router.get("/orders", **shows(Orders))
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
        command("/quotes", RequestQuote),
        command("/orders", PlaceOrder),
        command("/orders/{order_id}/shipping-address", SetShippingAddress, example={"address": EXAMPLE_ADDRESS}),
        command("/orders/{order_id}/payment", PayOrder),
        command("/orders/{order_id}/shipment", ShipOrder),
        command("/orders/{order_id}/receipt", ConfirmReceipt),
        command("/orders/{order_id}/cancellation", CancelOrder),
        command("/orders/{order_id}/returned-payment", ReturnPayment),
    ),
    queries=(query("/quotes/{quote_id}", "quotes", quote_view, _own_quote, QuoteShown),),
    routers=(router,),
)
