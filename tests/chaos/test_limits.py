"""Slow batches, long queues: what must stay within bounds does."""

import asyncio

import pytest

from tests.chaos.check import members, rows
from tests.chaos.conftest import World, tallies
from tests.chaos.load import Publisher, publishing
from tests.chaos.process import Process
from tests.waiting import eventually

BOUND_BYTES = 60_000_000
"""How much a service far behind may grow over one at rest."""


@pytest.mark.parametrize("slow", ["TOY_SLOW_SAVE", "TOY_SLOW_DECISION"])
async def test_a_slow_batch_does_not_exceed_the_poll_interval(world: World, chaos_length: str, slow: str) -> None:
    """“a slow batch does not exceed the poll interval”"""
    if (chaos_length, slow) == ("short", "TOY_SLOW_DECISION"):
        pytest.skip("as long as the other")
    # given more in one poll than a replica this slow can do in the time it has
    publisher = Publisher(world.kafka.bootstrap, world.written, tallies(500))
    await publisher.publish(450)
    await publisher.close()
    # (64 decisions of 25 ms hold the loop, and with it the heartbeat, near the suite's short session time-out)
    limits = {"HOLDFAST_POLL_INTERVAL": 10, "HOLDFAST_RETRY_FOR": 6, "HOLDFAST_SESSION_TIMEOUT": 10}
    toy = world.start("toy", **limits, **{slow: 0.025})
    mirror = world.start("mirror")
    await asyncio.gather(toy.ready(), mirror.ready())
    (member,) = await members(world.kafka.bootstrap, "toy")
    # then it is done in parts, each in time, and the replica is never thrown out
    await world.settles(within=60)
    assert [*await members(world.kafka.bootstrap, "toy")] == [member]
    assert toy.logged("acknowledge_failed") == 0


async def test_a_consumer_far_behind_does_not_grow(world: World, chaos_length: str) -> None:
    """“queues are bounded everywhere: a consumer a million messages behind does not grow”"""
    # given what the services need at rest, with a little work behind them
    services = await world.started("toy", "mirror")
    async with publishing(world.kafka.bootstrap, world.written, tallies(500), a_tick=200):
        await world.more_handled(2_000)
    await world.settles()
    at_rest = [process.resident_bytes for process in services]
    await asyncio.gather(*(process.terminate() for process in services))
    # when they start again far behind
    publisher = Publisher(world.kafka.bootstrap, world.written, tallies(5_000))
    publisher.begin_at(1_000_000)
    behind = 100_000 if chaos_length == "short" else 1_000_000
    for _ in range(behind // 5_000):
        await publisher.publish(5_000)
    await publisher.close()
    services = [world.start("toy"), world.start("mirror")]
    began = asyncio.get_running_loop().time()
    peaks = await _peaks_while_they_catch_up(world, services)
    # then none grows by more than the bound
    grown = [peak - rest for peak, rest in zip(peaks, at_rest, strict=True)]
    rate = behind / (asyncio.get_running_loop().time() - began)
    print(f"caught up with {rate:.0f} messages a second; grown by {[round(size / 1e6) for size in grown]} MB")
    assert max(grown) < BOUND_BYTES
    await world.settles(within=60, publications=False)


async def _peaks_while_they_catch_up(world: World, services: list[Process]) -> list[int]:
    peaks = [0 for _ in services]

    async def caught_up() -> bool:
        for place, process in enumerate(services):
            assert process.alive, process.tail()
            peaks[place] = max(peaks[place], process.resident_bytes)
        (row,) = await rows(world.databases["mirror"], "SELECT coalesce(sum(version), 0)::int AS done FROM seen")
        return bool(row["done"] == world.written.count)

    await eventually(caught_up, within=600)
    return peaks
