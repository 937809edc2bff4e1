"""Everyone who uses the marketplace, in one world: they hear of events, remember, and act. They know no more than that,
and what a query of the operators would show."""

from collections.abc import Collection
from typing import Any

from contracts.message import Event, Message
from contracts.registry import REGISTRY
from tests.simulation import staff, trade
from tests.simulation.habits import Habits
from tests.simulation.mischief import plan_mischief
from tests.simulation.scene import Scene
from tests.simulation.world import World


class People:
    """Buyers, sellers, mediators, reviewers, operators, carriers, banks. Joins the world's audience."""

    interests: Collection[type[Message]] = frozenset(
        {*trade.REACTIONS, *staff.REACTIONS}
        | {each for each in REGISTRY.values() if each.TOPIC == "orders.events.v1" and issubclass(each, Event)}
    )

    def __init__(self, world: World, habits: Habits) -> None:
        self.scene = Scene(world, habits)
        trade.open_shops(self.scene)
        trade.plan_orders(self.scene)
        staff.misbehave_with_deposits(self.scene)
        staff.plant_poison(self.scene)
        plan_mischief(self.scene)
        world.audience.append(self)

    def hear(self, event: Any, version: int | None) -> None:
        """Everyone concerned hears of it, and may plan what to do about it."""
        deal = self.scene.deals.get(event.key)
        if deal and version and event.TOPIC == "orders.events.v1":
            deal.version = max(deal.version, version)
        reaction = trade.REACTIONS.get(type(event))
        if reaction:
            reaction(self.scene, event)
        for each in staff.REACTIONS.get(type(event), ()):
            each(self.scene, event)
