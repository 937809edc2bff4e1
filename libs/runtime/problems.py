"""Errors over HTTP: RFC 9457 problems with a stable code."""

from typing import Any

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from runtime.access import challenge
from runtime.decision import Refused
from runtime.limits import Limits

log = structlog.get_logger()

STATUS = {
    "no_token": 401,
    "invalid_token": 401,
    "expired_token": 401,
    "invalid_provider_key": 401,
    "webhook_unsigned": 401,
    "webhook_forged": 401,
    "webhook_out_of_time": 401,
    "forbidden": 403,
    "webhook_sender_forbidden": 403,
    "not_found": 404,
    "day_not_closed": 404,
    "no_such_route": 404,
    "method_not_allowed": 405,
    "stale_version": 412,
    "too_large": 413,
    "invalid_content_type": 415,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "bad_request": 400,
    "decision_failed": 500,
    "internal_error": 500,
    "unavailable": 503,
    "overloaded": 503,
    "webhooks_not_configured": 503,
}

TRY_AGAIN = frozenset({"request_in_flight"})
"""Codes besides those of 429 and 503 that say when to come again."""
RETRY = {"retry-after": "1"}
"""Seconds. A limit of rate gives a token at least once a second."""


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
    headers = challenge(code) if status == 401 else RETRY if status in (429, 503) or code in TRY_AGAIN else None
    return JSONResponse(body, status, headers, media_type="application/problem+json")


async def on_refused(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's handler for `Refused`. Who cannot say who they are is limited by address."""
    assert isinstance(error, Refused)
    if status_of(error.code) == 401:
        limits: Limits | None = request.app.state.access.limits
        client = request.client.host if request.client else ""
        if limits and not limits.admits(f"address:{client}"):
            error = limits.refused()
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
    return problem("internal_error", "this request met a fault of ours; it is logged")
