"""Runs seeds, in as many processes as there are cores, and tells the story of one that fails."""

import os
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from random import Random

import deposits.service
import disputes.service
import escrow.service
import identity.service
import orders.service
import simulators.carrier.service
import simulators.payments.service
from contracts.message import Message
from runtime.decision import Service
from runtime.delivery import Delivery
from runtime.fold import Done, Refusal
from tests.simulation import faults, habits
from tests.simulation.coverage import Seen, recording
from tests.simulation.invariants import Money, Path
from tests.simulation.marketplace import TIMERS, Marketplace
from tests.simulation.people import People
from tests.simulation.violation import Violation
from tests.simulation.world import Traced, World

SERVICES: tuple[Service, ...] = tuple(
    module.SERVICE
    for module in (
        orders.service,
        escrow.service,
        deposits.service,
        disputes.service,
        identity.service,
        simulators.payments.service,
        simulators.carrier.service,
    )
)
SEEDS_AT_ONCE = 25
STORY = 30
"""How many of the events of an order its story has."""


@dataclass
class Result:
    """What a number of seeds came to: `failures` are stories by seed."""

    seeds: int = 0
    steps: int = 0
    handled: int = 0
    seen: Seen = field(default_factory=Seen)
    failures: dict[int, str] = field(default_factory=dict)

    def add(self, other: "Result") -> None:
        self.seeds += other.seeds
        self.steps += other.steps
        self.handled += other.handled
        self.seen.add(other.seen)
        self.failures |= other.failures


def world_of(seed: int, services: Sequence[Service] = SERVICES) -> World:
    """The marketplace of this seed, before its first step, with everyone who watches it."""
    rng = Random(f"marketplace {seed}")
    world = World(seed, services, faults.drawn(rng, tuple(service.name for service in services)))
    People(world, habits.drawn(rng))
    money = Money()
    world.watchers += [Path(world, TIMERS), money, Marketplace(world, money)]
    return world


def run_seed(seed: int, services: Sequence[Service] = SERVICES) -> Result:
    """One world, from its first step to its end."""
    result = Result(seeds=1)
    world = world_of(seed, services)
    world.watchers.append(result.seen)
    with recording(result.seen):
        try:
            world.run()
        except Violation as violation:
            result.failures[seed] = story(world, violation)
        except Exception:
            result.failures[seed] = story(world, Violation("no world", traceback.format_exc()))
    result.steps, result.handled = world.steps, len(world.trace)
    return result


def run_seeds(seeds: Sequence[int], processes: int | None = None) -> Result:
    """All of these worlds, spread over the cores."""
    result = Result()
    chunks = [seeds[start : start + SEEDS_AT_ONCE] for start in range(0, len(seeds), SEEDS_AT_ONCE)]
    processes = min(len(chunks), processes or os.cpu_count() or 1)
    if processes <= 1:
        for seed in seeds:
            result.add(run_seed(seed))
        return result
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for some in pool.map(_run_some, chunks):
            result.add(some)
    return result


def _run_some(seeds: Sequence[int]) -> Result:
    result = Result()
    for seed in seeds:
        result.add(run_seed(seed))
    return result


def story(world: World, violation: Violation) -> str:
    """What to know of a failure: seed, step, invariant, the last events of the order concerned, how to run it again."""
    lines = [
        f"seed {world.seed}, step {world.steps}, {world.now:%Y-%m-%d %H:%M:%S}: {violation.id}",
        f"    {violation.text}",
        f"    about {violation.about or 'no order in particular'}",
        *(_told(each) for each in _concerned(world, violation.about)[-STORY:]),
        f"run it again: pytest tests/simulation --seed {world.seed}",
    ]
    return "\n".join(lines)


def _concerned(world: World, about: str) -> list[Traced]:
    if not about:
        return world.trace
    order = next((id for id in sorted(_order_ids(world), key=len, reverse=True) if id in about), about)
    return [each for each in world.trace if each.where == "trouble" or _is_about(each, order)]


def _order_ids(world: World) -> list[str]:
    return [ref.id for node in world.nodes.values() for ref in node.database.rows if ref.aggregate == "orders"]


def _is_about(traced: Traced, order: str) -> bool:
    if isinstance(traced.what, str):
        return f"key {order}" in traced.what
    if isinstance(traced.what, Message):
        return order in (traced.what.key, getattr(traced.what, "order_id", None))
    item = traced.what.item
    if item is None:
        return traced.what.lane == order
    return order in (item.ref.id, item.correlation_id, getattr(item.message, "order_id", None))


def _told(traced: Traced) -> str:
    head = f"  {traced.step:>6} {traced.at:%m-%d %H:%M:%S.%f} {traced.where:<11}"
    if isinstance(traced.what, str):
        return f"{head} {traced.what}"
    return f"{head} {_what(traced.what)} → {_outcome(traced.outcome)}"


def _what(what: Delivery | Message) -> str:
    if isinstance(what, Message):
        return repr(what)
    message = repr(what.item.message) if what.item else what.type
    return f"[{what.cause[-6:]}] {message}"


def _outcome(outcome: object) -> str:
    if isinstance(outcome, Done):
        sends = [f"sends {type(each.message).__name__}" for each in outcome.produced]
        return ", ".join([f"version {outcome.version}", *sends, *([outcome.note] if outcome.note else [])])
    if isinstance(outcome, Refusal):
        return f"refused: {outcome.code}"
    return outcome if isinstance(outcome, str) else type(outcome).__name__.lower()
