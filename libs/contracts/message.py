"""What every event and command is: a frozen pydantic model that knows its type, its topic and its key.

An event is past tense and says what happened; a command is imperative and asks for it, with the actor who asks.
`ce_type` is made of the module, the class name and the version: `contracts.orders.OrderPaid` is `orders.order_paid.v1`.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

PARTITIONS = 4
"""Partitions of a topic where its provisioner does not say otherwise. A key's partition follows from their number, so
that stays as it is once messages are in the topic."""

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$", description="1 to 64 of A-Z a-z 0-9 . _ : -")]
Code = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,63}$", description="a stable code in snake_case")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2 code", examples=["CN"])]
LineNo = Annotated[int, Field(strict=True, ge=1, le=1000, description="number of the order line, from 1")]


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is outside the calendar") from None


Moment = Annotated[
    AwareDatetime, AfterValidator(_in_utc), Field(description="RFC 3339 time with offset; UTC on output")
]


ExpectedVersion = Annotated[
    int, Field(strict=True, ge=0, description="refused (`stale_version`) unless the aggregate has exactly this version")
]


class Role(StrEnum):
    """In which capacity someone acts."""

    BUYER = "buyer"
    SELLER = "seller"
    MEDIATOR = "mediator"
    REVIEWER = "reviewer"
    SUPPORT = "support"
    OPERATOR = "operator"
    SERVICE = "service"


class Part(BaseModel):
    """A value inside a message: frozen, and strict about unknown fields where it is produced."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Actor(Part):
    """Who asks, and in which role. For `service` the id is the service's name."""

    id: Id
    role: Role


class Message(Part):
    """Base of events and commands; never published itself."""

    CE_TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
    KEY: ClassVar[str]
    VERSION: ClassVar[int]

    @property
    def key(self) -> str:
        """The id of the aggregate this is about: record key, `ce_subject` and `ce_partitionkey`."""
        return str(getattr(self, self.KEY))

    @classmethod
    def _declare(cls, kind: str, key: str, version: int, name: str | None, owner: str | None = None) -> None:
        owner = owner or cls.__module__.rsplit(".", 1)[-1]
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name or cls.__name__).lower()
        cls.CE_TYPE = f"{owner}.{snake}.v{version}"
        cls.TOPIC = f"{owner}.{kind}.v1"
        cls.KEY = key
        # Asked for several times a message: without a call in Python.
        cls.key = property(attrgetter(key))  # type: ignore[assignment, method-assign]
        cls.VERSION = version


class Event(Message):
    """Something that happened: `class OrderPaid(Event, key="order_id")`."""

    def __init_subclass__(cls, *, key: str = "", version: int = 1, name: str | None = None) -> None:
        super().__init_subclass__()
        if key:
            cls._declare("events", key, version, name)


class Command(Message):
    """Something asked for, by an actor whose right to ask is checked by the decision."""

    actor: Actor
    expected_version: ExpectedVersion | None = None

    def __init_subclass__(
        cls, *, key: str = "", version: int = 1, name: str | None = None, owner: str | None = None
    ) -> None:
        """`owner` names the service where the module does not: for commands declared outside the contracts."""
        super().__init_subclass__()
        if key:
            cls._declare("commands", key, version, name, owner)


class Refusal(Event):
    """A command that came by Kafka and was refused: nothing changed. Read `code`, correct, and send a new command."""

    subject: Annotated[str, Field(max_length=256, description="key of the refused command")]
    command_id: Annotated[str, Field(max_length=256, description="ce_id of the refused command, also ce_causationid")]
    command_type: Annotated[str, Field(max_length=256, description="ce_type of the refused command")]
    code: Code
    reason: Annotated[str, Field(max_length=1000, description="what was wrong and what to do; no personal data")]


def is_command(topic: str) -> bool:
    """Whether a topic carries commands: `orders.commands.v1`."""
    return topic.split(".")[1:2] == ["commands"]


__all__ = [
    "PARTITIONS", "Actor", "Code", "Command", "Country", "Event", "Id", "LineNo", "Message", "Moment", "Part",
    "Refusal", "Role", "datetime", "is_command",
]  # fmt: skip
