"""The HTTP side of a service: commands in, states out. A service declares an `Api`; this makes the routes.

A command is POSTed: its ids stand in the path, the rest in a JSON body, who asks in a bearer token. With an
`Idempotency-Key` the same request may be sent again (see `idempotency.py`); with `If-Match` it is only done to the
version that the caller read. The answer comes after COMMIT.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import ValidationError

from contracts.message import Actor, Command
from runtime import idempotency
from runtime.access import actor_of, is_staff
from runtime.batch import Answer, Duplicate, Parked, Repeated
from runtime.decision import Ref, Refused
from runtime.fold import Done, Failed, Refusal
from runtime.ids import new_id
from runtime.problems import problem
from runtime.watches import Watch

MAX_BODY_BYTES = 256 * 1024
QUERY_WITHIN = 5.0
REPLAYED = {"idempotency-replayed": "true"}
"""The header of an answer that was given before."""
_ETAG = re.compile(r'"(0|[1-9][0-9]{0,17})"')

View = Callable[[Any, int], dict[str, Any]]
Visible = Callable[[Any, Actor], bool]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class CommandRoute:
    """`POST path` carries this command; fields named in the path are taken from it."""

    path: str
    command: type[Command]
    example: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class QueryRoute:
    """`GET path` shows one aggregate to those for whom it is there; the path's one field is its id."""

    path: str
    aggregate: str
    view: View
    visible: Visible
    shows: Any = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Api:
    """What a service offers over HTTP. Handlers of `routers` find `request.app.state.pool` and `.clock`; `watches` tell
    `/metrics` what only the service knows to look for."""

    commands: Sequence[CommandRoute] = ()
    queries: Sequence[QueryRoute] = ()
    routers: Sequence[APIRouter] = ()
    watches: Sequence[Watch] = ()


def command(path: str, command: type[Command], example: Mapping[str, Any] | None = None) -> CommandRoute:
    """Declares a command route; a command of the contracts has its `example` there."""
    return CommandRoute(path, command, example)


def query(
    path: str, aggregate: str, view: View, visible: Visible = is_staff, shows: Any = dict[str, Any]
) -> QueryRoute:
    """Declares a query route; `view(state, version)` gives what is shown, `visible(state, actor)` says to whom: for all
    others the object is not there. `shows` is the type of what is shown, for the description."""
    return QueryRoute(path, aggregate, view, visible, shows)


def shows(of: Any) -> dict[str, Any]:
    """For a handler of its own: `@router.get(path, **shows(Page))` describes what it answers as this type."""
    return {"response_model": None, "responses": {200: {"model": of}}}


def shown(body: Any, version: int) -> Response:
    """What is shown of one aggregate, under the ETag that a later `If-Match` names."""
    return _json(body, {"etag": etag(version)})


