"""What may change within a version, and that each kind of break is seen."""

from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import Field, create_model

from contracts.compatibility import breaks, same
from contracts.message import Event, Id, Moment, Part
from contracts.money import Money, Price
from contracts.schema import Schema, schema_of


class Colour(StrEnum):
    """Three values."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class TwoColours(StrEnum):
    """One value less."""

    RED = "red"
    GREEN = "green"


class OneColour(StrEnum):
    """A single value, which JSON Schema writes in another way."""

    RED = "red"


class Inner(Part):
    """A part."""

    size: Annotated[int, Field(ge=1, le=10)]


class WiderInner(Part):
    """The part with a field added and a limit widened."""

    size: Annotated[int, Field(ge=0, le=20)]
    note: str | None = None


class NarrowerInner(Part):
    """The part with a limit narrowed."""

    size: Annotated[int, Field(ge=1, le=9)]


def schema(**fields: Any) -> Schema:
    """The schema of a throwaway event with an id and these fields: a type, or (type, default)."""
    base = create_model("_Base", __base__=Event, __module__="throwaway", thing_id=(Id, ...))
    definitions = {name: field if isinstance(field, tuple) else (field, ...) for name, field in fields.items()}
    model = create_model("Thing", __base__=base, __module__="throwaway", **definitions)
    model.CE_TYPE, model.TOPIC, model.KEY = "throwaway.thing.v1", "throwaway.events.v1", "thing_id"
    return schema_of(model)


ALLOWED = {
    "nothing": ({"x": int}, {"x": int}),
    "an optional field is added": ({}, {"x": (int | None, None)}),
    "a field with a default is added": ({}, {"x": (int, 5)}),
    "an enum value is added": ({"x": TwoColours}, {"x": Colour}),
    "a second enum value is added": ({"x": OneColour}, {"x": TwoColours}),
    "limits are widened": (
        {"x": Annotated[int, Field(ge=1, le=10)], "y": Annotated[str, Field(min_length=2, max_length=5)]},
        {"x": Annotated[int, Field(ge=0, le=11)], "y": Annotated[str, Field(min_length=1, max_length=6)]},
    ),
    "limits go": ({"x": Annotated[int, Field(ge=1, le=10)]}, {"x": int}),
    "a part is widened": ({"x": Inner}, {"x": WiderInner}),
    "a part in a list is widened": ({"x": tuple[Inner, ...]}, {"x": tuple[WiderInner, ...]}),
    "an optional part is widened": ({"x": (Inner | None, None)}, {"x": (WiderInner | None, None)}),
    "a price may be zero": ({"x": Price}, {"x": Money}),
}

BREAKS = {
    "a field is removed": ({"x": int}, {}, "x: was removed"),
    "an optional field is removed": ({"x": (int | None, None)}, {}, "x: was removed"),
    "a field is renamed": ({"x": int}, {"y": int}, "x: was removed"),
    "a required field is added": ({}, {"x": int}, "x: is new and required"),
    "an optional field becomes required": ({"x": (int, 5)}, {"x": int}, "x: has become required"),
    "a required field becomes optional": ({"x": int}, {"x": (int, 5)}, "x: is no longer required"),
    "null is no longer allowed": ({"x": (int | None, None)}, {"x": (int, 5)}, "anyOf"),
    "null is allowed": ({"x": (int, 5)}, {"x": (int | None, 5)}, "anyOf"),
    "a default changes": ({"x": (int, 5)}, {"x": (int, 6)}, "default was 5 and is 6"),
    "a type changes": ({"x": int}, {"x": str}, "type was 'integer' and is 'string'"),
    "a type is narrowed": ({"x": float}, {"x": int}, "type was 'number' and is 'integer'"),
    "a format appears": ({"x": str}, {"x": Moment}, "format"),
    "a pattern changes": (
        {"x": Annotated[str, Field(pattern="^a$")]},
        {"x": Annotated[str, Field(pattern="^b$")]},
        "pattern",
    ),
    "a pattern appears": ({"x": str}, {"x": Id}, "pattern"),
    "a pattern goes": ({"x": Id}, {"x": str}, "pattern"),
    "a least rises": ({"x": Annotated[int, Field(ge=1)]}, {"x": Annotated[int, Field(ge=2)]}, "minimum was 1 and is 2"),
    "a most falls": ({"x": Annotated[int, Field(le=9)]}, {"x": Annotated[int, Field(le=8)]}, "maximum was 9 and is 8"),
    "a limit appears": ({"x": str}, {"x": Annotated[str, Field(max_length=9)]}, "maxLength was None and is 9"),
    "a list gets shorter": (
        {"x": Annotated[tuple[int, ...], Field(max_length=9)]},
        {"x": Annotated[tuple[int, ...], Field(max_length=8)]},
        "maxItems was 9 and is 8",
    ),
    "a list becomes one": ({"x": tuple[int, ...]}, {"x": int}, "type was 'array'"),
    "items of a list change": ({"x": tuple[int, ...]}, {"x": tuple[str, ...]}, "x[]: type"),
    "an enum value is removed": ({"x": Colour}, {"x": TwoColours}, "value 'blue' was removed"),
    "all enum values but one are removed": ({"x": TwoColours}, {"x": OneColour}, "value 'green' was removed"),
    "free text becomes an enum": ({"x": str}, {"x": Colour}, "enum was None"),
    "an enum becomes free text": ({"x": Colour}, {"x": str}, "enum was"),
    "a part is narrowed": ({"x": Inner}, {"x": NarrowerInner}, "x.size: maximum was 10 and is 9"),
    "a part in a list is narrowed": ({"x": tuple[WiderInner, ...]}, {"x": tuple[Inner, ...]}, "x[].note: was removed"),
    "an optional part is narrowed": ({"x": (Inner | None, None)}, {"x": (NarrowerInner | None, None)}, "x.size"),
    "an amount may no longer be zero": ({"x": Money}, {"x": Price}, "x.amount: minimum was 0 and is 1"),
}


@pytest.mark.parametrize(("old", "new"), ALLOWED.values(), ids=ALLOWED)
def test_additions_are_allowed(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert breaks(schema(**old), schema(**new)) == []


@pytest.mark.parametrize(("old", "new", "said"), BREAKS.values(), ids=BREAKS)
def test_each_kind_of_break_is_seen(old: dict[str, Any], new: dict[str, Any], said: str) -> None:
    found = breaks(schema(**old), schema(**new))
    assert any(said in one for one in found), found


@pytest.mark.parametrize("keyword", ["x-topic", "x-key"])
def test_topic_and_key_never_change(keyword: str) -> None:
    old = schema(x=int)
    assert any(keyword in one for one in breaks(old, old | {keyword: "other"}))


def test_words_may_change_freely() -> None:
    old = schema(x=Annotated[int, Field(description="a number", examples=[1])], description=str, title=str)
    new = schema(x=Annotated[int, Field(description="another word")], description=str, title=str)
    assert old != new
    assert same(old, new)
    assert not same(old, schema(x=int, description=str))
