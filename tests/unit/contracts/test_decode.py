"""From the bytes of a message to its class: tolerant of additions, strict in what is meant, silent about persons."""

import json
from typing import Any

import msgspec
import pytest

from contracts.envelope import Envelope, InvalidData, decode, parse
from contracts.examples import EXAMPLES
from contracts.message import Event, Id, Message
from contracts.orders import OrderDelivered, OrderShipped, PlaceOrder
from contracts.registry import REGISTRY
from contracts.snapshots import value_of

ENVELOPE = Envelope("e-1", "t", "/s", None, "", "", "", "", None, "", b"")


def data(message_type: type[Message], **changes: Any) -> bytes:
    """The JSON of a type's example with fields changed; dots go into parts, numbers into lists: `lines.0.quantity`."""
    document = json.loads(value_of(EXAMPLES[message_type.CE_TYPE]))
    for path, value in changes.items():
        *way, last = [int(step) if step.isdigit() else step for step in path.split("__")]
        place = document
        for step in way:
            place = place[step]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return json.dumps(document).encode()


def refusal(content: bytes, message_type: type[Message] = PlaceOrder) -> str:
    with pytest.raises(InvalidData) as error:
        parse(content, message_type)
    assert error.value.code == "invalid_data"
    assert "\n" not in error.value.text
    return error.value.text


@pytest.mark.parametrize("name", REGISTRY)
def test_a_field_that_is_added_later_is_passed_over_at_every_depth(name: str) -> None:
    def widened(node: Any) -> Any:
        if isinstance(node, dict):
            return {"added_later": {"x": [1]}} | {key: widened(value) for key, value in node.items()}
        return [widened(item) for item in node] if isinstance(node, list) else node

    content = json.dumps(widened(json.loads(value_of(EXAMPLES[name])))).encode()
    assert parse(content, REGISTRY[name]) == EXAMPLES[name]


@pytest.mark.parametrize("name", REGISTRY)
def test_a_producer_may_not_invent_fields(name: str) -> None:
    fields = EXAMPLES[name].model_dump() | {"invented": 1}
    with pytest.raises(ValueError, match="invented"):
        REGISTRY[name].model_validate(fields)


@pytest.mark.parametrize(
    ("amount", "why"),
    [
        (-1, "greater than or equal to 0"),
        (0, "zero_amount"),
        (2**63, "less than or equal to 9223372036854775807"),
        (10**400, "less than or equal to 9223372036854775807"),
        (10.5, "valid integer"),
        (10.0, "valid integer"),
        ("100", "valid integer"),
        (True, "valid integer"),
        (None, "valid integer"),
        ([1], "valid integer"),
        (..., "Field required"),
    ],
)
def test_amounts_that_cannot_be(amount: Any, why: str) -> None:
    assert why in refusal(data(PlaceOrder, lines__0__unit_price__amount=amount))


def test_an_amount_with_more_digits_than_python_reads() -> None:
    content = data(PlaceOrder, lines__0__unit_price__amount=0).replace(b'"amount": 0', b'"amount": ' + b"9" * 5000)
    assert "number out of range" in refusal(content)


@pytest.mark.parametrize("currency", ["EURO", "eur", "XXX", "", "€"])
def test_unknown_currencies(currency: str) -> None:
    text = refusal(data(PlaceOrder, lines__0__unit_price__currency=currency))
    assert text == "orders.place_order.v1: lines.0.unit_price.currency: unknown_currency"


