"""`holdfast demo` and `replay`: a file of orders, played on a stack of one's own or on one that is up."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn

from holdfast import stack
from holdfast.addresses import Addresses, default_folder, find
from holdfast.embedded.errors import EmbeddedError
from holdfast.interrupts import run
from holdfast.misfortunes import misfortunes, settings_of, show_misfortunes
from holdfast.now import clock_of
from holdfast.replay.reader import BadRow, MissingColumns, Plan
from holdfast.replay.report import Report, show
from holdfast.replay.run import LEAD, fitted, read_file
from holdfast.replay.run import replay as play
from holdfast.terminal import FolderOption, JsonOption, console, errors, fail, say
from holdfast.upkeep import tell_where
from simulators.faults import UnknownFault

EXAMPLE = Path(__file__).parents[2] / "examples" / "marketplace.csv"


def demo(
    folder: FolderOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything up afterwards.")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="Let everything go wrong that can.")] = False,
    against: Annotated[
        Path | None, typer.Option("--against", help="Use the stack that is up on this folder; compose: the containers.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Sixty days of a small marketplace on real servers, in about two minutes. Example: holdfast demo --keep"""
    if against and (folder or keep or faults):
        fail("--against uses a stack that is up; --folder, --keep and --faults are for one that is started")
    if not as_json:
        console.print("[bold]Holdfast[/]: five services, real PostgreSQL and Kafka, sixty days under a virtual clock")
    wanted = "all" if faults else ""
    report = _replay(EXAMPLE, folder, strict=False, keep=keep, as_json=as_json, against=against, faults=wanted)
    if not as_json:
        _tell_more(against, keep, folder)
    _leave(report)


def _tell_more(against: Path | None, keep: bool, folder: Path | None) -> None:
    if against:
        console.print(f"look further: holdfast flows · money · dlq list · clock show, with --folder {against}")
    elif keep:
        tell_where(find(folder))
        console.print("look further: holdfast flows · holdfast money · holdfast dlq list · holdfast clock show")
        console.print("end it: holdfast down")
    else:
        console.print("look further: make demo KEEP=1, then holdfast flows · money · dlq list · clock show")


def replay(
    file: Annotated[Path, typer.Argument(help="CSV, one row an order line; columns as in examples/marketplace.csv.")],
    folder: FolderOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Introduce no sellers and buyers by yourself.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything up afterwards.")] = False,
    against: Annotated[
        Path | None, typer.Option("--against", help="Use the stack that is up on this folder, and start none.")
    ] = None,
    faults: Annotated[
        str, typer.Option("--faults", metavar="SPEC", help="What goes wrong: all, or decline=200,… in basis points.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Drive the system with a file of orders, and report. Example: holdfast replay examples/marketplace.csv --json"""
    if against and (folder or keep or faults):
        fail("--against uses a stack that is up; --folder, --keep and --faults are for one that is started")
    _leave(_replay(file, folder, strict=strict, keep=keep, as_json=as_json, against=against, faults=faults))


def _replay(
    file: Path,
    folder: Path | None,
    *,
    strict: bool,
    keep: bool,
    as_json: bool,
    against: Path | None = None,
    faults: str = "",
) -> Report:
    try:
        settings = settings_of(faults)
    except UnknownFault as error:
        fail(str(error))
    plans, bad_rows = _read(file)
    if not plans:
        fail(f"{file} holds no order that can be tried; {len(bad_rows)} rows are bad")
    tell: Callable[[str], None] = errors.print if as_json else say
    if against:
        addresses = find(against)
        now = clock_of(addresses).now()
        plans, later = fitted(plans, now)
        if later:
            tell(f"the stack's clock shows {now:%d %B %Y %H:%M}: all in the file is tried {later.days} days later")
        used: AbstractContextManager[Addresses] = nullcontext(addresses)
    else:
        used = _stack(folder or default_folder(), min(plan.placed_at for plan in plans) - LEAD, keep, tell, settings)
    with used as addresses, _progress(as_json) as progress:
        report = run(play(addresses, plans, bad_rows, strict=strict, progress=progress))
        wrong = misfortunes(addresses) if faults else None
    if as_json:
        print(json.dumps(report.to_dict() | ({"faults": wrong} if wrong else {})))
    else:
        show(report, console)
        if wrong:
            show_misfortunes(wrong, report.with_operator, console)
    if wrong and wrong["forgeries_accepted"]:
        raise typer.Exit(1)
    return report


def _read(file: Path) -> tuple[list[Plan], list[BadRow]]:
    try:
        return read_file(file)
    except MissingColumns as error:
        fail(f"{file}: {error}")
    except UnicodeDecodeError:
        fail(f"{file} is not UTF-8 text")
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")


@contextmanager
def _stack(
    folder: Path, start: datetime, keep: bool, say: Callable[[str], None], settings: Mapping[str, str]
) -> Iterator[Addresses]:
    if not keep:
        with stack.running(folder, clock=start, say=say, settings=settings) as running:
            yield running.addresses
        return
    yield _detached(folder, start, say, settings)


def _detached(folder: Path, start: datetime, say: Callable[[str], None], settings: Mapping[str, str]) -> Addresses:
    """A stack in a process of its own that outlives this one."""
    os.close(stack.clear(folder))
    log = folder.parent / "keeper.log"
    with log.open("wb") as out:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "holdfast.keeper", str(folder), start.isoformat()],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **settings},
        )
    say("starting everything in the background")
    try:
        while keeper.poll() is None:
            try:
                return find(folder)
            except EmbeddedError:
                time.sleep(0.1)
    except BaseException:
        keeper.terminate()
        keeper.wait()
        raise
    raise EmbeddedError("not_started", f"the stack did not start; {log} says:\n{log.read_text()[-2000:]}")


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, int, int, datetime], None]]:
    if quiet:
        yield lambda *_: None
    elif console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("replaying", total=None)

            def move(what: str, done: int, of: int, now: datetime) -> None:
                words = f"{what}, it is {now:%d %B %Y %H:%M}"
                bar.update(task, description=words, completed=done or None, total=of or None)

            yield move
    else:
        last = [time.monotonic()]

        def tell(what: str, done: int, of: int, now: datetime) -> None:
            if time.monotonic() - last[0] > 5:
                last[0] = time.monotonic()
                console.print(f"{what}, it is {now:%d %B %Y %H:%M}" + (f", {done} of {of} actions" if of else ""))

        yield tell


def _leave(report: Report) -> None:
    if not report.clean:
        raise typer.Exit(1)
