"""Topic flows (X6): what is made of what the broker tells, and of what was seen on the topics."""

import json

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from contracts.envelope import encode
from contracts.examples import EXAMPLES
from holdfast import events
from holdfast.flows import LATELY, Flow, rounds, told, waiting
from holdfast.observed import Declared, Seen, compared, declared
from tests.unit.holdfast.test_timeline import NOW

A0, A1, B0 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)


def test_a_topic_has_its_rate_and_each_group_its_lag_in_messages_and_seconds() -> None:
    published = {A0: 100, A1: 50, B0: 0}
    stands = {"slow": {A0: 70, A1: 50}, "quick": {A0: 100, TopicPartition("gone", 0): 5}}
    flows = told(published, {A0: 40}, stands, {("a", 0, 70): 12.5})
    assert flows == [
        Flow("a", 150, {"slow": 30, "quick": 0}, 60 / LATELY, {"slow": 12.5}),
        Flow("b", 0, {}, 0.0, {}),
    ]


def test_where_groups_wait_the_record_at_which_each_stands_is_looked_at() -> None:
    found = waiting({A0: 100, A1: 50}, {"slow": {A0: 70, A1: 20}, "slower": {A0: 60}, "level": {A1: 50}})
    assert found == {A0: [60, 70], A1: [20]}
    assert rounds(found) == [{A0: 60, A1: 20}, {A0: 70}]
    assert rounds({}) == []


def test_two_groups_behind_on_one_partition_have_an_age_each() -> None:
    stands = {"slow": {A0: 70}, "slower": {A0: 60}}
    (flow,) = told({A0: 100}, {}, stands, {("a", 0, 70): 3.0, ("a", 0, 60): 9.0})
    assert (flow.lag, flow.behind) == ({"slow": 30, "slower": 40}, {"slow": 3.0, "slower": 9.0})


ROLES = {
    "orders.events.v1": Declared(frozenset({"orders"}), frozenset({"escrow"}), frozenset({"paid", "shipped"})),
    "orders.commands.v1": Declared(frozenset({"others"}), frozenset({"orders"}), frozenset({"pay"})),
    "orders.dead_letters.v1": Declared(frozenset({"orders"}), frozenset(), frozenset()),
}


def test_x6_what_is_declared_and_silent_stands_beside_what_is_seen_and_undeclared() -> None:
    seen = [
        Seen("orders.events.v1", "paid", "orders", 9),
        Seen("orders.events.v1", "paid", "somebody", 2),
        Seen("orders.events.v1", "pay", "orders", 1),
        Seen("orders.events.v1", "", "", 3),
        Seen("orders.commands.v1", "pay", "a shop", 5),
        Seen("orders.dead_letters.v1", "whatever", "orders", 1),
    ]
    flows = [Flow("orders.events.v1", 15, {"escrow": 0, "a warehouse": 4})]

    found = compared(ROLES, seen, flows, [*ROLES, "shop.clicks.v1"])

    assert found.silent == {"orders.events.v1": ("shipped",)}
    assert found.undeclared == (
        "shop.clicks.v1: no topic of ours",
        "orders.events.v1: no message from nobody, 3 times",
        "orders.events.v1: paid is written by somebody, 2 times",
        "orders.events.v1: pay from orders, 1 times",
        "orders.events.v1: read by the group a warehouse",
    )


def test_every_topic_has_somebody_who_writes_to_it_and_every_command_somebody_who_reads_it() -> None:
    for topic, roles in declared().items():
        assert roles.writers, topic
        assert roles.readers or ".commands." not in topic, topic
    assert declared()["payments.commands.v1"].writers >= {"escrow", "others"}


TYPE = "orders.order_paid.v1"


def record(value: bytes | None = None) -> ConsumerRecord[bytes, bytes]:
    message = EXAMPLES[TYPE]
    topic, key, headers, good = encode(
        message, id="e-1", source="orders", time=NOW, correlation_id="o-9", causation_id="", sequence=3
    )
    given = good if value is None else value
    return ConsumerRecord(topic, 4, 17, 0, 0, key, given, None, len(key), len(given), tuple(headers))


def test_a_message_is_shown_in_a_line_with_its_place() -> None:
    one = events.met(record())
    assert (one.type, one.id, one.source, one.time, one.fault) == (TYPE, "e-1", "orders", NOW.isoformat(), "")
    assert str(events.line(one)).endswith("orders.events.v1/4@17")


def test_what_is_no_message_is_shown_with_the_reason() -> None:
    broken = record(b"")
    assert events.met(broken).fault.startswith("missing_value")
    strange = ConsumerRecord("orders.events.v1", 0, 0, 0, 0, None, b"\xff", None, 0, 1, ())
    shown = events.met(strange)
    assert shown.fault and "no message" in str(events.line(shown))
    json.dumps(shown._asdict())


@pytest.mark.parametrize(
    ("type", "key", "order", "passes"),
    [("*", None, None, True), ("orders.*", None, None, True), ("escrow.*", None, None, False),
     ("*", "another", None, False), ("*", None, "o-9", True), ("*", None, "another", False)],
)  # fmt: skip
def test_messages_are_chosen_by_type_key_and_order(type: str, key: str | None, order: str | None, passes: bool) -> None:
    assert events.wanted(events.met(record()), type, key, order) is passes


@pytest.mark.parametrize(
    ("type", "fields", "actor", "said"),
    [("orders.nothing.v1", {}, None, "there is no message type"),
     ("orders.confirm_receipt.v1", {"order_id": "o-1"}, None, "actor: Field required"),
     ("orders.confirm_receipt.v1", {"order_id": ""}, "buyer:b-1", "order_id: "),
     ("orders.confirm_receipt.v1", {"order_id": "o-1"}, "king:b-1", "is not ROLE:ID"),
     ("orders.confirm_receipt.v1", {"order_id": "o-1"}, "buyer,seller:b-1", "takes one role")],
)  # fmt: skip
def test_what_does_not_fit_its_contract_is_not_sent_and_every_field_is_named(
    type: str, fields: dict[str, object], actor: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        events.checked(type, fields, actor)
    assert said in capsys.readouterr().err


def test_a_field_that_nobody_declared_is_not_sent_either(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        events.checked("orders.confirm_receipt.v1", {"order_id": "o-1", "tip": 5}, "buyer:b-1")
    assert "tip: " in capsys.readouterr().err
