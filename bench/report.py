"""A run as people read it: RESULTS.md, with the tables of measures, costs, floors and peers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.efficiency import efficiencies
from bench.result import Result

CONTRACT = """\
The contract, the same for all: place → paid → held → screened → shipped → delivered → confirmed → released. Of every
hundred orders five are disputed and split, two are never shipped and end in a refund when the time to ship is over.
Every movement of money is a balanced ledger entry, everything is durable (fsync on, synchronous_commit on, acks=all),
and every event can be read by a consumer outside. An order is completed when it is in its final state, the ledger is
balanced, and its last event was read by an outside consumer. All five services run, with one process each, beside
PostgreSQL and Kafka and the load on the same cores; the load's CPU time is reported apart.
"""
FLOOR_NOTE = "Kafka's own producer benchmark is not among the jars of the server, so it is not among the floors."


def report(machine: Mapping[str, Any], results: Sequence[Result], plots: Iterable[str] = ()) -> str:
    """The whole report in Markdown; `plots` are file names beside it."""
    parts = [
        "# Results of the benchmark",
        _machine(machine),
        CONTRACT,
        "## Measures",
        measures_table(results),
        *_section("## CPU time an order", _cpu(results)),
        *_section("## What an order sets in motion", _amplification(results)),
        *_section("## Replicas", _replicas(results)),
        *_section("## Floors and efficiency", _floors(results)),
        *_section("## Peers", peers_table(results)),
        *_section("## Plots", "\n".join(f"![{name}]({name})" for name in plots)),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def measures_table(results: Sequence[Result]) -> str:
    """Every measure with its goal, and whether it was reached."""
    rows = [
        (one.measure, one.what, _figure(one), _spread(one), _goal(one), _REACHED[one.reached])
        for one in results
        if one.measure.startswith("M")
    ]
    return table(("", "what", "median", "spread", "goal", "reached"), rows)


def peers_table(results: Sequence[Result]) -> str:
    """Every peer against Holdfast; empty without peers."""
    peers = [one for one in results if one.measure == "peer"]
    if not peers:
        return ""
    own = {one.measure: one.median for one in results if one.measure in ("M1", "M2")}
    rows = []
    for one in peers:
        told = one.details
        if told.get("failed"):
            rows.append((one.what, "", "", "", "", str(told["failed"])))
            continue
        cpu = float(told["cpu_ms"])
        faster = f"{own['M1'] / one.median:.1f}×" if own.get("M1") and one.median else ""
        cheaper = f"{cpu / own['M2']:.1f}×" if own.get("M2") else ""
        rows.append((one.what, _figure(one), f"{_number(cpu)} ms", faster, cheaper, str(told.get("notes", ""))))
    return table(("peer", "completed", "CPU an order", "Holdfast is faster", "and cheaper", "notes"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _machine(machine: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    return (
        f"{machine['taken']}, commit {machine['commit'] or 'unknown'}. {machine['cores']} cores of "
        f"{machine['processor']}, {machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']}, "
        f"Python {machine['python']}, which adds up {machine['additions_per_s'] / 1e6:.1f} million integers a second "
        f"of CPU time; {packages}. Load before the run: {machine['load_before']}."
    )


def _cpu(results: Sequence[Result]) -> str:
    parts = []
    for one in results:
        if one.measure == "M2" and "by_process" in one.details:
            costs = [(name, _number(ms)) for name, ms in one.details["by_process"].items()]
            parts.append(table(("process", "CPU-ms an order"), [*costs, ("**all**", f"**{_number(one.median)}**")]))
            parts.append(f"The load, apart: {_number(one.details['load_apart'])} CPU-ms an order.")
        if one.measure == "CPU":
            parts.append("CPU-µs an order by stage, as sampled on the running services (Python and C functions):")
            parts.append(_stages(one.details["stages"]))
        if one.measure == "M8" and "longest" in one.details:
            longest = [
                (told["database"], f"`{told['sql'][:90]}`", _number(told["calls"]), _number(told["microseconds"]))
                for told in one.details["longest"][:12]
            ]
            parts.append("Statements by their time in PostgreSQL, an order:")
            parts.append(table(("service", "statement", "calls", "µs"), longest))
    return "\n\n".join(parts)


def _stages(stages: Mapping[str, Mapping[str, float]]) -> str:
    totals: dict[str, float] = {}
    for some in stages.values():
        for stage, microseconds in some.items():
            totals[stage] = totals.get(stage, 0.0) + microseconds
    rows = [
        (stage, *(f"{some.get(stage, 0):.0f}" for some in stages.values()), f"{totals[stage]:.0f}")
        for stage in sorted(totals, key=lambda stage: -totals[stage])
    ]
    return table(("stage", *stages, "all"), rows)


def _amplification(results: Sequence[Result]) -> str:
    parts = []
    for one in results:
        if one.measure == "M8" and "by_topic" in one.details:
            topics = [(topic, _number(number)) for topic, number in one.details["by_topic"].items()]
            parts.append(table(("topic", "messages an order"), topics))
        if one.measure == "M8" and "by_table" in one.details:
            tables = [
                (
                    name,
                    *map(_number, (told["inserted"], told["updated"])),
                    _share(told["hot"]),
                    _number(told["deleted"]),
                )
                for name, told in one.details["by_table"].items()
                if told["inserted"] + told["updated"] + told["deleted"] >= 0.01
            ]
            parts.append(table(("table", "inserted", "updated", "of them HOT", "deleted"), tables))
    return "\n\n".join(parts)


def _replicas(results: Sequence[Result]) -> str:
    one = next((one for one in results if one.measure == "M7"), None)
    if one is None:
        return ""
    rows = [
        (replicas, _number(rate), _number(one.details["cpu_ms"][replicas]))
        for replicas, rate in one.details["orders_a_second"].items()
    ]
    return table(("replicas of each service", "orders a second", "CPU-ms an order"), rows)


def _floors(results: Sequence[Result]) -> str:
    floors = [one for one in results if one.measure == "floor"]
    if not floors:
        return ""
    rows = [(one.what, _figure(one), _costs(one.details)) for one in floors]
    parts = [table(("floor", "rate", "CPU each"), rows), FLOOR_NOTE]
    if found := efficiencies(results):
        parts.append("Efficiency is the floor's cost of an order's work over the measured cost:")
        lines = [(one.stage, f"{one.floor:.0f}", f"{one.measured:.0f}", _share(one.ratio), one.how) for one in found]
        parts.append(table(("stage", "floor, CPU-µs", "measured, CPU-µs", "efficiency", "of what"), lines))
    return "\n\n".join(parts)


_REACHED = {True: "yes", False: "**no**", None: ""}


def _goal(one: Result) -> str:
    if one.goal is None:
        return "stated"
    return f"{'≥' if one.better == 'higher' else '≤'} {_number(one.goal)} {one.unit}"


def _spread(one: Result) -> str:
    return f"±{one.spread * 50:.0f} %" if len(one.samples) > 1 else ""


def _costs(details: Mapping[str, Any]) -> str:
    return ", ".join(f"{name[:-3]} {value:.1f} µs" for name, value in details.items() if name.endswith("_us"))


def _section(title: str, body: str) -> list[str]:
    return [title, body] if body else []


def _figure(one: Result) -> str:
    return f"{_number(one.median)} {one.unit}"


def _share(part: float | None) -> str:
    return "" if part is None else f"{part * 100:.0f} %"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
