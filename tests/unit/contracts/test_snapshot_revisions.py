"""Snapshots: a revision for every addition, never one for a break, and earlier messages stay readable."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import create_model

from contracts.message import Event, Id, Message
from contracts.snapshots import Contracts, check, lost, main, write


def thing(**fields: Any) -> type[Message]:
    """A throwaway event `shop.thing.v1` with an id and these fields: (type, default)."""
    base = create_model("_Base", __base__=Event, __module__="shop", thing_id=(Id, ...))
    model = create_model("Thing", __base__=base, __module__="shop", **fields)
    model.CE_TYPE, model.TOPIC, model.KEY = "shop.thing.v1", "shop.events.v1", "thing_id"
    return model


def contracts(message_type: type[Message], **example: Any) -> Contracts:
    return Contracts(
        registry={"shop.thing.v1": message_type},
        examples={"shop.thing.v1": message_type(thing_id="t-1", **example)},
        upcasts={},
    )


V1 = contracts(thing(size=(int, ...)), size=3)
ADDED = contracts(thing(size=(int, ...), colour=(str | None, None)), size=3, colour="red")
ADDED_AGAIN = contracts(thing(size=(int, ...), colour=(str | None, None), count=(int, 1)), size=3, count=2)


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.json"))


def test_a_new_message_needs_its_first_snapshot(tmp_path: Path) -> None:
    assert any("has no snapshot" in problem for problem in check(V1, tmp_path))

    assert write(V1, tmp_path) == ["shop.thing.v1 0001.json"]

    assert check(V1, tmp_path) == []
    assert files(tmp_path) == ["golden/shop.thing.v1/0001.json", "schemas/shop.thing.v1/0001.json"]
    assert (tmp_path / "golden/shop.thing.v1/0001.json").read_bytes() == b'{"thing_id":"t-1","size":3}'
    assert write(V1, tmp_path) == []


def test_an_addition_makes_the_next_revision_and_leaves_the_earlier_ones(tmp_path: Path) -> None:
    write(V1, tmp_path)
    first = (tmp_path / "schemas/shop.thing.v1/0001.json").read_bytes()
    assert any("differs from its newest snapshot" in problem for problem in check(ADDED, tmp_path))

    assert write(ADDED, tmp_path) == ["shop.thing.v1 0002.json"]
    assert write(ADDED_AGAIN, tmp_path) == ["shop.thing.v1 0003.json"]

    assert check(ADDED_AGAIN, tmp_path) == []
    assert (tmp_path / "schemas/shop.thing.v1/0001.json").read_bytes() == first
    assert len(files(tmp_path)) == 6


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (contracts(thing()), "breaks revision 0001: size: was removed"),
        (contracts(thing(size=(str, ...)), size="3"), "breaks revision 0001: size: type"),
        (contracts(thing(size=(int, ...), more=(int, ...)), size=1, more=1), "more: is new and required"),
    ],
    ids=["removed", "retyped", "required"],
)
def test_a_break_is_refused_and_nothing_is_written(tmp_path: Path, broken: Contracts, said: str) -> None:
    write(V1, tmp_path)
    before = files(tmp_path)

    assert any(said in problem for problem in check(broken, tmp_path))
    with pytest.raises(ValueError, match="make a new version"):
        write(broken, tmp_path)
    assert files(tmp_path) == before


def test_all_earlier_revisions_count_and_not_the_newest_alone(tmp_path: Path) -> None:
    write(V1, tmp_path)
    write(ADDED, tmp_path)
    write(ADDED_AGAIN, tmp_path)
    # As if a careless hand had taken the field out of the newest snapshot too.
    newest = tmp_path / "schemas/shop.thing.v1/0003.json"
    schema = json.loads(newest.read_text())
    del schema["properties"]["colour"]
    newest.write_text(json.dumps(schema))

    problems = check(contracts(thing(size=(int, ...), count=(int, 1)), size=3), tmp_path)

    assert "shop.thing.v1: breaks revision 0002: colour: was removed" in problems


def test_a_golden_message_that_no_longer_parses_is_seen(tmp_path: Path) -> None:
    write(V1, tmp_path)
    (tmp_path / "golden/shop.thing.v1/0001.json").write_bytes(b'{"thing_id":"t-1","size":"large"}')
    assert any("golden 0001: no longer parses" in problem for problem in check(V1, tmp_path))


def test_a_golden_message_that_loses_something_is_seen(tmp_path: Path) -> None:
    write(V1, tmp_path)
    (tmp_path / "golden/shop.thing.v1/0001.json").write_bytes(b'{"thing_id":"t-1","size":3,"colour":"red"}')
    assert "shop.thing.v1: golden 0001: loses colour" in check(V1, tmp_path)


def test_a_missing_golden_message_is_seen(tmp_path: Path) -> None:
    write(V1, tmp_path)
    (tmp_path / "golden/shop.thing.v1/0001.json").unlink()
    assert any("golden has []" in problem for problem in check(V1, tmp_path))


def test_a_message_that_is_gone_is_seen(tmp_path: Path) -> None:
    write(V1, tmp_path)
    problems = check(Contracts({}, {}, {}), tmp_path)
    assert problems == ["shop.thing.v1: is gone; messages of it still lie in topics, so its class stays"]


def test_an_upcast_that_leads_nowhere_is_seen(tmp_path: Path) -> None:
    write(V1, tmp_path)

    class ThingV2(Event, key="thing_id", name="Thing", version=2):
        """Not registered."""

        thing_id: Id

    message_type = V1.registry["shop.thing.v1"]
    with_upcast = Contracts(V1.registry, V1.examples, {message_type: lambda old: ThingV2(thing_id=old.thing_id)})
    assert any("which is not registered" in problem for problem in check(with_upcast, tmp_path))


@pytest.mark.parametrize(
    ("before", "after", "places"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}, []),
        ({"a": {"b": 1}}, {"a": {}}, ["a.b"]),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, ["a[1].b"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a"]),
        ({"a": 1}, {"a": True}, ["a"]),
        ({"a": 1}, {"a": 1.0}, ["a"]),
        (1, 2, ["the message"]),
    ],
)
def test_what_is_lost(before: Any, after: Any, places: list[str]) -> None:
    assert lost(before, after) == places


def test_a_wrong_call_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frobnicate"]) == 2
    assert "check|write" in capsys.readouterr().err
