"""Who may do what in Kafka is decided from what services declare, and covers exactly that."""

import pytest

from contracts.message import is_command
from contracts.registry import TOPICS, dead_letter_topic
from holdfast import pictures
from holdfast.acls import ADMIN, BROKER, FILE, OPERATOR, of_holdfast, rights, text
from holdfast.tables import SERVICES
from runtime.decision import Service
from runtime.provision import Kind, Operation, Right
from simulators.payments.service import over_http

DECLARED = of_holdfast()
BY_NAME = {service.name: service for service in SERVICES}


def test_the_file_that_is_applied_says_what_services_declare() -> None:
    assert FILE.read_text() == text(DECLARED), "write it anew: python -m holdfast.acls"


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_service_reads_the_topics_it_subscribes_to_as_its_own_group_and_no_others(service: Service) -> None:
    may = DECLARED.principals[service.name]
    assert set(may.reads) == set(service.topics)
    assert may.joins == (service.name,)
    assert may.looks_at == ()


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_service_writes_its_events_its_dead_letters_and_the_commands_it_sends(service: Service) -> None:
    own = {f"{service.name}.events.v1", dead_letter_topic(service.name)}
    assert set(DECLARED.principals[service.name].writes) == own | pictures.sent(service)


def test_events_and_dead_letters_of_a_service_are_written_by_nobody_else() -> None:
    for name, may in DECLARED.principals.items():
        for topic in may.writes:
            assert is_command(topic) or topic.startswith(f"{name}."), f"{name} may write {topic}"


def test_commands_go_to_those_who_are_asked_and_each_is_written_by_who_asks() -> None:
    writers = {
        topic: {name for name, may in DECLARED.principals.items() if topic in may.writes} - {OPERATOR}
        for topic in TOPICS
        if is_command(topic)
    }
    assert writers == {
        "carrier.commands.v1": {"orders", "disputes"},
        "deposits.commands.v1": {"escrow"},
        "disputes.commands.v1": set(),
        "escrow.commands.v1": set(),
        "identity.commands.v1": {"escrow"},
        "orders.commands.v1": set(),
        "payments.commands.v1": {"orders", "escrow", "deposits"},
    }


def test_a_topic_with_readers_has_a_writer_and_is_provisioned() -> None:
    read = {topic for service in SERVICES for topic in service.topics}
    written = {topic for may in DECLARED.principals.values() for topic in may.writes}
    assert read <= written
    assert read | written == set(DECLARED.topics)


def test_the_provider_that_is_asked_over_http_needs_no_more() -> None:
    assert over_http().topics == BY_NAME["payments"].topics


def test_an_operator_reads_everything_and_writes_no_event() -> None:
    may = DECLARED.principals[OPERATOR]
    assert set(may.reads) == set(DECLARED.topics)
    assert all(is_command(topic) for topic in may.writes)
    assert set(may.looks_at) == set(BY_NAME)
    assert not may.joins


def test_nobody_is_named_who_has_all_rights_anyway() -> None:
    assert not {BROKER, ADMIN} & DECLARED.principals.keys()


def test_single_rights_are_those_of_the_principals() -> None:
    (identity,) = [service for service in SERVICES if service.name == "identity"]
    assert rights([identity], {"identity": ()}).of_all() >= {
        Right("identity", Kind.TOPIC, "identity.commands.v1", Operation.READ),
        Right("identity", Kind.TOPIC, "identity.events.v1", Operation.WRITE),
        Right("identity", Kind.TOPIC, "identity.dead_letters.v1", Operation.WRITE),
        Right("identity", Kind.GROUP, "identity", Operation.READ),
        Right("operator", Kind.GROUP, "identity", Operation.DESCRIBE),
    }
    mine = {right for right in DECLARED.of_all() if right.principal == "identity"}
    assert len(mine) == 4
