"""The generated documents: the repository's copies are those of today, and the AsyncAPI document is sound."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from contracts import asyncapi, catalogue, escrow, orders
from contracts.message import PARTITIONS, is_command
from contracts.registry import REGISTRY, TOPICS
from holdfast import documents, problems
from holdfast.problem_words import WORDS
from runtime.problems import STATUS

DOCUMENT = asyncapi.asyncapi()
WHOLE = documents.documents()


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_stored_is_up_to_date(name: str) -> None:
    stored = (documents.FOLDER / name).read_text(encoding="utf-8")
    assert stored == WHOLE[name], "run `python -m holdfast.documents`"


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def resolve(document: dict[str, Any], reference: str) -> Any:
    node: Any = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def faults(document: dict[str, Any]) -> list[str]:
    """What AsyncAPI 3.0 demands of a document like ours and does not find."""
    found = [f"{field} is missing" for field in ("asyncapi", "info", "channels", "operations") if field not in document]
    if found:
        return found
    found += [] if document["asyncapi"] == "3.0.0" else ["another version of AsyncAPI"]
    found += [f"info lacks {field}" for field in ("title", "version") if not document["info"].get(field)]
    for reference in references(document):
        try:
            resolve(document, reference)
        except KeyError:
            found.append(f"{reference} leads nowhere")
    if found:
        return found
    for section in document["components"].values():
        found += [f"component name {name}" for name in section if not re.fullmatch(r"[\w.\-]+", name)]
    for name, server in document["servers"].items():
        found += [f"server {name} lacks {field}" for field in ("host", "protocol") if not server.get(field)]
    for name, channel in document["channels"].items():
        if channel["bindings"]["kafka"]["partitions"] < 1:
            found.append(f"channel {name} has no partitions")
    for name, operation in document["operations"].items():
        if operation.get("action") not in ("send", "receive"):
            found.append(f"operation {name} neither sends nor receives")
        within = operation["channel"]["$ref"] + "/messages/"
        found += [f"operation {name}: {m['$ref']}" for m in operation["messages"] if not m["$ref"].startswith(within)]
    return found


def test_the_document_is_sound() -> None:
    assert faults(DOCUMENT) == []
    assert faults(json.loads(WHOLE["asyncapi.json"])) == []


def test_both_documents_say_of_each_message_who_reads_it() -> None:
    operations = json.loads(WHOLE["asyncapi.json"])["operations"]
    for service in documents.SERVICES:
        read = {message.CE_TYPE for message in service.routes} & REGISTRY.keys()
        received = {
            one["$ref"].rsplit("/", 1)[-1]
            for name, operation in operations.items()
            if name.startswith(f"{service.name}.receive.")
            for one in operation["messages"]
        }
        told = {
            name for name, who in re.findall(r"^### (\S+)$.*?^Read by (.+?)\.$", WHOLE["events.md"], re.M | re.S)
            if service.name in who.split(", ")
        }  # fmt: skip
        assert read == received == told, service.name


def test_no_command_is_left_unread() -> None:
    read = set().union(*documents.readers().values())
    assert {message for message in REGISTRY.values() if is_command(message.TOPIC)} <= read


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("info"),
        lambda d: d.update(asyncapi="2.6.0"),
        lambda d: d["components"]["schemas"].pop("Money"),
        lambda d: d["components"]["messages"].pop("orders.order_paid.v1"),
        lambda d: d["operations"]["orders.send.orders.events.v1"].update(action="publish"),
        lambda d: d["operations"]["orders.send.orders.events.v1"]["messages"].append(
            {"$ref": "#/channels/escrow.events.v1/messages/escrow.funds_held.v1"}
        ),
        lambda d: d["channels"]["orders.events.v1"]["bindings"]["kafka"].update(partitions=0),
    ],
)
def test_an_unsound_document_would_be_seen(spoil: Any) -> None:
    document = copy.deepcopy(DOCUMENT)
    spoil(document)
    assert faults(document)


def test_every_message_is_in_its_topic_once() -> None:
    placed = [name for channel in DOCUMENT["channels"].values() for name in channel["messages"]]
    assert sorted(placed) == sorted(REGISTRY)
    assert DOCUMENT["channels"].keys() == set(TOPICS)
    for name, message in REGISTRY.items():
        channel = DOCUMENT["channels"][message.TOPIC]
        assert name in channel["messages"]
        assert channel["bindings"]["kafka"]["partitions"] == PARTITIONS
        assert message.KEY in DOCUMENT["components"]["messages"][name]["bindings"]["kafka"]["key"]["description"]


def test_owners_send_their_events_and_receive_their_commands() -> None:
    for topic in TOPICS:
        owner = topic.split(".")[0]
        action = "receive" if is_command(topic) else "send"
        operation = DOCUMENT["operations"][f"{owner}.{action}.{topic}"]
        named = {one["$ref"].rsplit("/", 1)[-1] for one in operation["messages"]}
        assert named == {name for name, message in REGISTRY.items() if topic == message.TOPIC}


def test_what_only_services_know_is_added() -> None:
    document = asyncapi.asyncapi(
        sends={"escrow": [orders.ShipOrder]}, receives={"escrow": [orders.OrderPaid], "orders": [escrow.FundsSecured]}
    )
    assert faults(document) == []
    added = document["operations"].keys() - DOCUMENT["operations"].keys()
    assert added == {
        "escrow.send.orders.commands.v1",
        "escrow.receive.orders.events.v1",
        "orders.receive.escrow.events.v1",
    }
    assert document["operations"]["escrow.receive.orders.events.v1"]["messages"] == [
        {"$ref": "#/channels/orders.events.v1/messages/orders.order_paid.v1"}
    ]


@pytest.mark.parametrize("name", REGISTRY)
def test_examples_fit_the_payloads_of_the_document(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    schema = {**resolve(DOCUMENT, message["payload"]["$ref"]), "components": DOCUMENT["components"]}
    validator = jsonschema.Draft7Validator(schema)
    for example in message["examples"]:
        validator.validate(example["payload"])
        assert not validator.is_valid({**example["payload"], REGISTRY[name].KEY: ["no id"]})


def test_the_catalogue_has_every_message_and_no_link_that_leads_nowhere() -> None:
    text = WHOLE["events.md"]
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert set(REGISTRY) <= set(headings)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(anchors)


def test_a_message_that_no_service_reads_is_for_others() -> None:
    text = catalogue.catalogue({"escrow": [orders.OrderPaid]})
    assert text.count("Read by escrow.") == 1
    assert text.count("Read by none of the services") == len(REGISTRY) - 1


def test_every_code_that_is_raised_is_told_with_what_to_do_and_no_other() -> None:
    codes, unsaid = problems.raised()
    assert not unsaid, "say in holdfast.problems.ELSEWHERE which codes are raised there"
    envelopes = {f"invalid_{code}" for code in problems.envelope_codes()}
    assert not codes.keys() - WORDS.keys() - envelopes, "say in holdfast.problem_words what they mean"
    assert not WORDS.keys() - codes.keys(), "nothing raises these any more"
    assert codes.keys() >= STATUS.keys(), "no such code has a status of its own any more"
    for code in codes:
        words = problems.words_of(code)
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", code), code
        assert words.means.endswith(".") and words.do.endswith("."), code
        assert f"### {code}\n" in WHOLE["errors.md"]


def test_a_code_that_nobody_told_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libs/runtime").mkdir(parents=True)
    (tmp_path / "libs/runtime/new.py").write_text('raise Refused("brand_new", "x")\nraise Refused(made_up(), "x")\n')
    monkeypatch.setattr(problems, "ROOT", tmp_path)
    codes, unsaid = problems.raised()
    assert codes == {"brand_new": {"all"}}
    assert unsaid == {("libs/runtime/new.py", "made_up()")}


def test_the_documents_name_no_machine() -> None:
    for text in WHOLE.values():
        assert not re.search(r"/(home|work|root|tmp|Users)/", text)
