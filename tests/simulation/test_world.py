"""The world itself: with a service as small as can be it keeps every invariant through every fault, and whatever is
planted in it is found. A simulation that could not fail would prove nothing.
"""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace as with_fields

from contracts.message import Actor, Role
from runtime.fold import Versioned
from tests.simulation import faults
from tests.simulation.database import Change, Database
from tests.simulation.faults import CALM, Faults, Silence
from tests.simulation.invariants import Money, Path
from tests.simulation.node import Node
from tests.simulation.violation import Violation
from tests.simulation.world import World
from tests.toy.toy import MIRROR, POISON, TOY, Add, RingLater, Tally

ACTOR = Actor(id="tests", role=Role.SERVICE)
TALLIES = ("a", "b", "c")
ROUGH = Faults(
    crash_before_commit=0.2,
    crash_after_commit=0.2,
    relay_crash=0.3,
    linger=0.3,
    rebalance=0.1,
    duplicate=0.2,
    hurry=0.1,
    oversleep=0.3,
    slow=frozenset({"mirror"}),
    silences=(Silence("mirror", timedelta(minutes=1), timedelta(hours=1)),),
)


def add(tally: str, number: int) -> Add:
    return Add(actor=ACTOR, tally=tally, number=number)


def toys(seed: int, trouble: Faults = ROUGH, *, by_http: bool = True) -> World:
    """A toy that adds, and a mirror that is told every total; numbers 1 to 30, by HTTP and Kafka."""
    world = World(seed, (TOY, MIRROR), trouble)
    world.watchers += [Path(world, {}), Money()]
    for number in range(1, 31):
        send = world.rng.choice((world.send, world.call)) if by_http else world.send
        command = add(world.rng.choice(TALLIES), number)
        world.plan(timedelta(seconds=world.rng.uniform(0, 600)), partial(send, command))
    world.plan(timedelta(0), partial(world.send, RingLater(actor=ACTOR, tally="a", seconds=90)))
    return world


def totals(world: World) -> dict[str, tuple[int, ...]]:
    """What the toy came to after each addition."""
    found = {}
    for tally in TALLIES:
        state, total = world.nodes["toy"].database.state("tallies", tally), 0
        found[tally] = tuple(total := total + number for number in (state.numbers if state else ()))
    return found


def reflected(world: World) -> dict[str, tuple[int, ...]]:
    """What the mirror was told, in its order."""
    states = {tally: world.nodes["mirror"].database.state("seen", tally) for tally in TALLIES}
    return {tally: state.totals if state else () for tally, state in states.items()}


@pytest.mark.parametrize("seed", range(40))
def test_every_message_has_one_effect_in_order_whatever_goes_wrong(seed: int) -> None:
    world = toys(seed)
    world.run()
    numbers = [each.numbers for each in world.nodes["toy"].database.states("tallies")]
    assert sorted(number for some in numbers for number in some) == list(range(1, 31))
    assert reflected(world) == totals(world)
    assert world.nodes["toy"].database.state("tallies", "a").rings == 1


def test_trouble_is_really_made() -> None:
    what = {"crashed before commit": 0, "crashed before acknowledging": 0, "Duplicate": 0}
    for seed in range(5):
        world = toys(seed)
        world.run()
        for each in world.trace:
            outcome = each.outcome if isinstance(each.outcome, str) else type(each.outcome).__name__
            if outcome in what:
                what[outcome] += 1
    assert min(what.values()) > 10, what


def test_the_same_seed_is_the_same_world_and_another_is_not() -> None:
    worlds = [toys(seed) for seed in (7, 7, 8)]
    for world in worlds:
        world.run()
    first, same, other = (world.digest() for world in worlds)
    assert first == same != other


