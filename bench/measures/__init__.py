"""The measures, one module a group. A module offers `IDS`, the measures it can take, and `take(setting, wanted)`, which
takes those of them that are wanted and yields a `Result` for each figure as soon as it is known."""

import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from bench.result import Result


@dataclass(frozen=True, slots=True)
class Setting:
    """How a run is taken: `folder` for data of servers, `quick` for sizes that end in minutes."""

    folder: Path
    quick: bool
    say: Callable[[str], None]
    orders: int | None = None
    """Orders of one drain, instead of the usual number."""
    repeats: int | None = None
    peers: tuple[str, ...] = ("all",)
    known: dict[str, float] = field(default_factory=dict)
    """Medians by measure of what this run took already, the first of each."""


Taker = Callable[[Setting, Collection[str]], Iterator[Result]]


def groups() -> list[ModuleType]:
    """The modules that offer measures, in the order of what they offer."""
    found = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return sorted((one for one in found if hasattr(one, "IDS")), key=lambda one: one.IDS)
