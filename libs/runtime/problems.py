"""Errors over HTTP: RFC 9457 problems with a stable code."""

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from runtime.decision import Refused

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
