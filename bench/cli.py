"""`python -m bench`: takes the measures that are wanted, and writes what they came to."""

import argparse
import signal
import sys
import time
from pathlib import Path

from bench import machine, result
from bench.measures import Length, Setting, groups
from bench.outside import PROJECT, BenchFailed
from bench.report import measures_table, report
from bench.result import Result
from bench.systems import Systems
from holdfast.embedded import EmbeddedError
from holdfast.places import home

_BEGUN = time.perf_counter()
RESULTS = PROJECT / "bench" / "results"


def main(arguments: list[str] | None = None) -> None:
    """Entry point. Exit codes: 0 all was taken, whether goals are reached or not; 2 a measure could not be taken; 130
    interrupted, with nothing left running."""
    # Also where a shell that started this in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _take(arguments)
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        sys.exit(130)


def _take(arguments: list[str] | None) -> None:
    asked = _parser().parse_args(arguments)
    wanted = {one for one in asked.only.split(",") if one}
    known = {id for group in groups() for id in group.IDS}
    if wanted - known:
        sys.exit(f"bench: there is no {', '.join(sorted(wanted - known))}; there are {', '.join(sorted(known))}")
    folder = asked.folder or home() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    length = Length.QUICK if asked.quick else Length.LONG if asked.long else Length.USUAL
    facts = machine.facts()
    results: list[Result] = []
    faults = []
    with Systems(folder, _say, shared=length is Length.QUICK) as systems:
        setting = Setting(folder, length, _say, systems, asked.orders, asked.repeats, tuple(asked.peers.split(",")))
        for group in groups():
            some = {id for id in group.IDS if not wanted or id in wanted}
            try:
                for one in group.take(setting, some) if some else ():
                    results.append(one)
                    setting.known.setdefault(one.measure, one)
                    _say(f"{one.measure}: {one.what}: {one.median:.4g} {one.unit}")
            except (BenchFailed, EmbeddedError) as error:
                faults.append(f"{', '.join(sorted(some))}: {error}")
                print(f"bench: {faults[-1]}", file=sys.stderr, flush=True)
    # A part of the measures says nothing about the whole: it does not replace the results that are kept.
    _write(asked.results or (folder / "results" if wanted else RESULTS), facts, results)
    print(measures_table(results))
    if faults:
        sys.exit(2)


def _write(folder: Path, facts: dict[str, object], results: list[Result]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    result.write(folder / "results.json", facts, results)
    plots: list[Path] = []
    try:
        from bench.plots import draw

        plots = draw(folder, results)
    except ImportError:
        _say("no plots: matplotlib is not installed; make bench installs it")
    (folder / "RESULTS.md").write_text(report(facts, results, [path.name for path in plots]))
    _say(f"written: {folder / 'RESULTS.md'}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench", description="Measures Holdfast, the limits of the machine, and peers."
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="small sizes on one system for all: a few minutes")
    length.add_argument("--long", action="store_true", help="whole sizes: two hours on two cores, 20 GB of disk")
    parser.add_argument("--only", default="", metavar="M1,M2", help="these measures alone")
    parser.add_argument("--peers", default="all", metavar="NAME,…", help="these peers alone; none for no peer")
    parser.add_argument("--folder", type=Path, help="where servers keep their data meanwhile")
    parser.add_argument("--results", type=Path, help="where the report goes; bench/results for a run of everything")
    parser.add_argument("--orders", type=int, help="orders of one drain")
    parser.add_argument("--repeats", type=int, help="drains after the warm-up")
    return parser


def _say(text: str) -> None:
    """With the seconds since it all began."""
    print(f"{time.perf_counter() - _BEGUN:5.0f} s  {text}", flush=True)
