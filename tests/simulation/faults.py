"""What goes wrong in a world, and how often: drawn once by its seed, so that some worlds are calm in one way and rough
in another, and what only one kind of trouble brings out is not drowned by the others."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random


@dataclass(frozen=True, slots=True)
class Silence:
    """A service is away as a whole, from `begins` after the start of the world, for `lasts`."""

    service: str
    begins: timedelta
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances are per occasion: a batch, a run of the relay, a step."""

    crash_before_commit: float = 0.0
    crash_after_commit: float = 0.0
    relay_crash: float = 0.0
    linger: float = 0.0
    """A replica holds a fetched batch while the world goes on."""
    rebalance: float = 0.0
    duplicate: float = 0.0
    """Some message of the past is written to its topic again."""
    hurry: float = 0.0
    """Time passes, up to the next deadline, though messages are under way."""
    oversleep: float = 0.0
    """A clock that jumps to the next deadline jumps past it."""
    structured: float = 0.0
    """Share of the ports' events that come in structured mode."""
    replicas: int = 2
    batch_max: int = 20
    slow: frozenset[str] = frozenset()
    """Services whose turn comes seldom."""
    silences: tuple[Silence, ...] = ()
    poison: int = 0
    """Undecodable records planted on keys of orders."""


CALM = Faults()


def drawn(rng: Random, services: tuple[str, ...]) -> Faults:
    """The faults of one world; about one world in eight has none."""
    if rng.random() < 0.12:
        return Faults(replicas=1, batch_max=rng.choice((1, 5, 50)))

    def chance(most: float) -> float:
        return most * rng.random() if rng.random() < 0.6 else 0.0

    return Faults(
        crash_before_commit=chance(0.15),
        crash_after_commit=chance(0.15),
        relay_crash=chance(0.2),
        linger=chance(0.2),
        rebalance=chance(0.03),
        duplicate=chance(0.05),
        hurry=chance(0.03),
        oversleep=chance(0.3),
        structured=chance(1.0),
        replicas=rng.choice((1, 2)),
        batch_max=rng.choice((1, 4, 20, 100)),
        slow=frozenset(name for name in services if rng.random() < 0.08),
        silences=tuple(_silence(rng, services) for _ in range(rng.choice((0, 0, 1, 2)))),
        poison=rng.choice((0, 0, 0, 0, 2)),
    )


def _silence(rng: Random, services: tuple[str, ...]) -> Silence:
    return Silence(
        rng.choice(services),
        begins=timedelta(hours=rng.uniform(0, 24 * 30)),
        lasts=timedelta(hours=rng.choice((0.2, 6.0, 30.0, 24.0 * 12)) * rng.uniform(0.5, 1.5)),
    )
