"""Real PostgreSQL and real Kafka of our own, from packages: no Docker, no Java and no database need be installed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from holdfast.embedded.errors import EmbeddedError, ServerFailed

if TYPE_CHECKING:
    from holdfast.embedded.both import start_servers
    from holdfast.embedded.kafka import Kafka
    from holdfast.embedded.postgres import Postgres

__all__ = ["EmbeddedError", "Kafka", "Postgres", "ServerFailed", "start_servers"]

_WHERE = {"Kafka": "kafka", "Postgres": "postgres", "start_servers": "both"}


def __getattr__(name: str) -> Any:
    """The servers are imported by those who start some; most only want to know what can go wrong."""
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
