"""What Kafka has to have before a service starts: topics, and who may read and write them. Run once, and again at will:

    python -m runtime.provision RIGHTS.json

comes as the administrator that the `HOLDFAST_KAFKA_…` settings name, makes what is missing and takes back what nobody
declares any more. Topics are never deleted, and keep the partitions that they have. `HOLDFAST_KAFKA_PARTITIONS=12`
gives new ones twelve, `HOLDFAST_KAFKA_REPLICATION=3` three copies.
"""

import asyncio
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from pydantic import Field

from contracts.message import PARTITIONS
from runtime.logs import configure
from runtime.settings import KafkaSettings, from_environment

log = structlog.get_logger()

WITHIN = 60.0
"""Seconds until the broker has to answer, and every topic to have a leader."""
LOOKS = 0.05


class Kind(IntEnum):
    """Kinds of resources, by Kafka's numbers."""

    TOPIC = 2
    GROUP = 3


class Operation(IntEnum):
    """What may be done to a resource, by Kafka's numbers. Reading and writing include describing."""

    READ = 3
    WRITE = 4
    DESCRIBE = 8


_ANY, _LITERAL, _ALLOW, _ANYWHERE = 1, 3, 3, "*"


class Right(NamedTuple):
    """`principal` may do this to the resource of this name, from anywhere."""

    principal: str
    kind: Kind
    name: str
    operation: Operation


class Principal(msgspec.Struct, frozen=True):
    """What one principal may: topics by name, the groups it may join, and those whose offsets it may look at."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    looks_at: tuple[str, ...] = ()


class Rights(msgspec.Struct, frozen=True):
    """Everything there is to provision. Who is not named here may do nothing."""

    topics: tuple[str, ...]
    principals: Mapping[str, Principal]

    def of_all(self) -> frozenset[Right]:
        """As single rights."""
        return frozenset(right for name, one in self.principals.items() for right in _rights(name, one))


def _rights(name: str, one: Principal) -> Iterable[Right]:
    for kind, operation, resources in (
        (Kind.TOPIC, Operation.READ, one.reads),
        (Kind.TOPIC, Operation.WRITE, one.writes),
        (Kind.GROUP, Operation.READ, one.joins),
        (Kind.GROUP, Operation.DESCRIBE, one.looks_at),
    ):
        yield from (Right(name, kind, resource, operation) for resource in resources)


class Unprovisioned(Exception):
    """Kafka would not do what was asked. `code`: refused, or no_leader."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


async def make_topics(admin: AIOKafkaAdminClient, topics: Sequence[str], partitions: int, copies: int = 1) -> list[str]:
    """Makes the topics that are missing, with so many partitions and copies, and returns these once every partition of
    all has a leader. Raises `Unprovisioned`."""
    known = set(await admin.list_topics())
    missing = [topic for topic in topics if topic not in known]
    if missing:
        answer = await admin.create_topics([NewTopic(topic, partitions, copies) for topic in missing])
        for topic, code, *why in answer.topic_errors:
            if code not in (0, 36):  # another one made it meanwhile
                raise Unprovisioned("refused", f"topic {topic}: {for_code(code).__name__} {' '.join(map(str, why))}")
    for _ in range(int(WITHIN / LOOKS)):
        described = await admin.describe_topics(list(topics))
        if len(described) == len(topics) and all(map(_led, described)):
            others = {topic["topic"]: len(topic["partitions"]) for topic in described}
            others = {topic: number for topic, number in others.items() if number != partitions}
            if others:
                log.warning("topics_keep_their_partitions", partitions=others, wanted=partitions)
            return missing
        await asyncio.sleep(LOOKS)
    raise Unprovisioned("no_leader", f"Kafka gave some topics no leader within {WITHIN:g} s")


def _led(topic: Mapping[str, Any]) -> bool:
    partitions = topic["partitions"]
    return (
        topic["error_code"] == 0
        and len(partitions) > 0
        and all(partition["error_code"] == 0 and partition["leader"] >= 0 for partition in partitions)
    )


