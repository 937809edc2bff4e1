"""The outside world of Holdfast in one process, which speaks Kafka and nothing else.

`python -m bench.load prepare …` opens accounts and deposits; `python -m bench.load run …` places orders and answers
what becomes of them, keeping a window of them in flight (closed loop) or placing them at a rate (open loop). It tells
what it does in lines of JSON: {"say": "ready"}, and begins at the first line of its standard input (a second line
ends the placing of orders); {"say": "overdue"} when only orders are left that wait for the clock; {"say": "second"}
every second, with its clock (monotonic) and the p99 of that second; {"say": "done"} at the end, or {"say": "failed"}.
"""

import argparse
import asyncio
import gc
import json
import logging
import sys
import time
from typing import Any

import uvloop

from bench import market, prepare
from bench.histogram import Histogram
from bench.market import Market, Unexpected
from bench.plan import Mix
from bench.wire import Wire

GIVE_UP_AFTER = 60.0
"""Seconds without any progress."""
CLOSED_TICK, OPEN_TICK = 0.05, 0.002
"""Seconds between two rounds. Under a closed loop nobody waits for an answer, so the world gathers them and sends fewer
batches; under an open loop it answers at once."""


async def run(wire: Wire, world: Market, *, window: int, rate: float) -> dict[str, Any]:
    """Places and answers until every order is completed; returns what is said at the end.

    Raises `Unexpected`: stalled, command_refused, wrong_outcomes.
    """
    clock = asyncio.get_running_loop().time
    began = moved = told = clock()
    cpu = time.process_time()
    last, overdue_told = 0, False
    until_then: dict[str, Histogram] = {}
    while not world.done:
        now = clock()
        if rate:
            due = min(int((now - began) * rate) + 1, world.count) - world.placed
            for number in range(world.placed, world.placed + max(due, 0)):
                world.place(1, began + number / rate)
        else:
            room = min(window - world.moving, world.count - world.placed)
            if room > 0:
                world.place(room, now)
        world.resume(now)
        await wire.flush()
        if not rate:
            await asyncio.sleep(max(CLOSED_TICK - (clock() - now), 0.0))
        records = await wire.receive(OPEN_TICK if rate else 0.0)
        now = clock()
        for record in records:
            world.hear(record, now)
        if wire.received != last:
            last, moved = wire.received, now
        if now - moved > GIVE_UP_AFTER:
            raise Unexpected("stalled", f"{world.completed} of {world.count} orders, {world.moving} in flight")
        if world.placed == world.count and world.moving == 0 and world.overdue and not overdue_told:
            overdue_told = True
            say("overdue", orders=world.overdue)
        if now - told >= 1:
            told = now
            p99 = {name: one.since(until_then.get(name)).at(0.99) for name, one in world.latencies.items()}
            until_then = {name: Histogram(one.buckets.items()) for name, one in world.latencies.items()}
            say(
                "second", at=now - began, clock=now, placed=world.placed, completed=world.completed,
                moving=world.moving, p99={name: seconds for name, seconds in p99.items() if seconds},
            )  # fmt: skip
    world.check()
    return {
        "orders": world.count,
        "seconds": clock() - began,
        "cpu_seconds": time.process_time() - cpu,
        "sent": wire.sent,
        "received": wire.received,
        "early": world.early,
        "outcomes": dict(world.outcomes),
        "latencies": {name: histogram.to_dict() for name, histogram in world.latencies.items()},
    }


def enough(world: Market) -> None:
    """Somebody wrote to the standard input, or closed it: what is placed is all."""
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    world.count = world.placed


def say(what: str, **more: Any) -> None:
    """One line of JSON for whoever started this process."""
    print(json.dumps({"say": what, **more}), flush=True)


async def serve(asked: argparse.Namespace) -> None:
    """Does what was asked on the command line."""
    mix = Mix(seed=asked.seed, sellers=asked.sellers, buyers=asked.buyers)
    preparing = asked.what == "prepare"
    wire = Wire(asked.kafka, prepare.TOPICS if preparing else market.TOPICS)
    await wire.start()
    try:
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        if preparing:
            say("done", **await prepare.prepare(wire, mix))
        else:
            world = Market(wire, mix, asked.run, asked.first, asked.orders)
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), enough, world)
            say("done", **await run(wire, world, window=asked.window, rate=asked.rate))
    except Unexpected as error:
        say("failed", code=error.code, text=str(error))
        sys.exit(1)
    finally:
        await wire.stop()


def main() -> None:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="bench.load", description=__doc__)
    parser.add_argument("what", choices=("prepare", "run"))
    parser.add_argument("--kafka", required=True, help="host:port")
    parser.add_argument("--seed", type=int, default=Mix().seed)
    parser.add_argument("--sellers", type=int, required=True)
    parser.add_argument("--buyers", type=int, required=True)
    parser.add_argument("--run", default="ord-1", help="begins the ids of the orders; new for every run")
    parser.add_argument("--first", type=int, default=0, help="number of the first order")
    parser.add_argument("--orders", type=int, default=1_000)
    parser.add_argument("--window", type=int, default=5_000, help="orders in flight")
    parser.add_argument("--rate", type=float, default=0.0, help="orders a second, whatever becomes of them")
    asked = parser.parse_args()
    # A broker that is away is tried again; who measures knows that it is, and a load that cannot go on says so itself.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # Nearly all that is made here dies by its reference count: looking for cycles took most of this process's time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)
    uvloop.run(serve(asked))


if __name__ == "__main__":
    main()
