"""`holdfast doctor`: what is wrong with this machine and with the stack that runs on it, and what to do about it."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from rich.text import Text

from holdfast.addresses import PORTS, SERVICES, Addresses, default_folder, find
from holdfast.asking import operator
from holdfast.embedded import EmbeddedError
from holdfast.embedded.jars import locked
from holdfast.embedded.ports import is_open
from holdfast.interrupts import run
from holdfast.now import now_of
from holdfast.places import home
from holdfast.terminal import FolderOption, JsonOption, console
from holdfast.topics import ALL

PYTHON = (3, 11)
LITTLE_DISK, TOO_LITTLE_DISK = 5, 1
"""GB free."""
WITHIN = 10.0
"""Seconds for one answer."""


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """One check: what was looked at, what was seen, and, unless all is well, what to do."""

    check: str
    verdict: Verdict
    seen: str
    to_do: str = ""


def doctor(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """Check the machine, and the stack if one is up: what is wrong, and what to do. Exit code 1 if something is.
    Example: holdfast doctor"""
    found = [*machine(), *_stack(folder)]
    if as_json:
        print(json.dumps([one._asdict() for one in found]))
    else:
        for one in found:
            style = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}[one.verdict]
            console.print(Text(f"{one.verdict:5}", style=style) + Text(f"{one.check}: {one.seen}"))
            if one.to_do:
                console.print(Text(f"     → {one.to_do}"))
    if any(one.verdict is Verdict.FAIL for one in found):
        raise typer.Exit(1)


def machine() -> Iterator[Finding]:
    """What needs no stack."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= PYTHON:
        yield Finding("Python", Verdict.OK, version)
    else:
        yield Finding("Python", Verdict.FAIL, version, "install 3.11 or newer, then `make clean` and the same again")
    yield disk(shutil.disk_usage(_existing(home())).free / 1e9)
    jars = home() / "jars"
    missing = [jar for jar in locked() if not (jars / jar.file_name).exists()]
    if missing:
        to_do = "`make setup` fetches them; the first stack does so too"
        yield Finding("Kafka's jars", Verdict.WARN, f"{len(missing)} of {len(locked())} are not fetched", to_do)
    else:
        yield Finding("Kafka's jars", Verdict.OK, f"all {len(locked())} are here")


def disk(free: float) -> Finding:
    """Of `free` GB."""
    seen = f"{free:.1f} GB free"
    if free < TOO_LITTLE_DISK:
        return Finding("disk", Verdict.FAIL, seen, "PostgreSQL and Kafka stop when it is full: make room")
    if free < LITTLE_DISK:
        return Finding("disk", Verdict.WARN, seen, "enough for the demo, not for a benchmark")
    return Finding("disk", Verdict.OK, seen)


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _stack(folder: Path | None) -> Iterator[Finding]:
    try:
        addresses = find(folder)
    except EmbeddedError as error:
        if ((folder or default_folder()) / "stack.json").exists():
            to_do = "its data lies there until the next start, which begins anew: save what you want to look at"
            yield Finding("stack", Verdict.WARN, f"one was killed on {folder or default_folder()}", to_do)
        else:
            yield Finding("stack", Verdict.WARN, str(error), "start one: holdfast up, or holdfast demo --keep")
        taken = [f"{port} ({name})" for name, port in PORTS.items() if is_open(port)]
        if taken:
            to_do = "a stack started now listens on other ports; `holdfast up` tells which"
            yield Finding("ports", Verdict.WARN, f"taken by others: {', '.join(taken)}", to_do)
        return
    yield Finding("stack", Verdict.OK, f"up; Kafka {addresses.kafka}, clock {addresses.clock.partition(':')[0]}")
    try:
        headers = operator(addresses)
    except EmbeddedError as error:
        yield Finding("rights", Verdict.FAIL, str(error), "ask as the user who started the stack")
        return
    with httpx.Client(timeout=WITHIN, trust_env=False) as http:
        for service in addresses.services:
            yield from _service(http, addresses, service, headers)
        yield from _money(http, addresses, headers)
    yield run(_topics(addresses))
    yield Finding("clock", Verdict.OK, f"{now_of(addresses):%Y-%m-%d %H:%M:%S} UTC")


