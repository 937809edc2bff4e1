"""Errors over HTTP: RFC 9457 problems with a stable code."""

from typing import Any

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from runtime.decision import Refused

log = structlog.get_logger()

STATUS = {
    "no_actor": 401,
    "bad_actor": 401,
    "forbidden": 403,
    "not_found": 404,
    "too_large": 413,
    "unavailable": 503,
    "overloaded": 503,
}


def status_of(code: str) -> int:
    """The HTTP status of a refusal: by its code, 422 for what is invalid in itself, else 409 (the state forbids it)."""
    if code in STATUS:
        return STATUS[code]
    return 422 if code.startswith("invalid_") else 409


def problem(code: str, detail: str, status: int | None = None, **more: Any) -> JSONResponse:
    """A problem document. `code` is what programs read, `detail` what people read."""
    status = status or status_of(code)
    body = {
        "type": f"urn:holdfast:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        **more,
    }
    headers = {"retry-after": "1"} if status == 503 else None
    return JSONResponse(body, status, headers, media_type="application/problem+json")


async def on_refused(_: Request, error: Exception) -> JSONResponse:
    """FastAPI's handler for `Refused`."""
    assert isinstance(error, Refused)
    return problem(error.code, error.reason)


async def on_http_error(_: Request, error: Exception) -> JSONResponse:
    """What the framework answers by itself: unknown routes and methods."""
    assert isinstance(error, HTTPException)
    code = {404: "no_such_route", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    answer = problem(code, f"{error.detail}; the routes are listed at /openapi.json", error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def on_invalid_parameters(_: Request, error: Exception) -> JSONResponse:
    """Parameters of a path or a query that are not what the route declares."""
    assert isinstance(error, RequestValidationError)
    said = [f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()[:5]]
    return problem("invalid_parameter", "; ".join(said))


async def on_bad_value(_: Request, error: Exception) -> JSONResponse:
    """A value that no column can hold: a NUL character, a number beyond 64 bits."""
    return problem("invalid_value", "a value holds what cannot be stored or looked up; correct it")


async def on_away(request: Request, error: Exception) -> JSONResponse:
    """The database did not answer a query."""
    if isinstance(error, ValueError):  # a value that the driver cannot send is one of its interface errors
        return await on_bad_value(request, error)
    log.warning("query_failed", path=request.url.path, error=repr(error))
    return problem("unavailable", "the service waits for its database; try again")


async def on_fault(request: Request, error: Exception) -> JSONResponse:
    """A fault of ours."""
    log.error("request_failed", path=request.url.path, error=repr(error))
    return problem("internal_error", "this request met a fault of ours; it is logged", 500)
