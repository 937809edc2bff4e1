"""The servers, embedded or in containers, keep what was committed, come and go as told, and keep the services apart."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from holdfast import embedded
from holdfast.embedded import EmbeddedError, ServerFailed, jars
from tests.servers import Kafka, Postgres, Servers
from tests.waiting import eventually


@pytest.fixture(scope="module")
def own_postgres(servers: Servers, server_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL that these tests may stop, kill and pause."""
    server = servers.postgres(server_folder / "own-postgres")
    yield server
    server.delete()


@pytest.fixture(scope="module")
def own_kafka(servers: Servers, server_folder: Path) -> Iterator[Kafka]:
    """A Kafka that these tests may stop, kill and pause."""
    server = servers.kafka(server_folder / "own-kafka")
    yield server
    server.delete()


async def query(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"])
async def test_postgres_is_durable(postgres: Postgres, setting: str) -> None:
    assert await query(postgres.dsn(), f"SHOW {setting}") == "on"


async def test_postgres_is_version_18_sorts_by_code_point_and_speaks_utc(postgres: Postgres) -> None:
    assert str(await query(postgres.dsn(), "SHOW server_version")).startswith("18.")
    assert await query(postgres.dsn(), "SELECT datlocale FROM pg_database WHERE datname = 'postgres'") == "C.UTF-8"
    assert await query(postgres.dsn(), "SHOW timezone") == "UTC"


def test_durability_cannot_be_traded_away(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="durability_is_firm"):
        embedded.Postgres.start(tmp_path, settings={"fsync": "off"})


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_postgres_keeps_what_was_committed(own_postgres: Postgres, end: str) -> None:
    await query(own_postgres.dsn(), "DROP TABLE IF EXISTS kept")
    await query(own_postgres.dsn(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id")
    before = own_postgres.dsn(), own_postgres.pid

    await asyncio.to_thread(getattr(own_postgres, end))
    assert not own_postgres.running
    with pytest.raises(OSError):
        await query(own_postgres.dsn(), "SELECT 1")
    await asyncio.to_thread(own_postgres.restart)

    assert await query(own_postgres.dsn(), "SELECT count(*) FROM kept") == 1000
    assert own_postgres.dsn() == before[0]
    assert own_postgres.pid != before[1]


async def test_a_killed_postgres_loses_an_open_transaction(own_postgres: Postgres) -> None:
    await query(own_postgres.dsn(), "DROP TABLE IF EXISTS half")
    await query(own_postgres.dsn(), "CREATE TABLE half (id int)")
    connection = await asyncpg.connect(own_postgres.dsn())
    await connection.execute("BEGIN")
    await connection.execute("INSERT INTO half VALUES (1)")

    await asyncio.to_thread(own_postgres.kill)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute("COMMIT")
    await asyncio.to_thread(own_postgres.restart)

    assert await query(own_postgres.dsn(), "SELECT count(*) FROM half") == 0


async def test_a_paused_postgres_is_silent_and_goes_on_when_resumed(own_postgres: Postgres) -> None:
    connection = await asyncpg.connect(own_postgres.dsn())
    own_postgres.pause()
    try:
        answer = asyncio.create_task(connection.fetchval("SELECT 42"))
        newcomer = asyncio.create_task(asyncpg.connect(own_postgres.dsn(), timeout=60))
        done, _ = await asyncio.wait({answer, newcomer}, timeout=0.5)
        assert not done
    finally:
        own_postgres.resume()
    assert await asyncio.wait_for(answer, 10) == 42
    await connection.close()
    await (await asyncio.wait_for(newcomer, 10)).close()


async def test_a_service_cannot_enter_the_database_of_another(postgres: Postgres) -> None:
    first, second = await asyncio.gather(postgres.create_service("apart_one"), postgres.create_service("apart_two"))
    assert await query(first, "SELECT current_user || '@' || current_database()") == "apart_one@apart_one"
    await query(first, "CREATE TABLE mine (id int)")

    for database in ("apart_two", "apart_one"):
        other = postgres.dsn(database, "apart_one" if database == "apart_two" else "apart_two")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await query(other, "SELECT 1")
    assert await query(second, "SELECT 1") == 1


async def test_a_service_needs_its_password(postgres: Postgres) -> None:
    dsn = await postgres.create_service("apart_three")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await query(dsn.replace("apart_three:", "apart_three:not-"), "SELECT 1")


async def test_creating_a_service_again_changes_nothing(postgres: Postgres) -> None:
    dsn = await postgres.create_service("twice")
    await query(dsn, "CREATE TABLE mine AS SELECT 7 AS id")
    assert await postgres.create_service("twice") == dsn
    assert await query(dsn, "SELECT id FROM mine") == 7


@pytest.mark.parametrize("name", ["", "Orders", "postgres", 'or"ders', "1st", "a" * 64])
async def test_a_bad_service_name_is_refused(postgres: Postgres, name: str) -> None:
    with pytest.raises(EmbeddedError, match="service_name_invalid"):
        await postgres.create_service(name)


async def test_the_database_fixture_is_fresh_and_empty(database: str) -> None:
    assert await query(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


@pytest.mark.embedded
def test_a_failed_start_shows_the_end_of_the_log(server_folder: Path) -> None:
    folder = server_folder / "misconfigured"
    with pytest.raises(ServerFailed, match="shared_buffers") as failure:
        embedded.Postgres.start(folder, settings={"shared_buffers": "many"})
    assert failure.value.code == "server_did_not_start"
    shutil.rmtree(folder)


@pytest.mark.embedded
def test_a_folder_serves_one_server_at_a_time(own_postgres: embedded.Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.embedded.process.GONE_WITHIN_SECONDS", 0.1)
    with pytest.raises(EmbeddedError, match="folder_in_use"):
        embedded.Postgres.start(own_postgres.home)
    assert own_postgres.running


STARTER = """
import signal, sys, time
from pathlib import Path
from holdfast.embedded import Postgres
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
server = Postgres.start(Path(sys.argv[1]))
if sys.argv[2] == "paused":
    server.pause()
print(server.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("end", "state"),
    [
        (signal.SIGKILL, "running"),
        (signal.SIGKILL, "paused"),
        (signal.SIGTERM, "running"),
        (signal.SIGINT, "running"),
    ],
)
def test_a_server_ends_with_its_starter(server_folder: Path, end: signal.Signals, state: str) -> None:
    folder = server_folder / f"starter-{end.name}-{state}"
    with subprocess.Popen([sys.executable, "-c", STARTER, folder, state], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        first = int(starter.stdout.readline())
        starter.send_signal(end)
    # Waits for the folder, which is free when the last process of the other is gone.
    successor = embedded.Postgres.start(folder)
    assert successor.pid != first
    assert "database system was shut down at" in (folder / "postgres.log").read_text().splitlines()[-2]
    successor.delete()


async def create_topic(kafka: Kafka, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()


async def produce(kafka: Kafka, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=b"key")


async def consume(kafka: Kafka, topic: str, count: int) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap, group_id=f"{topic}-readers", auto_offset_reset="earliest"
    )
    values: list[bytes | None] = []
    async with consumer, asyncio.timeout(30):
        while len(values) < count:
            values += [record.value for batch in (await consumer.getmany(timeout_ms=500)).values() for record in batch]
    return values


async def test_kafka_carries_messages(kafka: Kafka, unique: Callable[[str], str]) -> None:
    topic, values = unique("carried"), [b"%d" % number for number in range(50)]
    await create_topic(kafka, topic)
    await produce(kafka, topic, values)
    assert await consume(kafka, topic, 50) == values


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_kafka_keeps_what_it_acknowledged(own_kafka: Kafka, unique: Callable[[str], str], end: str) -> None:
    topic, bootstrap = unique("kept"), own_kafka.bootstrap
    await create_topic(own_kafka, topic)
    await produce(own_kafka, topic, [b"before"])

    await asyncio.to_thread(getattr(own_kafka, end))
    assert not own_kafka.running
    await asyncio.to_thread(own_kafka.restart)

    assert own_kafka.bootstrap == bootstrap
    await produce(own_kafka, topic, [b"after"])
    assert await consume(own_kafka, topic, 2) == [b"before", b"after"]


async def test_a_paused_kafka_is_silent_and_goes_on_when_resumed(
    own_kafka: Kafka, unique: Callable[[str], str]
) -> None:
    topic = unique("paused")
    await create_topic(own_kafka, topic)
    async with AIOKafkaProducer(bootstrap_servers=own_kafka.bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, b"before")
        own_kafka.pause()
        try:
            sent = await producer.send(topic, b"meanwhile")
            done, _ = await asyncio.wait({sent}, timeout=0.5)
            assert not done
        finally:
            own_kafka.resume()
        await asyncio.wait_for(sent, 30)
    assert await consume(own_kafka, topic, 2) == [b"before", b"meanwhile"]


async def test_kafka_makes_no_topic_by_itself(kafka: Kafka, unique: Callable[[str], str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        topic = unique("never-made")
        assert [one["error_code"] for one in await admin.describe_topics([topic])] == [3]  # unknown topic
        assert topic not in await admin.list_topics()
    finally:
        await admin.close()


def test_a_jar_with_another_sum_is_refused(tmp_path: Path) -> None:
    jar, *_ = jars.locked()
    lock = tmp_path / "kafka-jars.lock"
    lock.write_text(f"{jar.coordinates} {jar.sha256}\n")
    copy = tmp_path / "jars" / jar.file_name
    copy.parent.mkdir()
    shutil.copy(next(path for path in jars.fetch() if path.name == jar.file_name), copy)
    assert jars.fetch(copy.parent, lock=lock) == [copy]

    with copy.open("ab") as file:
        file.write(b"one byte more")

    with pytest.raises(EmbeddedError, match=jar.file_name) as refused:
        jars.fetch(copy.parent, lock=lock)
    assert refused.value.code == "jar_checksum_mismatch"


async def test_eventually_waits_for_a_condition_and_says_what_it_saw_last() -> None:
    countdown = iter([0, 0, 3])
    assert await eventually(lambda: next(countdown)) == 3

    def never() -> bool:
        raise AssertionError("only two of three")

    with pytest.raises(AssertionError, match=r"never; last seen: .*only two of three"):
        await eventually(never, within=0.05)
