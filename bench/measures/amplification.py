"""M8, and where the CPU time of an order goes: what one order sets in motion, counted by the servers themselves."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from bench import counters
from bench.counters import Rows, Statement
from bench.measures import Length, Setting
from bench.result import Result
from bench.stages import Sampler
from bench.system import Drain, System, names
from contracts.registry import TOPICS
from holdfast.addresses import SERVICES

IDS = ("M8", "CPU")
ONCE = 2
"""Calls of what only the measuring itself asks, such as the proof of the ledger."""


def take(setting: Setting, wanted: Collection[str]) -> Iterator[Result]:
    """One drain whose statements PostgreSQL counts; then one whose services are sampled, for the shares of what M2 came
    to."""
    orders = setting.orders or setting.by_length(2_000, 5_000, 20_000)
    with setting.system("amplification", orders) as (system, mix):
        if "M8" in wanted:
            setting.say("counting what an order sets in motion")
            drain, counted, readers = _counted_drain(system, mix, orders, rows=setting.length is not Length.QUICK)
            yield from amplification(drain, counted, readers)
        if "CPU" in wanted:
            setting.say("sampling where the services spend their time")
            known = setting.known.get("M2")
            cpu_ms = known.details["by_process"] if known else system.drain(mix, orders).cpu_ms
            yield sampled(system, mix, orders, cpu_ms, seconds=setting.by_length(6, 18, 18))


def _counted_drain(
    system: System, mix: Any, orders: int, *, rows: bool
) -> tuple[Drain, dict[str, Any], dict[str, int]]:
    logs = system.kafka.home / "topics"

    def count() -> counters.Counted:
        return asyncio.run(counters.count(system.postgres, SERVICES, system.kafka.bootstrap, TOPICS, rows=rows))

    asyncio.run(counters.begin(system.postgres))
    before, bytes_before = count(), counters.log_bytes(logs, TOPICS)
    asyncio.run(counters.begin(system.postgres))
    drain = system.drain(mix, orders)
    counted = counters.between(before, count())
    asyncio.run(counters.end(system.postgres))
    counted["kafka_bytes"] = counters.log_bytes(logs, TOPICS) - bytes_before
    subscribed = [topic for ports in system.ports.values() for topic in system.ask(ports[0], "/dev/progress")["topics"]]
    return drain, counted, dict(Counter(subscribed))


def amplification(drain: Drain, counted: Mapping[str, Any], readers: Mapping[str, int]) -> Iterator[Result]:
    """The figures of M8, those of rows where they were counted. `readers` is how many services read a topic."""
    orders = drain.orders
    messages = {topic: number / orders for topic, number in counted["messages"].items() if number}
    handed = sum(number * readers.get(topic, 0) for topic, number in messages.items())
    read = handed + drain.told["received"] / orders
    yield Result(
        "M8", "messages an order", "messages", [sum(messages.values())],
        details={"by_topic": messages, "read_by_services": handed, "read_in_all": read,
                 "sent_by_services": sum(messages.values()) - drain.told["sent"] / orders},
    )  # fmt: skip
    total = sum(counted["messages"].values())
    yield Result(
        "M8", "bytes of a message in Kafka, batches and headers included", "bytes", [counted["kafka_bytes"] / total]
    )

    statements = [one for one in counted["statements"] if one.database in SERVICES]
    by_service = {name: sum(one.calls for one in statements if one.database == name) / orders for name in SERVICES}
    longest = [_told(one, orders) for one in statements if one.calls > ONCE][:25]
    yield Result(
        "M8", "database round trips an order", "statements", [sum(by_service.values())],
        details={"by_service": by_service, "longest": longest},
    )  # fmt: skip
    commits = {
        name: sum(one.calls for one in statements if one.database == name and one.sql.startswith("COMMIT")) / orders
        for name in SERVICES
    }
    yield Result("M8", "transactions an order", "commits", [sum(commits.values())], details={"by_service": commits})
    wal = {"records": counted["wal_records"] / orders, "full_pages": counted["wal_full_pages"] / orders}
    yield Result("M8", "write-ahead log an order", "bytes", [counted["wal_bytes"] / orders], details=wal)

    rows: Mapping[tuple[str, str], Rows] = counted["rows"]
    if not rows:
        return
    by_table = {
        f"{database}.{table}": {
            "inserted": one.inserted / orders,
            "updated": one.updated / orders,
            "hot": one.hot / one.updated if one.updated else None,
            "deleted": one.deleted / orders,
        }
        for (database, table), one in sorted(rows.items(), key=lambda item: -item[1].dead - item[1].inserted)
        if one.dead or one.inserted
    }
    yield Result(
        "M8", "dead row versions an order", "rows", [sum(one.dead for one in rows.values()) / orders],
        details={"by_table": by_table},
    )  # fmt: skip
    yield Result("M8", "rows inserted an order", "rows", [sum(one.inserted for one in rows.values()) / orders])


def sampled(system: System, mix: Any, orders: int, cpu_ms: Mapping[str, float], *, seconds: int) -> Result:
    """CPU-µs an order by process, and each service's by stage. Sampling itself slows services down, so the CPU time is
    `cpu_ms`, of drains without it, and only the shares come from the samples, of so many seconds."""
    pids = {name: processes[0].pid for name, processes in system.services.items()}
    sampler = None

    def begin() -> None:
        nonlocal sampler
        sampler = Sampler(pids, seconds)

    system.drain(mix, orders, begun=begin)
    assert sampler is not None
    shares = sampler.end()
    microseconds = {name: ms * 1000 for name, ms in cpu_ms.items()}
    stages = {
        name: {stage: share * microseconds[name] for stage, share in shares[name].items()}
        for name in names(microseconds)
        if name in shares
    }
    return Result(
        "CPU", "where the CPU time of an order goes", "CPU-µs", [sum(microseconds.values())],
        details={"by_process": microseconds, "stages": stages},
    )  # fmt: skip


def _told(one: Statement, orders: int) -> dict[str, Any]:
    return {
        "database": one.database,
        "sql": " ".join(one.sql.split())[:200],
        "calls": one.calls / orders,
        "microseconds": one.milliseconds * 1000 / orders,
        "rows": one.rows / orders,
        "wal_bytes": one.wal_bytes / orders,
    }
