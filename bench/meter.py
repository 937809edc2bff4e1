"""CPU time and memory of whole process trees, by name. Standard library and psutil only: peers use it too."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter

import psutil  # type: ignore[import-untyped]

Roots = Mapping[str, Iterable[int]]
"""Process ids by name; each stands for itself and everything it started."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was used until `at` (seconds of a monotonic clock): CPU seconds by name."""

    at: float
    cpu: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Used:
    """What was used between two readings: wall seconds, and CPU seconds by name."""

    seconds: float
    cpu: Mapping[str, float]

    @property
    def cpu_total(self) -> float:
        return sum(self.cpu.values())


def read(roots: Roots) -> Reading:
    """User and system time of the trees, of children that ended and were waited for too. A tree whose root is gone
    counts as nothing, so restarts within a window must be read by whoever causes them."""
    return Reading(perf_counter(), {name: sum(map(_tree_seconds, pids)) for name, pids in roots.items()})


def used(before: Reading, after: Reading) -> Used:
    """The difference of two readings of the same roots."""
    return Used(after.at - before.at, {name: after.cpu[name] - before.cpu[name] for name in after.cpu})


def resident(roots: Roots) -> dict[str, int]:
    """Resident bytes by name, shared pages counted once where the system tells (PSS)."""
    return {name: sum(map(_tree_bytes, pids)) for name, pids in roots.items()}


def _tree_seconds(pid: int) -> float:
    while True:
        try:
            return sum(map(_seconds, _tree(pid)))
        except psutil.NoSuchProcess:
            # It ended after its parent was read, so it is in neither: read all again.
            continue


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    # What ended is in its parent's children times, once the parent waited for it.
    return float(times.user + times.system + times.children_user + times.children_system)


def _tree_bytes(pid: int) -> int:
    total = 0
    for process in _tree(pid):
        try:
            memory = process.memory_full_info()
        except psutil.Error:
            continue
        total += getattr(memory, "pss", 0) or memory.rss
    return total


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []
