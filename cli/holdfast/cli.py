"""The command line. One verb a need; errors in one line, with what to do."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import typer
from aiokafka.errors import KafkaError
from rich.progress import BarColumn, Progress, TextColumn

from holdfast import declared, dlq, events, order, stack, stuck, token, watching
from holdfast.clockwork import Clockwork, clock_of
from holdfast.doctor import doctor
from holdfast.embedded import EmbeddedError
from holdfast.interrupts import run
from holdfast.misfortunes import misfortunes, settings_of, show_misfortunes
from holdfast.reconcile import reconcile
from holdfast.replay.reader import BadRow, MissingColumns, Plan
from holdfast.replay.report import Report, show, show_proofs
from holdfast.replay.run import LEAD, fitted, read_file
from holdfast.replay.run import replay as play
from holdfast.terminal import FolderOption, JsonOption, console, errors, fail, get, say
from runtime.clock import VirtualClock
from simulators.faults import UnknownFault

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Buyer protection for a marketplace: escrow, deposits, disputes and identity over Kafka and PostgreSQL.\n\n"
    "Exit codes: 0 done; 1 not clean (a proof that fails, something stuck or wrong); 2 could not be done, with the "
    "reason in one line; 130 interrupted.",
)
clock_app = typer.Typer(no_args_is_help=True, help="The virtual clock of a running stack.")
app.add_typer(clock_app, name="clock")
app.add_typer(order.app, name="order")
app.add_typer(dlq.app, name="dlq")
app.add_typer(declared.contracts_app, name="contracts")
app.add_typer(declared.events_app, name="events")
app.add_typer(declared.saga_app, name="saga")
app.command()(token.token)
app.command()(doctor)
app.command("flows")(watching.show_flows)
declared.saga_app.command("stuck")(stuck.stuck)
declared.events_app.command("tail")(events.tail)
declared.events_app.command("publish")(events.publish)
app.command()(reconcile)

EXAMPLE = Path(__file__).parents[2] / "examples" / "marketplace.csv"


def main() -> None:
    """The verb that was called. Exit codes: 0 done, 1 not clean, 2 could not be done, 130 interrupted."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # What a client of Kafka logs while it tries again is nothing to the user; what it gives up with is told.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        app()
    except EmbeddedError as error:
        fail(str(error))
    except httpx.HTTPError as error:
        fail(f"a service does not answer: {error!r}; see the logs in {stack.default_folder()}")
    except KafkaError as error:
        fail(f"Kafka does not answer: {error!r}; `holdfast doctor` says more")
    except KeyboardInterrupt:
        errors.print("stopped")
        sys.exit(130)
    except SystemExit as end:
        if end.code == 130:  # an interrupt that the framework saw first
            errors.print("stopped")
        raise
    finally:
        # What is left is the interpreter's own end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@app.command()
def up(
    folder: FolderOption = None,
    real_clock: Annotated[bool, typer.Option("--real-clock", help="Follow the machine's clock.")] = False,
    replicas: Annotated[int, typer.Option(min=1, max=12, help="Processes of each service.")] = 1,
) -> None:
    """Start everything and stay until Ctrl-C. Example: holdfast up --real-clock --replicas 2"""
    start = None if real_clock else datetime.now(UTC)
    with stack.running(folder or stack.default_folder(), clock=start, say=say, replicas=replicas) as running:
        _tell_where(running.addresses)
        console.print("Ctrl-C ends it")
        signal.pause()


@app.command()
def down(folder: FolderOption = None) -> None:
    """Stop the stack that runs on the folder. Example: holdfast down"""
    addresses = stack.find(folder)
    if not addresses.pid:
        fail("containers are stopped with `docker compose down`; with -v their data goes too")
    os.kill(addresses.pid, signal.SIGTERM)
    for _ in range(600):
        try:
            stack.find(folder)
        except EmbeddedError:
            console.print("stopped")
            return
        time.sleep(0.1)
    fail(f"process {addresses.pid} has not stopped within a minute")