def _service(http: httpx.Client, addresses: Addresses, service: str, headers: dict[str, str]) -> Iterator[Finding]:
    for base in addresses.all(service):
        yield _readiness(http, addresses, service, base)
    yield _asked(
        http, f"{service} dead letters", f"{addresses.services[service]}/dead-letters?limit=500", headers, dead_letters
    )
    if service in SERVICES:
        metrics = f"{addresses.services[service]}/metrics"
        yield _asked(http, f"{service} timers", metrics, headers, overdue_timers)


def _readiness(http: httpx.Client, addresses: Addresses, service: str, base: str) -> Finding:
    try:
        told = http.get(f"{base}/readyz").json()
        wrong = "; ".join(map(str, told["wrong"]))
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        return Finding(service, Verdict.FAIL, f"{base} does not answer: {error!r}", f"see {addresses.log_of(service)}")
    if wrong:
        return Finding(service, Verdict.FAIL, wrong, "it goes on by itself when what it waits for is back")
    return Finding(service, Verdict.OK, f"ready on {base}")


def _asked(
    http: httpx.Client, check: str, url: str, headers: dict[str, str], judge: Callable[[str], tuple[Verdict, str, str]]
) -> Finding:
    try:
        answer = http.get(url, headers=headers)
        answer.raise_for_status()
        return Finding(check, *judge(answer.text))
    except (httpx.HTTPError, ValueError, LookupError) as error:
        return Finding(check, Verdict.FAIL, f"not known: {error!r}", "see the log of this service")


def dead_letters(body: str) -> tuple[Verdict, str, str]:
    """By the list of a service."""
    letters = json.loads(body)["letters"]
    if not letters:
        return Verdict.OK, "none", ""
    keys = sorted({letter["key"] for letter in letters})
    number = f"{len(letters)}{' or more' if len(letters) == 500 else ''}"
    return (
        Verdict.FAIL,
        f"{number} messages of {len(keys)} keys stand still: {', '.join(keys[:3])}",
        "holdfast dlq list, then holdfast dlq show ID says what to do",
    )


def overdue_timers(metrics: str) -> tuple[Verdict, str, str]:
    """By the metrics of a service."""
    late = next((line for line in metrics.splitlines() if re.match(r"holdfast_timers_overdue[ {]", line)), None)
    if late is None:
        return Verdict.WARN, "not known yet", "the service tells when its database answers: ask again"
    if number := int(float(late.split()[-1])):
        return Verdict.WARN, f"{number} are due", "many, or the same after a minute: holdfast saga stuck, and its log"
    return Verdict.OK, "none is late", ""


def _money(http: httpx.Client, addresses: Addresses, headers: dict[str, str]) -> Iterator[Finding]:
    for service in ("escrow", "deposits"):
        yield _asked(http, f"money of {service}", f"{addresses.services[service]}/money/proof", headers, proof)
    queue = f"{addresses.services['escrow']}/operator-queue?limit=1"
    yield _asked(http, "operators' queue", queue, headers, queued)


def proof(body: str) -> tuple[Verdict, str, str]:
    """By the proof of a ledger."""
    told: dict[str, Any] = json.loads(body)
    if told["ok"]:
        return Verdict.OK, "every unit is accounted for", ""
    return Verdict.FAIL, "the ledger does not add up", "holdfast money shows what; stop payouts until it is explained"


def queued(body: str) -> tuple[Verdict, str, str]:
    """By a page of the queue."""
    if json.loads(body)["orders"]:
        return Verdict.WARN, "orders wait for an operator", "holdfast operations list"
    return Verdict.OK, "empty", ""


async def _topics(addresses: Addresses) -> Finding:
    admin = AIOKafkaAdminClient(**addresses.kafka_client(), request_timeout_ms=int(WITHIN * 1000))
    try:
        await admin.start()
        missing = sorted(set(ALL) - set(await admin.list_topics()))
    except (KafkaError, OSError) as error:
        return Finding("Kafka", Verdict.FAIL, f"does not answer: {error!r}", f"see {addresses.log_of('kafka')}")
    finally:
        await admin.close()
    if missing:
        to_do = "they are made before anything starts, never by use: start the stack anew"
        return Finding("topics", Verdict.FAIL, f"missing: {', '.join(missing)}", to_do)
    return Finding("topics", Verdict.OK, f"all {len(ALL)} are there")