def _json(body: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json", headers=headers)


def etag(version: int) -> str:
    """An aggregate's version as an ETag."""
    return f'"{version}"'


def add_routes(app: FastAPI, api: Api) -> None:
    """Adds the declared routes to a service's app."""
    for route in api.commands:
        app.router.add_api_route(
            route.path,
            _command_handler(route),
            methods=["POST"],
            name=route.command.__name__,
            response_model=None,
            route_class_override=_Bare,
        )
    for read in api.queries:
        app.router.add_api_route(
            read.path,
            _query_handler(read),
            methods=["GET"],
            name=f"get_{read.aggregate}",
            route_class_override=_Bare,
            **shows(read.shows),
        )
    for router in api.routers:
        app.include_router(router)


class _Bare(APIRoute):
    """A route whose handler takes the request as it is: nothing is looked for that the handler could depend on."""

    def get_route_handler(self) -> Handler:
        handler: Handler = self.endpoint
        return handler


async def body_of(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    """The request's body; raises `Refused` (too_large) beyond `most` bytes, without reading on."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Refused("too_large", f"a body may have {most} bytes")
    return bytes(body)


async def json_of(request: Request) -> dict[str, Any]:
    """The request's body as a JSON object, {} where it is empty. Raises `Refused`: invalid_content_type, invalid_json,
    too_large."""
    told = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if told != "application/json" and not (told.startswith("application/") and told.endswith("+json")):
        raise Refused("invalid_content_type", "send the body as JSON, with content-type: application/json")
    body = await body_of(request)
    try:
        fields = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("invalid_json", "the body is not JSON") from None
    if not isinstance(fields, dict):
        raise Refused("invalid_json", "the body must be a JSON object")
    return fields


def _command_handler(route: CommandRoute) -> Handler:
    async def handle(request: Request) -> Response:
        actor = await actor_of(request)
        fields = _conditional(await json_of(request), request.headers.get("if-match"))
        command = _validated(route.command, fields, request.path_params, actor)
        state = request.app.state
        key = request.headers.get("idempotency-key")
        if key is None:
            return _response(await state.accept(UUID(new_id()), command))
        id = idempotency.command_id(request.scope["path"], actor, key)
        with idempotency.in_flight(state.under_way, id):
            return _response(await state.accept(id, command, idempotency.digest(fields)))

    return handle


def _response(answer: Answer) -> Response:
    match answer:
        case Done(version=version, note=note):
            return _json({"result": "done", "version": version} | ({"note": note} if note else {}))
        case Refusal(code=code, reason=reason, version=None):
            return problem(code, reason)
        case Refusal(code=code, reason=reason, version=int(version)):
            response = problem(code, reason, version=version)
            response.headers["etag"] = etag(version)
            return response
        case Repeated(answer=before):
            again = _response(before)
            again.headers.update(REPLAYED)
            return again
        case Duplicate():
            return _json({"result": "done_before"}, REPLAYED)
        case Parked():
            return problem("key_parked", "an earlier message of this key waits for an operator; try again later")
        case Failed():
            return problem("decision_failed", "this command met a fault of ours; it had no effect")
    raise AssertionError(answer)


def _query_handler(route: QueryRoute) -> Handler:
    async def handle(request: Request) -> Response:
        actor = await actor_of(request)
        (id,) = request.path_params.values()
        async with request.app.state.pool.acquire(timeout=QUERY_WITHIN) as connection:
            async with asyncio.timeout(QUERY_WITHIN):
                found = await request.app.state.repository.get(connection, Ref(route.aggregate, id))
        if found is None or not route.visible(found.state, actor):
            raise Refused("not_found", f"there is no {route.path.strip('/').split('/')[0]} {id[:64]!r}")
        return shown(route.view(found.state, found.version), found.version)

    return handle


def _conditional(fields: dict[str, Any], if_match: str | None) -> dict[str, Any]:
    """The fields with the version that `If-Match` asks for: it is compared where the aggregate is locked."""
    if if_match is None:
        return fields
    named = _ETAG.fullmatch(if_match.strip())
    if named is None:
        raise Refused("invalid_if_match", 'If-Match names one ETag as a read of this object gave it, such as "7"')
    version = int(named[1])
    if fields.get("expected_version", version) != version:
        raise Refused("invalid_if_match", "If-Match and expected_version differ; send one of them")
    return fields | {"expected_version": version}


def _validated(command: type[Command], fields: dict[str, Any], path: dict[str, Any], actor: Actor) -> Command:
    if twice := fields.keys() & (path.keys() | {"actor"}):
        raise Refused("invalid_data", f"{', '.join(sorted(twice))}: given by the path or the header, not in the body")
    try:
        return command.model_validate(fields | path | {"actor": actor})
    except ValidationError as error:
        said = [
            f"{'.'.join(map(str, detail['loc'])) or 'body'}: {detail['msg']}"
            for detail in error.errors(include_url=False, include_input=False)[:5]
        ]
        raise Refused("invalid_data", "; ".join(said)) from None
