"""COMMITs whose reply never comes, and networks that fall silent."""

import asyncio
import random

import httpx
import pytest

from tests.access import as_actor
from tests.chaos.check import rows
from tests.chaos.conftest import World, tallies
from tests.chaos.load import calling, publishing
from tests.chaos.process import Process
from tests.chaos.proxy import Loss, proxied
from tests.toy.parts import numbers
from tests.waiting import eventually


async def test_lost_commits_and_lost_replies_change_nothing_and_callers_get_the_true_answer(
    world: World, chaos_length: str
) -> None:
    """“a database restart in the middle of a COMMIT (its reply lost)”"""
    chance = random.Random(chaos_length)
    async with proxied(world.databases["toy"]) as network:
        first, second, _ = [*await world.started("toy", "toy", database=network.url), *await world.started("mirror")]
        # given Kafka and HTTP commands in the same batches, some of them to be refused
        async with (
            publishing(world.kafka.bootstrap, world.written, tallies(10)),
            calling([first.url, second.url], world.written, tallies(5), writers=4, refusals=True) as callers,
        ):
            # when every now and then a COMMIT of the pump or of the relay, or its reply, is lost
            network.lose = lambda is_relay: chance.choices(
                [Loss.NOTHING, Loss.REQUEST, Loss.REPLY], [20, 1, 0] if is_relay else [4, 1, 1]
            )[0]
            losses = 40 if chaos_length == "short" else 1000
            await eventually(lambda: sum(network.lost.values()) >= losses, within=300)
            network.lose = lambda is_relay: Loss.NOTHING
        # then nothing was lost or doubled, and every caller had the true answer, the first time it asked
        await world.settles()
        assert {Loss.REQUEST, Loss.REPLY} <= network.lost.keys()
        assert sum(caller.unanswered for caller in callers) == 0
        assert len(world.written.versions) == sum(caller.added for caller in callers)
        assert world.written.refused > 0


async def test_a_commit_that_arrives_after_it_was_given_up_has_one_effect(world: World) -> None:
    """“its reply lost”, and not even done yet"""
    async with proxied(world.databases["toy"]) as network:
        (toy,) = await world.started("toy", database=network.url)
        # given a COMMIT under way to the server, while its client has lost the connection
        left = [Loss.LATE]
        network.lose = lambda is_relay: left.pop() if left and not is_relay else Loss.NOTHING
        async with httpx.AsyncClient(timeout=20) as client:
            asked = client.post(f"{toy.url}/tallies/a", json={"number": 5}, headers=as_actor("service:tests"))
            asking = asyncio.create_task(asked)
            # when the service tries again, and meets what it did itself
            await eventually(lambda: _someone_waits(world))
            network.deliver_late()
            answer = await asking
        # then it waited for that, and answers as if nothing had happened
        assert (answer.status_code, answer.json()) == (200, {"result": "done", "version": 1})
        assert await numbers(world.databases["toy"], "a") == [5]


async def _someone_waits(world: World) -> bool:
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO inbox%'"
    return bool(await rows(world.databases["toy"], waiting))


async def test_a_silent_network_holds_work_up_only_while_it_is_silent(world: World) -> None:
    """“the database … away …: nothing lost or reordered, health says so, work resumes by itself”"""
    async with proxied(world.databases["toy"]) as network:
        (toy, _) = [*await world.started("toy", database=network.url), *await world.started("mirror")]
        async with publishing(world.kafka.bootstrap, world.written, tallies()):
            await world.more_handled(100)
            network.silent = True
            await eventually(lambda: _says_database(toy), within=20)
            network.silent = False
            await world.more_handled(100)
        await world.settles()


async def test_connections_that_never_answer_again_are_given_up(world: World, chaos_length: str) -> None:
    """“work resumes by itself”, where the machine of the database is gone and does not even say so"""
    if chaos_length == "short":
        pytest.skip("takes as long as a statement may take")
    async with proxied(world.databases["toy"]) as network:
        (toy, _) = [*await world.started("toy", database=network.url), *await world.started("mirror")]
        async with publishing(world.kafka.bootstrap, world.written, tallies()):
            for _ in range(2):
                await world.more_handled(100)
                network.cut_off()
                await world.more_handled(5_000, within=60)
        await world.settles()
        await toy.ready()


async def _says_database(process: Process) -> bool:
    status, text = await process.readiness()
    return status == 503 and "database" in text