@pytest.mark.parametrize(
    "changes",
    [
        {"order_id": ""},
        {"order_id": "x" * 65},
        {"order_id": "ord 1"},
        {"order_id": "ord-1\n"},
        {"order_id": "ord\u0000"},
        {"order_id": 5},
        {"buyer_country": "Germany"},
        {"lines": []},
        {"lines__0__quantity": 0},
        {"lines__0__quantity": True},
        {"lines__0__line_no": 1001},
        {"quote__rate": "0.000"},
        {"quote__rate": "-1"},
        {"quote__rate": 1.5},
        {"quote__expires_at": "tomorrow"},
        {"quote__expires_at": "2026-03-02T09:15:00"},
        {"quote__expires_at": "0001-01-01T00:00:00+14:00"},
        {"actor__role": "emperor"},
        {"actor": ...},
        {"expected_version": -1},
    ],
    ids=str,
)
def test_fields_that_cannot_be(changes: dict[str, Any]) -> None:
    refusal(data(PlaceOrder, **changes))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[]", b"5", b"\xff\xfe", b"[" * 100_000, b'{"order_id":"\\ud800"}']
)
def test_what_is_not_the_json_of_a_message(content: bytes) -> None:
    refusal(content)


def test_a_refusal_says_where_and_what_but_never_what_was_there() -> None:
    secret = "Erika-Mustermann-4711"
    text = refusal(
        data(PlaceOrder, order_id=f"{secret} {secret}", actor__role=secret, lines__0__unit_price__currency=secret)
    )
    assert secret not in text
    assert all(place in text for place in ("order_id", "actor.role", "lines.0.unit_price.currency"))


def test_many_errors_are_summed_up() -> None:
    assert refusal(b"{}").endswith("; and 2 more")


def test_times_of_other_zones_become_utc() -> None:
    delivered = parse(data(OrderDelivered, delivered_at="2026-03-14T19:12:00+09:00"), OrderDelivered)
    assert delivered == EXAMPLES[OrderDelivered.CE_TYPE]
    assert b"2026-03-14T10:12:00Z" in value_of(delivered)


def test_a_message_is_about_what_its_key_says() -> None:
    content = data(OrderShipped)
    assert decode(msgspec.structs.replace(ENVELOPE, key="ord-0198c5a1", data=content), OrderShipped)
    with pytest.raises(InvalidData) as error:
        decode(msgspec.structs.replace(ENVELOPE, key="ord-other", data=content), OrderShipped)
    assert error.value.code == "key_mismatch"


class ParcelSent(Event, key="parcel_id", name="ParcelSent"):
    """First version: weight in whole kilograms."""

    parcel_id: Id
    kilograms: int


class ParcelSentV2(Event, key="parcel_id", name="ParcelSent", version=2):
    """Second version: weight in grams."""

    parcel_id: Id
    grams: int


class ParcelSentV3(Event, key="parcel_id", name="ParcelSent", version=3):
    """Third version: carrier added, and required."""

    parcel_id: Id
    grams: int
    carrier: str


UPCASTS = {
    ParcelSent: lambda old: ParcelSentV2(parcel_id=old.parcel_id, grams=old.kilograms * 1000),
    ParcelSentV2: lambda old: ParcelSentV3(parcel_id=old.parcel_id, grams=old.grams, carrier="unknown"),
}


def test_versions_are_types_of_their_own() -> None:
    assert [one.CE_TYPE.split(".", 1)[1] for one in (ParcelSent, ParcelSentV2, ParcelSentV3)] == [
        "parcel_sent.v1",
        "parcel_sent.v2",
        "parcel_sent.v3",
    ]
    assert ParcelSent.TOPIC == ParcelSentV3.TOPIC


@pytest.mark.parametrize(
    ("message_type", "content", "newest"),
    [
        (ParcelSent, b'{"parcel_id":"p","kilograms":3}', ParcelSentV3(parcel_id="p", grams=3000, carrier="unknown")),
        (ParcelSentV2, b'{"parcel_id":"p","grams":250}', ParcelSentV3(parcel_id="p", grams=250, carrier="unknown")),
        (
            ParcelSentV3,
            b'{"parcel_id":"p","grams":1,"carrier":"dhl"}',
            ParcelSentV3(parcel_id="p", grams=1, carrier="dhl"),
        ),
    ],
)
def test_every_old_version_arrives_as_the_newest(message_type: type[Message], content: bytes, newest: Message) -> None:
    assert decode(msgspec.structs.replace(ENVELOPE, key="p", data=content), message_type, UPCASTS) == newest
