"""Plots of a run as PNG files. Nothing else imports matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from bench.result import Result

matplotlib.use("Agg")
from matplotlib import pyplot

SIZE = (9.0, 4.5)


def draw(folder: Path, results: Sequence[Result]) -> list[Path]:
    """The plots that these results make possible, in `folder`."""
    drawn = []
    for one in results:
        if one.measure == "M2" and "by_process" in one.details:
            drawn.append(
                _bars(folder / "cpu_by_process.png", "CPU an order, by process (ms)", one.details["by_process"])
            )
        if one.measure == "CPU":
            drawn.append(_stacked(folder / "cpu_by_stage.png", one.details["by_process"], one.details["stages"]))
        if "plot" in one.details:
            # What stands in brackets is of one run; the file is the same in the next.
            what = f"{one.measure}_{one.what.partition(' (')[0]}".lower()
            name = "".join(letter if letter.isalnum() else "_" for letter in what)
            drawn.append(_lines(folder / f"{name[:60]}.png", f"{one.measure}: {one.what}", one.details["plot"]))
    peers = {one.what: one.median for one in results if one.measure == "peer" and one.unit == "orders/s"}
    own = [one.median for one in results if one.measure == "M1"]
    if peers and own:
        drawn.append(_bars(folder / "peers.png", "Completed orders a second", {"Holdfast": own[0], **peers}, log=True))
    return drawn


def _bars(path: Path, title: str, values: Mapping[str, float], log: bool = False) -> Path:
    figure, axes = pyplot.subplots(figsize=SIZE)
    bars = axes.barh(list(values), list(values.values()), color="#31688e")
    axes.bar_label(bars, fmt="%.3g", padding=3)
    axes.invert_yaxis()
    axes.set_title(title)
    if log:
        axes.set_xscale("log")
    return _save(figure, path)


def _stacked(path: Path, by_process: Mapping[str, float], stages: Mapping[str, Mapping[str, float]]) -> Path:
    """A bar a process; the sampled ones are divided by stage."""
    figure, axes = pyplot.subplots(figsize=(SIZE[0], SIZE[1] + 1))
    order = sorted({stage for some in stages.values() for stage in some}, key=lambda stage: -_sum(stages, stage))
    colours = [pyplot.get_cmap("tab20")(number) for number in range(20)]
    left = dict.fromkeys(by_process, 0.0)
    for number, stage in enumerate(order):
        widths = [stages.get(name, {}).get(stage, 0.0) for name in by_process]
        axes.barh(list(by_process), widths, left=list(left.values()), color=colours[number % 20], label=stage)
        left = {name: left[name] + width for name, width in zip(by_process, widths, strict=True)}
    rest = [by_process[name] - left[name] for name in by_process]
    axes.barh(list(by_process), rest, left=list(left.values()), color="#bbbbbb", label="not divided")
    axes.invert_yaxis()
    axes.set_title("CPU an order, by process and stage (µs)")
    axes.legend(fontsize="x-small", ncol=2)
    return _save(figure, path)


def _lines(path: Path, title: str, plot: Mapping[str, Any]) -> Path:
    """`plot`: x and y (labels), lines (points by name), log (whether y is logarithmic)."""
    figure, axes = pyplot.subplots(figsize=SIZE)
    for name, points in plot["lines"].items():
        axes.plot([x for x, _ in points], [y for _, y in points], marker=".", label=name)
    axes.set_xlabel(plot["x"])
    axes.set_ylabel(plot["y"])
    if plot.get("log"):
        axes.set_yscale("log")
    axes.set_title(title, wrap=True)
    axes.legend()
    return _save(figure, path)


def _sum(stages: Mapping[str, Mapping[str, float]], stage: str) -> float:
    return sum(some.get(stage, 0.0) for some in stages.values())


def _save(figure: Any, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path
