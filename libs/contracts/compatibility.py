"""What may change in a message within its version, told from two of its JSON Schemas. Pure.

Records of every revision lie in topics, tables and other systems side by side, and services are deployed one by one.
So a change must be right both ways: today's class reads everything that any earlier revision allowed, and a reader
built for any earlier revision finds everything it relied on. Within a version

- a field is never removed, and its type, pattern, format and default never change;
- a new field is optional; a required field stays required, an optional one optional;
- limits (least, most, lengths) may widen or go, never narrow or appear;
- values may be added to an enum, never taken away (deploy the readers before the first writer of a new value);
- topic and key never change;
- descriptions, titles and examples may change freely.

Anything else is a break. A break is a new class with the next version and an upcast from the old one.
"""

from collections.abc import Iterator
from typing import Any

from contracts.schema import Schema

_ANNOTATIONS = {"$schema", "$id", "$defs", "$comment", "title", "description", "examples"}
_LEASTS = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_MOSTS = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}


def breaks(old: Schema, new: Schema) -> list[str]:
    """What of the change from one schema to the other is not allowed within a version, one line each; [] if nothing."""
    return list(_compare("", _inlined(old, old), _inlined(new, new)))


def same(one: Schema, other: Schema) -> bool:
    """Whether two schemas mean the same: they differ in descriptions, titles and examples at most."""
    return not breaks(one, other) and not breaks(other, one)


def _compare(path: str, old: Schema, new: Schema) -> Iterator[str]:
    here = path or "the message"
    for keyword in sorted((old.keys() | new.keys()) - _ANNOTATIONS):
        was, now = old.get(keyword), new.get(keyword)
        if was == now:
            continue
        if keyword == "properties":
            yield from _compare_fields(path, was or {}, now or {})
        elif keyword == "required":
            yield from _compare_required(path, old, new)
        elif keyword in _LEASTS or keyword in _MOSTS:
            if now is not None and (was is None or (now > was) == (keyword in _LEASTS)):
                yield f"{here}: {keyword} was {was} and is {now}, which is narrower"
        elif keyword == "enum" and was and now:
            yield from (f"{here}: value {value!r} was removed" for value in was if value not in now)
        elif keyword == "items" and was and now:
            yield from _compare(f"{path}[]", was, now)
        elif keyword == "anyOf" and was and now and len(was) == len(now):
            for choice_was, choice_now in zip(was, now, strict=True):
                yield from _compare(path, choice_was, choice_now)
        else:
            yield f"{here}: {keyword} was {was!r} and is {now!r}"


def _compare_fields(path: str, was: dict[str, Schema], now: dict[str, Schema]) -> Iterator[str]:
    for name, schema in was.items():
        if name in now:
            yield from _compare(_field(path, name), schema, now[name])
        else:
            yield f"{_field(path, name)}: was removed"


def _compare_required(path: str, old: Schema, new: Schema) -> Iterator[str]:
    was, now = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(now - was):
        new_field = name not in old.get("properties", {})
        yield f"{_field(path, name)}: {'is new and required' if new_field else 'has become required'}"
    for name in sorted((was - now) & new.get("properties", {}).keys()):
        yield f"{_field(path, name)}: is no longer required"


def _field(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _inlined(node: Any, document: Schema) -> Any:
    """The schema without references: each replaced by its target, under what stands beside it. A fixed value is an
    enum of one. Parts of messages never contain themselves, so this ends."""
    if isinstance(node, list):
        return [_inlined(item, document) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _inlined(value, document) for name, value in node.items() if name not in ("$ref", "$defs")}
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    if "$ref" not in node:
        return plain
    target = document["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return _laid_over(_inlined(target, document), plain)


def _laid_over(under: Any, over: Any) -> Any:
    if isinstance(under, dict) and isinstance(over, dict):
        return under | {name: _laid_over(under.get(name), value) for name, value in over.items()}
    return over