@app.command()
def demo(
    folder: FolderOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything up afterwards.")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="Let everything go wrong that can.")] = False,
    against: Annotated[
        Path | None, typer.Option("--against", help="Use the stack that is up on this folder; compose: the containers.")
    ] = None,
) -> None:
    """Sixty days of a small marketplace on real servers, in about two minutes. Example: holdfast demo --keep"""
    if against and (folder or keep or faults):
        fail("--against uses a stack that is up; --folder, --keep and --faults are for one that is started")
    console.print("[bold]Holdfast[/]: five services, real PostgreSQL and Kafka, sixty days under a virtual clock")
    wanted = "all" if faults else ""
    report = _replay(EXAMPLE, folder, strict=False, keep=keep, as_json=False, against=against, faults=wanted)
    if against:
        console.print(f"look further: holdfast flows · money · dlq list · clock show, with --folder {against}")
    elif keep:
        _tell_where(stack.find(folder))
        console.print("look further: holdfast flows · holdfast money · holdfast dlq list · holdfast clock show")
        console.print("end it: holdfast down")
    else:
        console.print("look further: make demo KEEP=1, then holdfast flows · money · dlq list · clock show")
    _leave(report)


@app.command()
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


@app.command()
def money(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """Prove the ledgers of the running stack, now. Example: holdfast money --json"""
    addresses = stack.find(folder)
    proofs = {name: get(addresses, name, "/money/proof") for name in ("escrow", "deposits")}
    if as_json:
        print(json.dumps(proofs))
    else:
        show_proofs(proofs, console)
    if not all(proof["ok"] for proof in proofs.values()):
        raise typer.Exit(1)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def bench(context: typer.Context) -> None:
    """Take measures of the benchmark, on servers of its own. Example: holdfast bench --only M1 --quick"""
    try:
        from bench.cli import main as take
    except ImportError:
        fail("the benchmark comes with the checkout only; run it there, first time with make bench")
    take(context.args)


@clock_app.command("show")
def clock_show(folder: FolderOption = None) -> None:
    """What time it is in the stack. Example: holdfast clock show"""
    setting = stack.find(folder).clock
    kind, _, path = setting.partition(":")
    console.print(VirtualClock(Path(path)).now().isoformat() if kind == "virtual" else "the real clock")


@clock_app.command("advance")
def clock_advance(
    moment: Annotated[str, typer.Argument(help="Days such as 10d, hours such as 6h, or an ISO 8601 time.")],
    folder: FolderOption = None,
) -> None:
    """Move the clock forward, firing what falls due on the way, in order. Example: holdfast clock advance 10d"""
    addresses = stack.find(folder)

    async def advance() -> datetime:
        with closing(Clockwork(addresses)) as clockwork:
            await clockwork.advance_to(_moment(moment, clockwork.clock.now()))
            await clockwork.settle()
            return clockwork.clock.now()

    console.print(run(advance()).isoformat())


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
        addresses = stack.find(against)
        now = clock_of(addresses).now()
        plans, later = fitted(plans, now)
        if later:
            tell(f"the stack's clock shows {now:%d %B %Y %H:%M}: all in the file is tried {later.days} days later")
        used: AbstractContextManager[stack.Addresses] = nullcontext(addresses)
    else:
        used = _stack(
            folder or stack.default_folder(), min(plan.placed_at for plan in plans) - LEAD, keep, tell, settings
        )
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
) -> Iterator[stack.Addresses]:
    if not keep:
        with stack.running(folder, clock=start, say=say, settings=settings) as running:
            yield running.addresses
        return
    yield _detached(folder, start, say, settings)


def _detached(
    folder: Path, start: datetime, say: Callable[[str], None], settings: Mapping[str, str]
) -> stack.Addresses:
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
                return stack.find(folder)
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


def _tell_where(addresses: stack.Addresses) -> None:
    for name in addresses.services:
        console.print(f"  {name:10} {' '.join(addresses.all(name))}", highlight=False)
    console.print(f"  Kafka      {addresses.kafka}", highlight=False)


def _moment(text: str, now: datetime) -> datetime:
    units = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
    try:
        if text[:-1].isdecimal() and text[-1] in units:
            return now + int(text[:-1]) * units[text[-1]]
        moment = datetime.fromisoformat(text)
    except OverflowError:
        fail(f"{text!r} lies behind the end of the calendar")
    except ValueError:
        fail(f"{text!r} is neither days (10d), hours (6h), minutes (5m) nor an ISO 8601 time")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment < now:
        fail(f"the clock shows {now.isoformat()} and cannot go back")
    return moment
