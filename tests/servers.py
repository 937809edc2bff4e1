"""Which servers the tests run on: embedded ones (default), or containers (`--servers=containers`), chosen here alone.

Either kind is started on the same settings and can be stopped, killed, paused and restarted alike. What `holdfast`
itself starts (`holdfast up`, in tests/e2e and where a test needs a whole stack) is on embedded servers in both cases.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from holdfast import embedded
from holdfast.interrupts import held_back


class Server(Protocol):
    """A running server on a port of 127.0.0.1 that it keeps. It ends with the tests, however they end."""

    port: int

    @property
    def pid(self) -> int:
        """The process id of the server, another one after each start."""

    @property
    def running(self) -> bool: ...

    def stop(self) -> None:
        """An orderly shutdown."""

    def kill(self) -> None:
        """kill -9: a crash."""

    def restart(self) -> None:
        """Start again on the same port and data; returns when it answers."""

    def pause(self) -> None:
        """Away: connections stay open and silent."""

    def resume(self) -> None:
        """After `pause`; harmless when it was not paused."""

    def delete(self) -> None:
        """Stop, and remove the data for good."""


class Postgres(Server, Protocol):
    """PostgreSQL 18."""

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        """A connection URL, of the superuser or of a service."""

    async def create_service(self, name: str) -> str:
        """Make a role and a database `name`, closed to all others; returns its connection URL."""


class Kafka(Server, Protocol):
    """One Kafka node, broker and controller in one."""

    @property
    def bootstrap(self) -> str: ...


class Unavailable(Exception):
    """Servers of this kind cannot be started here; the message says in one line what is missing."""


@dataclass(frozen=True)
class Servers:
    """How servers are started. `postgres(folder)` and `kafka(folder)` return them answering; containers need no
    folder."""

    postgres: Callable[[Path], Postgres]
    kafka: Callable[[Path], Kafka]

    def both(self, folder: Path) -> tuple[Postgres, Kafka]:
        """Both at once, on `folder`/postgres and `folder`/kafka. When one fails, the other is deleted."""
        with ThreadPoolExecutor(2) as pool, held_back():
            starting = (pool.submit(self.postgres, folder / "postgres"), pool.submit(self.kafka, folder / "kafka"))
        try:
            return starting[0].result(), starting[1].result()
        except BaseException:
            for one in starting:
                if one.exception() is None:
                    one.result().delete()
            raise


KINDS = ("embedded", "containers")


def of_kind(kind: str) -> Servers:
    """The servers of a kind. Raises Unavailable when containers cannot be started here."""
    if kind == "embedded":
        return Servers(embedded.Postgres.start, embedded.Kafka.start)
    from tests import docker_servers  # what it imports is needed for this kind alone

    if missing := docker_servers.missing():
        raise Unavailable(missing)
    return Servers(docker_servers.start_postgres, docker_servers.start_kafka)
