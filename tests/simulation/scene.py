"""What people have in common: how they ask, when they act, and what they know of each order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import TypeVar

from contracts.message import Actor, Command, Event, Role
from contracts.orders import HeldLine
from tests.simulation.habits import Habits
from tests.simulation.world import World

T = TypeVar("T")

OPERATOR = Actor(id="operator-1", role=Role.OPERATOR)
MEDIATOR = Actor(id="mediator-1", role=Role.MEDIATOR)
REVIEWER = Actor(id="reviewer-1", role=Role.REVIEWER)
SUPPORT = Actor(id="support-1", role=Role.SUPPORT)
OUTSIDE = Actor(id="simulation", role=Role.SERVICE)
"""Who speaks for the bank, the carrier's drivers and the provider's own staff."""


@dataclass(slots=True)
class Deal:
    """What people know of an order: the parties, the lines, the newest version heard of, the cases opened."""

    order_id: str
    buyer: str
    seller: str
    lines: Sequence[HeldLine] = ()
    version: int = 0
    payments: int = 0
    cases: list[str] = field(default_factory=list)
    stubborn: bool = False
    charged_back: bool = False

    @property
    def line_numbers(self) -> tuple[int, ...]:
        return tuple(line.line_no for line in self.lines)


@dataclass
class Scene:
    """Everything that people act on."""

    world: World
    habits: Habits
    deals: dict[str, Deal] = field(default_factory=dict)
    buyers: list[str] = field(default_factory=list)
    sellers: list[str] = field(default_factory=list)
    countries: dict[str, str] = field(default_factory=dict)

    @property
    def rng(self) -> Random:
        return self.world.rng

    def chance(self, likely: float) -> bool:
        return self.rng.random() < likely

    def later(self, wait: timedelta, act: Callable[[], object]) -> None:
        """Plans something."""
        self.world.plan(wait, act)

    def soon(self) -> timedelta:
        """Minutes, hours, a day or two."""
        return timedelta(minutes=self.rng.choice((0.1, 5, 60, 600, 2_000)) * self.rng.uniform(0.5, 1.5))

    def by(self, deadline: timedelta | datetime, *, never: float = 0.1, race: float = 0.15) -> timedelta | None:
        """When someone acts who has until `deadline`: in good time, within moments of it, or never (None)."""
        left = deadline - self.world.now if isinstance(deadline, datetime) else deadline
        fate = self.rng.random()
        if fate < never:
            return None
        if fate < never + race:
            return max(timedelta(0), left + timedelta(seconds=self.rng.choice((-900, -60, -1, 0, 0, 1, 60))))
        return max(timedelta(0), left * self.rng.random() * 0.7)

    def ask(self, *commands: Command) -> None:
        """Someone asks, by HTTP or Kafka; impatient ones ask twice, by the same or by a new id."""
        for command in commands:
            deal = self.deals.get(command.key)
            if deal and self.chance(0.03):
                version = max(0, deal.version - self.rng.choice((0, 1)))
                command = command.model_copy(update={"expected_version": version})
            send = self.world.call if self.chance(0.5) else self.world.send
            id = send(command)
            if self.chance(self.habits.impatience):
                again = id if self.chance(0.4) else self.world.new_id()
                self.later(self.soon() * self.rng.choice((0, 0.01, 1)), partial(send, command, id=again))

    def tell(self, event: Event, source: str) -> None:
        """Publishes an event in the name of a service that never said it."""
        self.world.send(event, source=source)

    def some(self, things: Sequence[T]) -> tuple[T, ...]:
        """One or more of them, in their order."""
        count = self.rng.randint(1, len(things))
        chosen = set(self.rng.sample(range(len(things)), count))
        return tuple(thing for n, thing in enumerate(things) if n in chosen)


def buyer_of(deal: Deal) -> Actor:
    return Actor(id=deal.buyer, role=Role.BUYER)


def seller_of(deal: Deal) -> Actor:
    return Actor(id=deal.seller, role=Role.SELLER)
