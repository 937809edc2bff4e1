"""Every message there is, by `ce_type`, and the pure upcasts that bring an old version to the newest."""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from contracts import carrier, deposits, disputes, escrow, identity, orders, payments
from contracts.message import Message

SERVICES: tuple[ModuleType, ...] = (orders, escrow, deposits, disputes, identity)
PORTS: tuple[ModuleType, ...] = (payments, carrier)

Upcast = Callable[[Any], Message]

UPCASTS: Mapping[type[Message], Upcast] = {}
"""Old version → a pure function to the next one: `{OrderPlacedV1: lambda old: OrderPlaced(…)}`. None so far."""


def messages_of(module: ModuleType) -> tuple[type[Message], ...]:
    """The messages a module declares, in the order they are written."""
    return tuple(
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Message)
        and value.__module__ == module.__name__
        and "CE_TYPE" in vars(value)
    )


REGISTRY: Mapping[str, type[Message]] = {
    message.CE_TYPE: message for module in (*SERVICES, *PORTS) for message in messages_of(module)
}

TOPICS: tuple[str, ...] = tuple(sorted({message.TOPIC for message in REGISTRY.values()}))
"""All topics for messages; each service also has `<service>.dead_letters.v1`, see `dead_letter_topic`."""


def dead_letter_topic(service: str) -> str:
    """Where a service copies the messages it had to park."""
    return f"{service}.dead_letters.v1"


def upcast(message: Message, upcasts: Mapping[type[Message], Upcast] = UPCASTS) -> Message:
    """The newest version of a message, through as many upcasts as it takes."""
    while step := upcasts.get(type(message)):
        message = step(message)
    return message
