"""Who may read and write which topic of Kafka: one principal a service, and nothing that its code does not need.

    python -m holdfast.acls

writes `deploy/kafka/rights.json`, which `python -m runtime.provision` applies. Nobody has to be told by hand: what a
service reads stands in its table of routes, what it writes in its contracts and in the commands that its code makes.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from contracts.message import is_command
from contracts.registry import TOPICS, dead_letter_topic
from runtime.decision import Service
from runtime.provision import Principal, Rights

FILE = Path(__file__).parents[2] / "deploy" / "kafka" / "rights.json"
OPERATOR = "operator"
"""The principal of the command line. As it may write commands, and a command is believed to come from its actor, it may
act for anybody: its password is an operator's."""
BROKER, ADMIN = "broker", "admin"
"""Principals that no right is given to, because they have all: the broker itself, and who provisions it."""


def rights(services: Sequence[Service], sent: Mapping[str, Collection[str]]) -> Rights:
    """What every service needs: `sent` are the command topics of others that a service writes to, by its name."""
    dead = {service.name: dead_letter_topic(service.name) for service in services}
    topics = tuple(sorted({*TOPICS, *dead.values()}))
    principals = {
        service.name: Principal(
            reads=tuple(sorted(service.topics)),
            writes=tuple(sorted({service.refusal.TOPIC, dead[service.name], *sent[service.name]})),
            joins=(service.name,),
        )
        for service in services
    }
    principals[OPERATOR] = Principal(
        reads=topics,
        writes=tuple(topic for topic in topics if is_command(topic)),
        looks_at=tuple(service.name for service in services),
    )
    return Rights(topics, principals)


def text(declared: Rights) -> str:
    """The file, for people to read as well."""
    return msgspec.json.format(msgspec.json.encode(declared), indent=2).decode() + "\n"


def of_holdfast() -> Rights:
    """The rights of all services and simulators of this release."""
    from holdfast import pictures  # every service is imported by it
    from holdfast.tables import SERVICES

    return rights(SERVICES, {service.name: pictures.sent(service) for service in SERVICES})


if __name__ == "__main__":
    FILE.write_text(text(of_holdfast()), encoding="utf-8")