async def grant(admin: AIOKafkaAdminClient, wanted: Collection[Right]) -> tuple[list[Right], list[Right]]:
    """Makes `wanted` all that is allowed on topics and groups; returns what was given and what was taken back. Raises
    `Unprovisioned`."""
    found = await granted(admin)
    given, taken = sorted(set(wanted) - found), sorted(found - set(wanted))
    for right in given:
        request = CreateAclsRequest(right.kind, right.name, _LITERAL, *_who(right))
        for code, why in (await admin._send_to_controller(request)).creation_responses:
            _accepted(code, why)
    for right in taken:
        request = DeleteAclsRequest(right.kind, right.name, _LITERAL, *_who(right))
        for code, why, _ in (await admin._send_to_controller(request)).filter_responses:
            _accepted(code, why)
    return given, taken


def _who(right: Right) -> tuple[str, str, int, int]:
    return f"User:{right.principal}", _ANYWHERE, right.operation, _ALLOW


async def granted(admin: AIOKafkaAdminClient) -> set[Right]:
    """What is allowed now, as far as it is of the kinds that are given here. Raises `Unprovisioned`."""
    # Any kind of resource, any name, any pattern, any principal from anywhere, any operation.
    request = DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY)
    answer = await admin._send_to_controller(request)
    _accepted(answer.error_code, answer.error_message)
    return {
        Right(principal.removeprefix("User:"), Kind(kind), name, Operation(operation))
        for kind, name, pattern, acls in answer.resources
        for principal, host, operation, permission in acls
        if kind in list(Kind)
        and operation in list(Operation)
        and (pattern, host, permission) == (_LITERAL, _ANYWHERE, _ALLOW)
    }


def _accepted(code: int, why: str | None) -> None:
    if code:
        raise Unprovisioned("refused", f"{for_code(code).__name__}: {why or 'no reason given'}")


async def provision(client: Mapping[str, Any], rights: Rights, partitions: int = PARTITIONS, copies: int = 1) -> None:
    """Topics, then rights. Raises `Unprovisioned`, or KafkaError where the broker cannot be reached in time."""
    admin = await _connected(client)
    try:
        made = await make_topics(admin, rights.topics, partitions, copies)
        given, taken = await grant(admin, rights.of_all())
    finally:
        await admin.close()
    log.info("provisioned", topics_made=made, rights_given=len(given), rights_taken_back=list(map(str, taken)))


async def _connected(client: Mapping[str, Any]) -> AIOKafkaAdminClient:
    deadline = asyncio.get_running_loop().time() + WITHIN
    while True:
        admin = AIOKafkaAdminClient(**client)
        try:
            await admin.start()
            return admin
        except KafkaError:
            await admin.close()
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.5)


class ProvisionSettings(KafkaSettings):
    """The settings of the job: a service's that concern Kafka, and what new topics are like."""

    kafka_partitions: int = Field(
        default=PARTITIONS,
        ge=1,
        description="partitions of each topic that is made: so many replicas can share a service. Each costs a little "
        "with every batch, so no more than are needed; a multiple of 4, by which the ledger's hot rows are shared out",
    )
    kafka_replication: int = Field(default=1, ge=1, description="copies of each topic; 3 where there are brokers")


def main(arguments: Sequence[str]) -> None:
    """Exit code 0 when all is as declared, 1 when Kafka would not have it."""
    if len(arguments) != 1:
        sys.exit("usage: python -m runtime.provision RIGHTS.json")
    configure("provision", "info")
    rights = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=Rights)
    settings = from_environment(ProvisionSettings)
    try:
        asyncio.run(
            provision(settings.kafka_access.client(), rights, settings.kafka_partitions, settings.kafka_replication)
        )
    except (Unprovisioned, KafkaError) as error:
        log.error("not_provisioned", error=repr(error))
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
