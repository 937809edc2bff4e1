"""PostgreSQL and Kafka in containers, for the tests, on the settings of the embedded servers.

Each listens on a port of its own choice on 127.0.0.1: one that Docker chose would be another after a restart. A
watching process removes the container when the tests are gone without having done so, so that no helper image is
needed for that.
"""

import asyncio
import contextlib
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import docker
from docker.errors import DockerException, ImageNotFound
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from holdfast.embedded.errors import EmbeddedError
from holdfast.embedded.kafka import SMALL_JVM, answers, node_properties
from holdfast.embedded.ports import free_port, is_open, let_go
from holdfast.embedded.postgres import CLUSTER, DURABILITY, SUPERUSER, TUNING, make_service
from holdfast.interrupts import held_back

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "apache/kafka:4.4.0"

ANSWERS_WITHIN_SECONDS = 120.0
STOPS_WITHIN_SECONDS = 30
POLL_SECONDS = 0.05
LOG_LINES = 20

# Its standard input is a pipe that only the tests hold open; a line means that they removed the container themselves.
WATCHDOG = 'read -r _ && exit 0; docker rm --force --volumes "$0"'

testcontainers_config.ryuk_disabled = True


def missing() -> str | None:
    """In one line, what is missing to start containers here."""
    try:
        client = docker.from_env()
    except DockerException:
        return "Docker does not answer: start it, or leave --servers=containers out"
    with contextlib.closing(client):
        images = [image for image in (POSTGRES_IMAGE, KAFKA_IMAGE) if not _is_there(client, image)]
    if not images:
        return None
    return f"images are missing: {', '.join(images)}; try: {' && '.join(f'docker pull {one}' for one in images)}"


def _is_there(client: docker.DockerClient, image: str) -> bool:
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True


class Contained:
    """A server in a container, on `port` of 127.0.0.1."""

    def __init__(self, container: DockerContainer, port: int, is_up: Callable[[], bool]) -> None:
        self.port = port
        self._is_up = is_up
        self._name = f"holdfast-tests-{secrets.token_hex(6)}"
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", WATCHDOG, self._name],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._container = container.with_name(self._name)
        try:
            with held_back():
                container.start()
            self._docker = container.get_wrapped_container()
            self._wait_until_up()
        except BaseException:
            self._watchdog.communicate()  # the end of its input: it removes what there is
            raise

    @property
    def pid(self) -> int:
        return int(self._state()["Pid"])

    @property
    def running(self) -> bool:
        return bool(self._state()["Running"])

    def stop(self) -> None:
        self.resume()
        self._docker.stop(timeout=STOPS_WITHIN_SECONDS)

    def kill(self) -> None:
        if self.running:
            self._docker.kill("KILL")
            self._docker.wait()

    def restart(self) -> None:
        self.stop()
        self._docker.start()
        self._wait_until_up()

    def pause(self) -> None:
        self._docker.pause()

    def resume(self) -> None:
        if self._state()["Paused"]:
            self._docker.unpause()

    def delete(self) -> None:
        with held_back():
            self._container.stop()
            self._watchdog.communicate(b"removed\n")

    def _state(self) -> dict[str, Any]:
        self._docker.reload()
        return dict(self._docker.attrs["State"])

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + ANSWERS_WITHIN_SECONDS
        while not self._is_up():
            if not self.running or time.monotonic() > deadline:
                log = self._docker.logs(tail=LOG_LINES).decode(errors="replace")
                raise EmbeddedError("server_did_not_start", f"{self._docker.image} does not answer; its log:\n{log}")
            time.sleep(POLL_SECONDS)


class Postgres(Contained):
    """PostgreSQL in a container."""

    def __init__(self) -> None:
        port = free_port()
        self.port = port
        self._passwords = {SUPERUSER: secrets.token_urlsafe(24)}
        settings = [word for name, value in (TUNING | DURABILITY).items() for word in ("-c", f"{name}={value}")]
        container = (
            PostgresContainer(POSTGRES_IMAGE, username=SUPERUSER, password=self._passwords[SUPERUSER], driver=None)
            .with_env("POSTGRES_INITDB_ARGS", " ".join(CLUSTER))
            .with_command(["postgres", *settings])
        )
        _bind(container, 5432, port)
        super().__init__(container, port, lambda: _in_a_loop(_selects(self.dsn())))

    def dsn(self, database: str = SUPERUSER, user: str = SUPERUSER) -> str:
        return f"postgresql://{user}:{self._passwords[user]}@127.0.0.1:{self.port}/{database}"

    async def create_service(self, name: str) -> str:
        await make_service(self.dsn(), name, lambda user: self._passwords.setdefault(user, secrets.token_urlsafe(24)))
        return self.dsn(name, name)


class Kafka(Contained):
    """Kafka in a container: it listens on the same port inside as outside, so that it, too, reaches itself by the
    address that it tells its clients."""

    def __init__(self) -> None:
        port, controller_port = free_port(), 9093
        properties = node_properties(
            "/var/lib/kafka/data/topics", listen="0.0.0.0", port=port, controller_port=controller_port
        )
        container = DockerContainer(KAFKA_IMAGE)
        for name, value in properties.items():
            container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
        # After the heap's own options on the command line, so these count.
        container.with_env("KAFKA_JVM_PERFORMANCE_OPTS", " ".join(SMALL_JVM))
        _bind(container, port, port)
        super().__init__(container, port, lambda: is_open(port) and answers(self.bootstrap))

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"


def start_postgres(_folder: Path) -> Postgres:
    """A PostgreSQL in a fresh container, answering."""
    return Postgres()


def start_kafka(_folder: Path) -> Kafka:
    """A Kafka in a fresh container, answering."""
    return Kafka()


def _bind(container: DockerContainer, inside: int, outside: int) -> None:
    # `with_bind_ports` knows no address: it would open the port to the whole network.
    container.ports[str(inside)] = ("127.0.0.1", outside)  # type: ignore[assignment]
    let_go(outside)  # not every engine reuses addresses


async def _selects(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    await connection.close()
    return True


def _in_a_loop(question: Coroutine[Any, Any, bool]) -> bool:
    """Its answer, from a thread of its own: the caller's may run an event loop."""
    answer: list[bool] = []
    asking = threading.Thread(target=lambda: answer.append(asyncio.run(question)))
    asking.start()
    asking.join()
    return answer == [True]
