"""Keys that stand still, under faults; and messages that are too large to be told on."""

import random
import signal
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from contracts.attributes import MAX_MESSAGE_BYTES
from tests.access import as_actor
from tests.chaos.check import rows
from tests.chaos.conftest import World, tallies
from tests.chaos.load import publishing
from tests.chaos.process import Process
from tests.toy import toy
from tests.toy.parts import Client, add, client, numbers, totals
from tests.waiting import eventually

QUICK = {"HOLDFAST_SESSION_TIMEOUT": 1}
OPERATOR = as_actor("operator:op-1")
POINTS = ["letters_parked", "before_commit", "amid_commit", "committed", "amid_acknowledge"]


async def test_a_parked_key_stays_parked_through_crashes_and_goes_on_in_order(world: World, tmp_path: Path) -> None:
    """“parks its key only; all other keys go on; replay after a fix continues the key in order”"""
    cure = tmp_path / "cure"
    await world.started("mirror")
    expected = []
    async with client(world.kafka.bootstrap) as other, publishing(world.kafka.bootstrap, world.written, tallies(10)):
        # given a message that meets a bug, and a crash at every step of parking it and what comes behind it
        for place, point in enumerate(POINTS):
            parked = [toy.POISON, 2 * place, 2 * place + 1] if place == 0 else [2 * place, 2 * place + 1]
            await other.send(*(add("poisoned", number) for number in parked))
            expected += parked
            passage = 1 if point == "letters_parked" else 2
            crashing = world.start("toy", cure=cure, TOY_CRASH=f"{point}:{passage}", **QUICK)
            assert await crashing.ended() == -signal.SIGKILL, f"{point}: {crashing.tail()}"
        # then it is parked, once, and so is what came behind it; the others go on
        dying = world.start("toy", cure=cure, TOY_CRASH="letters_resolved:1", **QUICK)
        await dying.ready()
        await eventually(lambda: _letters(world, ["failed"] + ["waiting"] * (len(expected) - 1)))
        await world.more_handled(100)
        assert await numbers(world.databases["toy"], "poisoned") == []
        # and when it is replayed after the fix by a process that dies over it, it stays parked
        cure.touch()
        with pytest.raises(httpx.TransportError):
            await _replay(dying, "poisoned")
        assert await dying.ended() == -signal.SIGKILL
        service = world.start("toy", cure=cure, **QUICK)
        await service.ready()
        assert await numbers(world.databases["toy"], "poisoned") == []
        # and when it is replayed by one that lives, the key goes on in order
        await _replay(service, "poisoned")
        await other.send(add("poisoned", 5000))
    await eventually(lambda: _numbers_are(world, "poisoned", [*expected, 5000]))
    await world.settles()
    assert len(await totals(world.databases["mirror"], "poisoned")) == len(expected) + 1


async def test_an_event_too_large_to_be_told_parks_the_command_that_causes_it(world: World) -> None:
    """“oversized messages: a typed refusal with the code and what to do, or a parked key, never a stopped consumer”"""
    service, _ = await world.started("toy", "mirror")
    async with client(world.kafka.bootstrap) as other, publishing(world.kafka.bootstrap, world.written, tallies(10)):
        await other.send(add("large", 1), add("large", 2, padding=MAX_MESSAGE_BYTES), add("large", 3))
        await eventually(lambda: _letters(world, ["failed", "waiting"]))
        (letter, _) = await rows(world.databases["toy"], "SELECT key, code FROM dead_letters ORDER BY seq")
        assert (letter["key"], letter["code"]) == ("large", "too_large")
        # by HTTP it is refused
        async with httpx.AsyncClient() as caller:
            asked = {"number": 1, "padding": MAX_MESSAGE_BYTES}
            answer = await caller.post(f"{service.url}/tallies/other", json=asked, headers=as_actor("service:tests"))
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        await world.more_handled(100)
        await _discard(service, "large")
        await _replay(service, "large")
    await world.settles()
    assert await numbers(world.databases["toy"], "large") == [1, 3]


