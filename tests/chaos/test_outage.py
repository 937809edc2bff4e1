"""The database or the broker away: paused, restarted, crashed, or not there yet."""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.chaos.conftest import World, tallies
from tests.chaos.load import calling, publishing
from tests.chaos.process import Process, all_ready
from tests.waiting import eventually

PAUSE_SECONDS = {"short": 6.0, "long": 35.0}


@pytest.mark.parametrize("server", ["database", "broker"])
async def test_a_server_that_stands_still_for_a_while_costs_only_that_while(
    world: World, chaos_length: str, server: str
) -> None:
    """“the database or the broker away for 30 s: nothing lost or reordered, health says so, work resumes by itself”"""
    services = await world.started("toy", "mirror")
    paused = world.postgres if server == "database" else world.kafka
    async with (
        publishing(world.kafka.bootstrap, world.written, tallies()),
        calling([services[0].url], world.written, tallies(5)),
    ):
        await world.more_handled(200)
        # given a server that answers nobody, whose connections stay open
        paused.pause()
        back_at = time.monotonic() + PAUSE_SECONDS[chaos_length]
        # then health says so, and the processes live
        await asyncio.gather(*(eventually(_says_so(one, server), within=20) for one in services))
        await eventually(lambda: time.monotonic() > back_at, within=60)
        # and when it is back, so is everything
        paused.resume()
        await all_ready(*services, within=60)
        await world.more_handled(200)
    await world.settles()


async def test_a_database_that_crashes_and_restarts_loses_nothing(world: World, chaos_length: str) -> None:
    """“the same for a database restart in the middle of a COMMIT”: at any moment, orderly and not"""
    services = await world.started("toy", "toy", "mirror")
    async with (
        publishing(world.kafka.bootstrap, world.written, tallies()),
        calling([one.url for one in services[:2]], world.written, tallies(5), writers=4),
    ):
        for round in range(2 if chaos_length == "short" else 25):
            await world.more_handled(200)
            if round % 2:
                world.postgres.kill()
            else:
                world.postgres.stop()
            await asyncio.gather(*(eventually(_says_so(one, "database"), within=20) for one in services))
            await asyncio.to_thread(world.postgres.restart)
            await all_ready(*services, within=60)
    await world.settles()


async def test_a_broker_that_crashes_and_restarts_loses_nothing_and_holds_up_no_start(
    world: World, chaos_length: str
) -> None:
    """“the database or the broker away …: nothing lost or reordered, health says so, work resumes by itself”"""
    toy, mirror = await world.started("toy", "mirror")
    async with publishing(world.kafka.bootstrap, world.written, tallies()):
        for round in range(1 if chaos_length == "short" else 10):
            await world.more_handled(200)
            # given a broker that is gone, and a service that is started meanwhile
            await asyncio.to_thread(world.kafka.stop if round % 2 else world.kafka.kill)
            await toy.kill()
            toy = world.start("toy")
            await eventually(_says_so(mirror, "broker"), within=20)
            await eventually(_says_so(toy, "broker"), within=20)
            # when the broker is back, then so is everything
            await asyncio.to_thread(world.kafka.restart)
            await all_ready(toy, mirror, within=60)
    await world.settles()


async def test_services_come_up_when_their_servers_do(world: World) -> None:
    """Started with the database away, and told so by health, a service waits for it, or goes when it is told to."""
    world.postgres.stop()
    services = [world.start("toy"), world.start("mirror"), world.start("toy")]
    await asyncio.gather(*(eventually(_says_so(one, "database"), within=20) for one in services))
    assert await services.pop().terminate(within=10) == 0
    await asyncio.to_thread(world.postgres.restart)
    await all_ready(*services)
    async with publishing(world.kafka.bootstrap, world.written, tallies()):
        await world.more_handled(200)
    await world.settles()


def _says_so(process: Process, server: str) -> Callable[[], object]:
    async def says_so() -> bool:
        assert await process.lives()
        status, text = await process.readiness()
        assert status == 503 and server in text, (status, text)
        return True

    return says_so
