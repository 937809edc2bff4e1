"""The measures, one module a group. A module offers `IDS`, the measures it can take, and `take(setting, wanted)`, which
takes those of them that are wanted and yields a `Result` for each figure as soon as it is known."""

import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from bench.result import Result
from bench.systems import Ready, Systems

T = TypeVar("T")


class Length(Enum):
    """How long a run takes on two cores: a few minutes, about twenty-five, or as long as it takes."""

    QUICK = "quick"
    USUAL = "usual"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Setting:
    """How a run is taken: `folder` for data of servers, `length` for the sizes, `systems` to measure on."""

    folder: Path
    length: Length
    say: Callable[[str], None]
    systems: Systems
    orders: int | None = None
    """Orders of one drain, instead of the usual number."""
    repeats: int | None = None
    peers: tuple[str, ...] = ("all",)
    known: dict[str, Result] = field(default_factory=dict)
    """What this run took already by measure, the first result of each."""

    def by_length(self, quick: T, usual: T, long: T) -> T:
        """The size that goes with the length of this run."""
        return {Length.QUICK: quick, Length.USUAL: usual, Length.LONG: long}[self.length]

    def system(self, name: str, orders: int, warm_up: int | None = None) -> AbstractContextManager[Ready]:
        """A system to drain `orders` orders on at a time, warmed up; see `Systems.system`."""
        return self.systems.system(name, orders, warm_up)


Taker = Callable[[Setting, Collection[str]], Iterator[Result]]


def groups() -> list[ModuleType]:
    """The modules that offer measures, in the order of what they offer."""
    found = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return sorted((one for one in found if hasattr(one, "IDS")), key=lambda one: one.IDS)