async def test_a_parked_message_as_large_as_a_topic_takes_does_not_stop_the_outbox(world: World) -> None:
    """Its copy for the dead-letter topic, with the reasons added, would be too large; so can keys and headers be."""
    service, _ = await world.started("toy", "mirror")
    async with client(world.kafka.bootstrap) as other, publishing(world.kafka.bootstrap, world.written, tallies(10)):
        room = 1_048_588 - 300  # of a record batch, by the broker's default
        await _send_alone(other, b"k1", b"v" * room, [])
        await _send_alone(other, b"k2", b"v", [("h", b"h" * room)])
        await _send_alone(other, b"k" * room, b"v", [])
        await eventually(lambda: _letters(world, ["failed"] * 3))
        await world.more_handled(100)
        for (key,) in await rows(world.databases["toy"], "SELECT key FROM parked_keys"):
            await _discard(service, key)
    await world.settles()


async def test_a_message_that_the_broker_will_not_have_parks_its_key_only(world: World) -> None:
    """A topic that takes less than we may send: "a parked key", and nothing lost, and nothing out of order"""
    service, _ = await world.started("toy", "mirror")
    chance = random.Random(0)
    async with client(world.kafka.bootstrap) as other, publishing(world.kafka.bootstrap, world.written, tallies(10)):
        # given a topic that takes small batches only
        await _limit(world, "toy.events.v1", 20_000)
        await other.send(
            add("large", 1), add("large", 2, padding=30_000), *(add("large", number) for number in range(3, 20))
        )
        # then small messages go on, in small batches, and the large one waits with all that came behind it
        await eventually(lambda: _parked(world, "large"))
        await other.send(*(add("large", number) for number in range(20, 30)))
        await other.send(*(add("other", number, padding=chance.randint(0, 9_000)) for number in range(100)))
        await eventually(lambda: _numbers_are(world, "other", list(range(100))))
        await eventually(lambda: _told(world, "other", 100))
        assert await totals(world.databases["mirror"], "large") == [1]
        # when the topic takes it, and it is replayed, then all of it is told in order
        await _limit(world, "toy.events.v1", 1_048_588)
        await service.kill()
        service = world.start("toy")
        await service.ready()
        await _replay(service, "large")
        await eventually(lambda: _told(world, "large", 29))
        expected = [sum(range(1, number + 1)) for number in range(1, 30)]
        assert await totals(world.databases["mirror"], "large") == expected
    await world.settles()


async def _limit(world: World, topic: str, size: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.kafka.bootstrap)
    await admin.start()
    try:
        settings = {"max.message.bytes": str(size)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])
    finally:
        await admin.close()


async def _send_alone(other: Client, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> None:
    batch = other.producer.create_batch()
    assert batch.append(key=key, value=value, timestamp=None, headers=headers)
    await (await other.producer.send_batch(batch, "toy.commands.v1", partition=0))


async def _replay(service: Process, key: str) -> None:
    async with httpx.AsyncClient(timeout=20) as operator:
        answer = await operator.post(
            f"{service.url}/dead-letters/{quote(key, safe='')}/replay",
            json={"reason": "fixed", "dry_run": False},
            headers=OPERATOR,
        )
    assert (answer.status_code, answer.json().get("left")) == (200, 0), answer.text


async def _discard(service: Process, key: str) -> None:
    async with httpx.AsyncClient(timeout=20) as operator:
        letters = (await operator.get(f"{service.url}/dead-letters", headers=OPERATOR)).json()["letters"]
        seq = next(letter["seq"] for letter in letters if letter["key"] == key)
        body = {"reason": "was a test", "seq": seq}
        answer = await operator.post(
            f"{service.url}/dead-letters/{quote(key, safe='')}/discard", json=body, headers=OPERATOR
        )
    assert answer.status_code == 200, answer.text


async def _letters(world: World, statuses: list[str]) -> bool:
    found = await rows(world.databases["toy"], "SELECT status, key, code, error FROM dead_letters ORDER BY seq")
    assert [row["status"] for row in found] == statuses, found
    return True


async def _parked(world: World, key: str) -> bool:
    return bool(await rows(world.databases["toy"], "SELECT FROM parked_keys WHERE key = $1", key))


async def _numbers_are(world: World, tally: str, expected: list[int]) -> bool:
    found = await numbers(world.databases["toy"], tally)
    assert found == expected, found
    return True


async def _told(world: World, tally: str, count: int) -> bool:
    found = await totals(world.databases["mirror"], tally)
    assert len(found) == count, found
    return True
