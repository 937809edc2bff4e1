"""The provider over HTTP, as a marketplace that has no Kafka with it would use it: `/v1`, with a key.

Every operation is named by whoever asks (`operation_id`) and happens once however often it is asked for. Answers say
what is known now; results follow by webhook. Whom the fault `timeout` or `request_lost` meets hears nothing in time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import SecretStr, ValidationError

from contracts.message import Actor, Command, Role
from contracts.payments import CollectPayment, PayOut, QueryOperation, RefundPayment
from runtime.decision import Ref, Refused
from runtime.fold import Done, Refusal
from runtime.http import json_of
from runtime.ids import new_id
from simulators.payments.operations import Asked, Asking, Operation, Status

MERCHANT = Actor(id="merchant", role=Role.SERVICE)
SILENT_FOR = 30.0
"""Seconds at most; whoever waits gives up before."""
LOOKS = 0.05

PATHS: dict[type[Command], str] = {CollectPayment: "/v1/payments", RefundPayment: "/v1/refunds", PayOut: "/v1/payouts"}


def provider(key: SecretStr) -> APIRouter:
    """The routes, for whoever has the key."""
    router = APIRouter()

    def refuse_strangers(request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if not compare_digest(given, f"Bearer {key.get_secret_value()}".encode()):
            raise Refused("invalid_provider_key", "send the key the provider gave you, as Authorization: Bearer KEY")

    def asking(command: type[Asking]) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def ask(request: Request) -> JSONResponse:
            refuse_strangers(request)
            asked = _read(command, await json_of(request))
            began = await _accept(request, asked)
            operation = await _found(request, asked.operation_id)
            if operation is None or (began and "timeout" in operation.faults):
                await _say_nothing(request)
            return JSONResponse(_view(operation) if operation else {}, 202)

        return ask

    for command, path in PATHS.items():
        # Bound to a name so that each route has its own function.
        router.add_api_route(path, asking(command), methods=["POST"], status_code=202, name=command.__name__)  # type: ignore[arg-type]

    @router.get("/v1/operations/{operation_id}")
    async def read_operation(request: Request, operation_id: str) -> JSONResponse:
        """Where an operation stands; 404 where the provider never heard of it, so that asking again is safe."""
        refuse_strangers(request)
        operation = await _found(request, operation_id)
        if operation is None:
            raise Refused("not_found", "the provider never heard of this operation: nothing moved")
        return JSONResponse(_view(operation))

    @router.post("/v1/operations/{operation_id}/query", status_code=202)
    async def query_operation(request: Request, operation_id: str) -> JSONResponse:
        """Has the result told again by webhook, or that there is no such operation. Body: the `reference`."""
        refuse_strangers(request)
        query = _read(QueryOperation, await json_of(request) | {"operation_id": operation_id})
        await _accept(request, query)
        operation = await _found(request, operation_id)
        return JSONResponse(_view(operation) if operation else {"operation_id": operation_id, "status": "unknown"}, 202)

    return router


def _read(command: type[Asking], fields: dict[str, Any]) -> Asking:
    try:
        return command.model_validate({**fields, "actor": MERCHANT})
    except ValidationError as error:
        said = [
            f"{'.'.join(map(str, detail['loc'])) or 'body'}: {detail['msg']}"
            for detail in error.errors(include_url=False, include_input=False)[:5]
        ]
        raise Refused("invalid_data", "; ".join(said)) from None


async def _accept(request: Request, asked: Asking) -> bool:
    """Whether this began the operation. Every asking is decided anew: the operation's id makes it one."""
    command = Asked(actor=MERCHANT, operation_id=asked.operation_id, request=asked)
    match await request.app.state.accept(UUID(new_id()), command):
        case Done(version=version, note=note):
            return version == 1 and not note
        case Refusal(code=code, reason=reason):
            raise Refused(code, reason)
    raise Refused("unavailable", "the provider has a fault; ask what became of the operation")


async def _found(request: Request, operation_id: str) -> Operation | None:
    found = await request.app.state.repository.get(request.app.state.pool, Ref("operations", operation_id))
    return found.state if found and found.state.status is not Status.LOST else None


async def _say_nothing(request: Request) -> None:
    """Until whoever asked has given up."""
    for _ in range(int(SILENT_FOR / LOOKS)):
        if await request.is_disconnected():
            return
        await asyncio.sleep(LOOKS)


def _view(operation: Operation) -> dict[str, Any]:
    return {
        "operation_id": operation.operation_id,
        "reference": operation.reference,
        "kind": operation.kind.value,
        "amount": {"amount": operation.amount, "currency": operation.currency},
        "status": operation.status.value,
        "reason": operation.fails if operation.status is Status.FAILED else None,
    }
