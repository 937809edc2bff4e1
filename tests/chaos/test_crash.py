"""A crash of a service, at any moment and between any two steps."""

import random
import signal

from tests.chaos.check import rows
from tests.chaos.conftest import World, tallies
from tests.chaos.load import publishing
from tests.toy import faults, toy
from tests.toy.parts import SERVICE_ACTOR, client
from tests.waiting import eventually

QUICK = {"HOLDFAST_SESSION_TIMEOUT": 1}
"""So that the share of a dead replica is given away soon."""


async def test_kill_9_at_any_moment_loses_nothing_and_doubles_nothing(world: World, chaos_length: str) -> None:
    """“a crash (kill -9) between any two steps loses nothing and doubles nothing”"""
    chance = random.Random(chaos_length)
    await world.started("mirror")
    async with publishing(world.kafka.bootstrap, world.written, tallies()):
        for _ in range(6 if chaos_length == "short" else 80):
            # given a service at work
            (service,) = await world.started("toy", **QUICK)
            # when it is killed after any amount of work
            await world.more_handled(chance.randint(1, 400))
            await service.kill()
    # then the next one brings everything to its end
    await world.started("toy", **QUICK)
    await world.settles()


async def test_kill_9_between_any_two_steps_loses_nothing_and_doubles_nothing(world: World) -> None:
    """“a crash (kill -9) between any two steps loses nothing and doubles nothing”"""
    await world.started("mirror")
    rings: list[str] = []
    async with client(world.kafka.bootstrap) as other, publishing(world.kafka.bootstrap, world.written, tallies()):
        for point in faults.POINTS:
            if point.startswith("letters"):
                continue  # nothing is parked here; see the tests of parked keys
            # given a service that will die at this point, and timers that fall due meanwhile, one by one
            rings += [f"ring-{point}-{number}" for number in range(5)]
            await other.send(*(_ring(tally, 0.2 + 0.2 * number) for number, tally in enumerate(rings[-5:])))
            service = world.start("toy", TOY_CRASH=f"{point}:{1 if point == 'migrated' else 2}", **QUICK)
            # when it died there, its successor takes over
            assert await service.ended() == -signal.SIGKILL, f"{point}: {service.tail()}"
    # then everything has had its effect, once; every timer too
    await world.started("toy", **QUICK)
    await world.settles()

    async def all_rang() -> bool:
        rung = {row["id"]: row["rings"] for row in await rows(world.databases["toy"], RINGS)}
        assert rung == dict.fromkeys(rings, 1)
        return True

    await eventually(all_rang)


RINGS = "SELECT id, (state->>'rings')::int AS rings FROM tallies WHERE id LIKE 'ring-%'"


def _ring(tally: str, seconds: float) -> toy.RingLater:
    return toy.RingLater.model_validate({"actor": SERVICE_ACTOR, "tally": tally, "seconds": seconds})