def test_a_record_nobody_can_decode_parks_its_key_only_until_an_operator_clears_it() -> None:
    world = toys(3, CALM, by_http=False)  # by HTTP a parked key takes nothing
    toy = world.nodes["toy"]
    world.plan(timedelta(seconds=100), partial(world.plant, "toy.commands.v1", "b"))
    world.plan(timedelta(seconds=700), lambda: seen.update(toy.database.parked))
    world.plan(timedelta(seconds=701), lambda: toy.replay("b", world.now))
    seen: dict[str, object] = {}
    world.run()
    assert list(seen) == ["b"]
    assert sorted(n for each in toy.database.states("tallies") for n in each.numbers) == list(range(1, 31))
    assert reflected(world) == totals(world)


def violation(world: World) -> Violation:
    """What the world's watchers find."""
    with pytest.raises(Violation) as found:
        world.run()
    return found.value


def test_a_decision_that_raises_is_found() -> None:
    world = toys(1, CALM)
    world.plan(timedelta(seconds=1), partial(world.send, add("c", POISON)))
    found = violation(world)
    assert (found.id, found.about) == ("P1 parked", "c")
    assert "a bug in the decision" in found.text


def test_a_message_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def relay(self: Node) -> None:
        self.database.outbox.pop()

    monkeypatch.setattr(Node, "relay", relay)
    assert violation(toys(1, CALM)).id == "I5 outbox"


def test_messages_that_change_places_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def relay(self: Node) -> None:
        for row in reversed(self.database.outbox):
            self.publish(row.record)
        self.database.outbox.clear()

    monkeypatch.setattr(Node, "relay", relay)
    found = [violation_or_none(seed) for seed in range(5)]
    assert {each.id for each in found if each} == {"I5 outbox"}


def violation_or_none(seed: int) -> Violation | None:
    try:
        toys(seed).run()
    except Violation as found:
        return found
    return None


def test_a_message_that_nobody_committed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Database.commit

    def half(self: Database, change: Change) -> None:
        leaving, change.leaving = change.leaving, []
        commit(self, change)
        self.outbox += leaving

    monkeypatch.setattr(Database, "commit", half)
    found = violation(toys(1, CALM))
    assert (found.id, "never committed" in found.text) == ("I5 outbox", True)


def test_a_second_effect_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Database.commit

    def forgetful(self: Database, change: Change) -> None:
        commit(self, change)
        self.inbox.clear()

    monkeypatch.setattr(Database, "commit", forgetful)
    assert violation(toys(1)).id == "I7 effects"


def test_a_half_committed_batch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Database.commit

    def torn(self: Database, change: Change) -> None:
        before = dict(self.rows)
        commit(self, change)
        self.rows = before

    monkeypatch.setattr(Database, "commit", torn)
    with pytest.raises((Violation, KeyError)):
        toys(1, CALM).run()


def test_a_version_that_is_skipped_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Database.commit

    def jumping(self: Database, change: Change) -> None:
        commit(self, change)
        for ref in change.states:
            self.rows[ref] = Versioned(self.rows[ref].state, self.rows[ref].version + 1)

    monkeypatch.setattr(Database, "commit", jumping)
    assert violation(toys(1, CALM)).id == "I6 versions"


def test_a_state_that_does_not_survive_its_json_is_found() -> None:
    tallies = TOY.aggregates[0]

    def listing(state, message, now, look):  # type: ignore[no-untyped-def]
        outcome: Any = tallies.decide(state, message, now, look)
        numbers: Any = list(outcome.state.numbers)
        return with_fields(outcome, state=Tally(outcome.state.total, numbers))

    world = toys(1, CALM)
    world.nodes["toy"].database.service = replace(TOY, aggregates=(replace(tallies, decide=listing),))
    found = violation(world)
    assert found.id == "I8 legal states"


def test_worlds_differ_in_their_trouble() -> None:
    drawn = [faults.drawn(Random(seed), ("toy", "mirror")) for seed in range(100)]
    assert sum(each.crash_before_commit == 0 for each in drawn) > 20
    assert sum(each.crash_before_commit > 0 for each in drawn) > 20
    assert sum(bool(each.silences) for each in drawn) > 10
