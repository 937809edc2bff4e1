"""Replicas share the work, take it over from one another, and never do it twice."""

import asyncio
import random
import signal

from contracts.message import PARTITIONS
from tests.chaos.check import members, rows
from tests.chaos.conftest import World, tallies
from tests.chaos.load import publishing
from tests.chaos.process import Process, all_ready
from tests.waiting import eventually


async def test_two_replicas_share_the_work_and_killing_one_moves_it_to_the_other(world: World) -> None:
    """“two replicas of each service share the work; killing one moves it to the other”"""
    # given two replicas of each
    replicas = await world.started("toy", "toy", "mirror", "mirror")
    await _shares(world, "toy", 2)
    await _shares(world, "mirror", 2)
    async with publishing(world.kafka.bootstrap, world.written, tallies()):
        await world.more_handled(300)
        await eventually(lambda: _all_handled_some(replicas))
        # when one of each is killed
        await replicas[0].kill()
        await replicas[2].kill()
        # then the others have it all
        await _shares(world, "toy", 1)
        await _shares(world, "mirror", 1)
        await world.more_handled(300)
    await world.settles()


async def test_sigterm_finishes_what_is_in_hand_and_leaves_at_once(world: World) -> None:
    """“SIGTERM finishes the batch in hand and leaves the group”"""
    # given two replicas at work, and a group that would wait long for a silent one
    patience = {"HOLDFAST_SESSION_TIMEOUT": 25}
    leaving, staying, _ = await world.started("toy", "toy", "mirror", **patience)
    await _shares(world, "toy", 2)
    async with publishing(world.kafka.bootstrap, world.written, tallies(), a_tick=50):
        await eventually(lambda: _all_handled_some([leaving, staying]))
        # when one is told to go
        leaving.send(signal.SIGTERM)
        # then the other has its share long before that, and it has gone, cleanly
        await _shares(world, "toy", 1, within=10)
        assert await leaving.ended(within=10) == 0
        await world.more_handled(500)
    await world.settles()
    assert leaving.logged("stopped") == 1
    assert [leaving.logged(event) for event in ("stopped_early", "batch_handed_back", "acknowledge_failed")] == [0] * 3


async def test_a_replica_with_a_name_has_its_share_again_as_soon_as_it_is_back(world: World) -> None:
    """“SIGKILL at any moment loses nothing”, and the rest of the session is not waited for"""
    # given two replicas with names, in a group that would wait for a silent one far longer than this test does
    names, long = ("toy-1", "toy-2"), {"HOLDFAST_SESSION_TIMEOUT": 600}
    killed, staying, _ = replicas = [
        *(world.start("toy", HOLDFAST_INSTANCE=name, **long) for name in names), world.start("mirror"),
    ]  # fmt: skip
    try:
        await all_ready(*replicas)
        await _shares(world, "toy", 2)
        async with publishing(world.kafka.bootstrap, world.written, tallies(), a_tick=50):
            await eventually(lambda: _all_handled_some([killed, staying]))
            # when one is killed, and started again under its name
            await killed.kill()
            back = world.start("toy", HOLDFAST_INSTANCE=names[0], **long)
            # then it has its share, and the other kept its own
            await all_ready(back)
            await eventually(lambda: _all_handled_some([back, staying]))
            await world.more_handled(300)
        await world.settles()
        for one in (back, staying):
            assert await one.terminate() == 0
    finally:
        # The group would remember both names for ten minutes: whoever comes under one of them says anew for how long.
        for one in world.processes:
            await one.kill()
        await all_ready(*(world.start("toy", HOLDFAST_INSTANCE=name, HOLDFAST_SESSION_TIMEOUT=1) for name in names))


async def test_a_replica_that_stood_still_and_wakes_up_doubles_and_reorders_nothing(
    world: World, chaos_length: str
) -> None:
    """“pauses past the session time-out”, with work going on meanwhile: a zombie holds no one up"""
    chance = random.Random(chaos_length)
    replicas = await world.started("toy", "toy", "mirror", HOLDFAST_SESSION_TIMEOUT=1)
    await _shares(world, "toy", 2)
    async with publishing(world.kafka.bootstrap, world.written, tallies(), a_tick=40):
        for round in range(2 if chaos_length == "short" else 30):
            zombie = replicas[round % 2]
            await world.more_handled(chance.randint(100, 500))
            # given a replica that stands still, in the midst of whatever it does
            zombie.send(signal.SIGSTOP)
            # when its share has gone to the other, and what it held is free again
            await _shares(world, "toy", 1)
            await _news_of_every_tally(world)
            # and it wakes up and goes on where it stood
            zombie.send(signal.SIGCONT)
            await _shares(world, "toy", 2)
    # then nothing happened twice or out of order
    await world.settles()


async def _news_of_every_tally(world: World) -> None:
    """What is published from now on is handled and told."""
    marks = {tally: sum(map(len, world.written.writers_of(tally))) for tally in world.written.tallies}

    async def told() -> bool:
        seen = dict(await rows(world.databases["mirror"], "SELECT id, version FROM seen"))
        waiting = {tally: (seen.get(tally, 0), mark) for tally, mark in marks.items() if seen.get(tally, 0) <= mark}
        assert not waiting, f"not told of: {waiting}"
        return True

    await eventually(told, within=30)


async def test_replicas_that_come_and_go_double_and_reorder_nothing(world: World, chaos_length: str) -> None:
    """“a rebalance storm doubles nothing”"""
    chance = random.Random(chaos_length)
    replicas = await world.started("toy", "mirror")
    async with publishing(world.kafka.bootstrap, world.written, tallies(), a_tick=30):
        for round in range(5 if chaos_length == "short" else 60):
            # given a rebalance under way, one more joins; the oldest of either kind leaves, in order or not
            service = "mirror" if round % 3 == 2 else "toy"
            joining = world.start(service, HOLDFAST_SESSION_TIMEOUT=1)
            replicas.append(joining)
            await world.more_handled(chance.randint(1, 300))
            oldest = next(one for one in replicas if one.name.startswith(service))
            replicas.remove(oldest)
            if round % 2:
                await oldest.kill()
            else:
                assert await oldest.terminate() == 0
        await all_ready(*replicas)
    await world.settles()


async def test_a_replica_relays_what_the_leading_one_left(world: World) -> None:
    """“killing one moves it to the other”: the relay"""
    # given a replica that leads the relay and will die with rows sent and not committed
    leading = world.start("toy", TOY_CRASH="relay_sent:5")
    await leading.ready()
    await world.started("toy", "mirror")
    # when it dies, then the other relays the rest
    async with publishing(world.kafka.bootstrap, world.written, tallies()):
        assert await leading.ended() == -signal.SIGKILL
        await world.more_handled(300)
    await world.settles()


async def _shares(world: World, group: str, count: int, within: float = 30) -> None:
    """Waits until exactly `count` members have all partitions of the group's topics between them, each some."""

    async def shared() -> bool:
        given = await members(world.kafka.bootstrap, group)
        sizes = sorted(len(places) for places in given.values())
        expected = sum(sizes) and sum(sizes) == len(set().union(*given.values())) == TOPICS[group] * PARTITIONS
        assert len(sizes) == count and all(sizes) and expected, sizes
        return True

    await eventually(shared, within=within)


TOPICS = {"toy": 1, "mirror": 3}
"""How many topics each group reads."""


async def _all_handled_some(processes: list[Process]) -> bool:
    return all(await asyncio.gather(*(process.handled() for process in processes)))
