"""The drawn parts of documents show what there is."""

import re

import pytest

from contracts.registry import REGISTRY, TOPICS
from holdfast import documents, pictures
from runtime.settings import Settings

DRAWN = pictures.topics(documents.SERVICES)


def edges() -> set[tuple[str, str]]:
    return {(match[1], match[2]) for match in re.finditer(r"^ +(\w+) --> (\w+)$", DRAWN, re.M)}


def node(topic: str) -> str:
    return topic.removesuffix(".v1").replace(".", "_")


def test_every_topic_has_a_writer_and_every_command_topic_a_reader() -> None:
    for topic in TOPICS:
        assert {writer for writer, read in edges() if read == node(topic)}, topic
        assert not topic.endswith("commands.v1") or {reader for written, reader in edges() if written == node(topic)}


def test_services_read_what_their_routes_say() -> None:
    for service in documents.SERVICES:
        drawn = {source for source, reader in edges() if reader == service.name}
        assert drawn == {node(message.TOPIC) for message in service.routes if message in REGISTRY.values()}


@pytest.mark.parametrize(
    ("who", "topic"),
    [
        ("escrow", "payments.commands.v1"),
        ("escrow", "identity.commands.v1"),
        ("escrow", "deposits.commands.v1"),
        ("orders", "payments.commands.v1"),
        ("other", "orders.commands.v1"),
        ("carrier", "carrier.events.v1"),
    ],
)
def test_who_asks_whom_is_drawn(who: str, topic: str) -> None:
    assert (who, node(topic)) in edges()


def test_every_setting_is_in_the_table_and_no_secret_has_a_default() -> None:
    table = pictures.settings()
    for name in Settings.model_fields:
        assert f"`HOLDFAST_{name.upper()}`" in table
    assert "`HOLDFAST_DATABASE_URL` | required" in table


def test_only_what_stands_between_marks_is_replaced() -> None:
    text = "before\n<!-- drawn: one -->\nold\n<!-- end -->\nafter\n"
    assert pictures.filled(text, {"one": "new\n"}) == text.replace("old", "new")
    with pytest.raises(KeyError):
        pictures.filled(text, {})
