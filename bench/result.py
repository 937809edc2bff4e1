"""What a measure came to, and the file of a whole run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Result:
    """One figure: `samples` are its repeats, in `unit`. `goal` None: stated, with nothing to reach."""

    measure: str
    what: str
    unit: str
    samples: Sequence[float]
    goal: float | None = None
    better: Literal["higher", "lower"] = "lower"
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def spread(self) -> float:
        """Largest less smallest sample, as a part of the median."""
        return (max(self.samples) - min(self.samples)) / self.median if self.median else 0.0

    @property
    def reached(self) -> bool | None:
        """Whether the median reaches the goal; None without one."""
        if self.goal is None:
            return None
        return self.median >= self.goal if self.better == "higher" else self.median <= self.goal


def write(path: Path, machine: Mapping[str, Any], results: Sequence[Result]) -> None:
    """The whole run as JSON: the facts of the machine, and every result with all its samples."""
    told = [{**asdict(one), "median": one.median, "spread": one.spread, "reached": one.reached} for one in results]
    path.write_text(json.dumps({"machine": machine, "results": told}, indent=1, sort_keys=False) + "\n")


def read(path: Path) -> tuple[dict[str, Any], list[Result]]:
    """What `write` wrote."""
    told = json.loads(path.read_text())
    known = Result.__slots__
    return told["machine"], [Result(**{name: one[name] for name in known}) for one in told["results"]]
