"""What the descriptions of all services share: problems, the answer to a command, and the routes of operators."""

from typing import Any

Json = dict[str, Any]


def _object(required: list[str], /, **properties: Json) -> Json:
    return {"type": "object", "required": required, "properties": properties}


def _json(schema: Json, description: str = "As asked") -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_TEXT: Json = {"type": "string"}
_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_WHOLE: Json = {"type": "integer"}

SCHEMAS: Json = {
    "Problem": {
        **_object(
            ["type", "title", "status", "detail", "code"],
            type={"type": "string", "format": "uri", "description": "urn:holdfast:problem:CODE"},
            title=_TEXT,
            status={"type": "integer", "minimum": 400, "maximum": 599},
            detail={"type": "string", "description": "what was wrong and what to do, for people"},
            code={"type": "string", "pattern": "^[a-z0-9_]+$", "description": "what programs read; docs/errors.md"},
            version={"type": "integer", "description": "with `stale_version`: the version that is there"},
        ),
        "description": "A problem document (RFC 9457).",
    },
    "Answer": {
        **_object(
            ["result"],
            result={
                "enum": ["done", "done_before"],
                "description": "`done_before`: handled so long ago that the answer of then is not kept any more",
            },
            version={"type": "integer", "description": "of the object, after it"},
            note={"type": "string", "description": "why nothing changed, if so"},
        ),
        "description": "The answer to a command that was not refused.",
        "examples": [{"result": "done", "version": 4}],
    },
    "DeadLetter": _object(
        ["seq", "key", "topic", "partition", "offset", "status", "code", "error", "parked_at"],
        seq=_WHOLE, key=_TEXT, topic=_TEXT, partition=_WHOLE, offset=_WHOLE, code=_TEXT, error=_TEXT,
        status={"enum": ["failed", "waiting", "replayed", "discarded"]},
        parked_at={"type": "string", "format": "date-time"},
    ),
}  # fmt: skip

_TITLES = {
    "401": "No token, or one that is not believed; a webhook that is not signed",
    "403": "The caller may not do this",
    "404": "There is no such thing, or not for this caller",
    "409": "The state forbids it",
    "412": "The object has another version than was expected",
    "413": "The body is too large",
    "415": "The body is of another type",
    "422": "What was sent is invalid in itself",
    "429": "Too many requests; come again after `Retry-After` seconds",
    "500": "A fault of ours, without effect; it is logged",
    "503": "Not now; come again after `Retry-After` seconds",
}
_HEADERS: dict[str, Json] = {
    "401": {"WWW-Authenticate": {"schema": _TEXT}},
    "412": {"ETag": {"schema": _TEXT, "description": "the version that is there"}},
    "429": {"Retry-After": {"schema": _WHOLE, "description": "seconds"}},
    "503": {"Retry-After": {"schema": _WHOLE, "description": "seconds"}},
}
RESPONSES: Json = {
    f"Problem{status}": {
        "description": title,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
    }
    for status, title in _TITLES.items()
} | {
    "Answered": {
        **_json({"$ref": "#/components/schemas/Answer"}, "Done, and committed"),
        "headers": {
            "Idempotency-Replayed": {"schema": {"const": "true"}, "description": "where the answer was given before"}
        },
    }
}

_READY = _json(
    _object(["status", "wrong"], status={"enum": ["ready", "waiting"]}, wrong={"type": "array", "items": _TEXT})
)
PUBLIC: dict[str, Json] = {
    "/livez": {"200": _json(_object(["status"], status={"const": "alive"}), "The process answers")},
    "/readyz": {"200": _READY | {"description": "Work gets done"}, "503": _READY | {"description": "It does not"}},
    "/metrics": {"200": {"description": "Prometheus text", "content": {"text/plain": {"schema": _TEXT}}}},
}
"""Who probes has no token."""

_LETTER: Json = {"$ref": "#/components/schemas/DeadLetter"}
_REASON: Json = {"type": "string", "minLength": 3, "maxLength": 500, "description": "kept, with who said so"}
_KEY: Json = {"name": "key", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _asked(schema: Json, example: Json) -> Json:
    content = {"application/json": {"schema": schema, "examples": {"example": {"value": example}}}}
    return {"required": True, "content": content}


OPERATORS: dict[str, Json] = {
    "/dead-letters": {
        "summary": "Messages set aside, oldest first; for operators",
        "parameters": [
            {"name": "after", "in": "query", "schema": {**_WHOLE, "default": 0}, "description": "the last `seq` seen"},
            {"name": "limit", "in": "query", "schema": {**_WHOLE, "minimum": 1, "maximum": 500, "default": 100}},
        ],
        "responses": {
            "200": _json(
                _object(
                    ["letters", "next"],
                    letters={"type": "array", "items": _LETTER},
                    next={"type": ["integer", "null"], "description": "send it as `after`; null on the last page"},
                )
            )
        },
    },
    "/dead-letters/{seq}": {
        "summary": "One message set aside, whole; for operators",
        "parameters": [{"name": "seq", "in": "path", "required": True, "schema": _WHOLE}],
        "responses": {
            "200": _json(
                {
                    "allOf": [
                        _LETTER,
                        _object(
                            ["record_key", "headers", "value", "value_encoding"],
                            record_key=_TEXT_OR_NULL,
                            headers={"type": "array", "items": {"type": "array", "items": _TEXT_OR_NULL}},
                            value=_TEXT_OR_NULL,
                            value_encoding={"enum": ["utf-8", "base64", None]},
                            resolved_at=_TEXT_OR_NULL,
                            resolved_by=_TEXT_OR_NULL,
                            reason=_TEXT_OR_NULL,
                        ),
                    ]
                }
            )
        },
    },
    "/dead-letters/{key}/replay": {
        "summary": "Handles the messages of a parked key again, first to see what would come of it; for operators",
        "parameters": [_KEY],
        "requestBody": _asked(
            _object(["reason"], reason=_REASON, dry_run={"type": "boolean", "default": True}),
            {"reason": "the fault is mended", "dry_run": True},
        ),
        "responses": {
            "200": _json(
                _object(
                    ["key", "dry_run", "letters", "left"],
                    key=_TEXT, dry_run={"type": "boolean"}, letters={"type": "array"}, left=_WHOLE,
                )
            )
        },
    },
    "/dead-letters/{key}/discard": {
        "summary": "Gives up the first message of a parked key; for operators",
        "parameters": [_KEY],
        "requestBody": _asked(
            _object(["reason", "seq"], reason=_REASON, seq=_WHOLE), {"reason": "sent by mistake", "seq": 17}
        ),
        "responses": {"200": _json(_object(["key", "discarded", "left"], key=_TEXT, discarded=_WHOLE, left=_WHOLE))},
    },
}  # fmt: skip
