"""The report says what was reached, what it cost, and against which limit."""

from typing import Any

from bench.efficiency import efficiencies
from bench.report import measures_table, peers_table, report
from bench.result import Result

MACHINE: dict[str, Any] = {
    "taken": "2026-01-02T03:04:05+00:00", "commit": "abc1234", "processor": "a processor", "cores": 2,
    "memory_bytes": 8 * 2**30, "system": "Linux 6", "python": "3.11.7", "load_before": 0.1,
    "additions_per_s": 17_800_000,
    "packages": {"asyncpg": "1"},
}  # fmt: skip
SPEED = Result("M1", "completed orders a second", "orders/s", [900.0, 1000.0, 1100.0], 2_000, "higher")
COST = Result(
    "M2", "CPU a completed order, all processes", "CPU-ms", [0.9], 1.0, "lower",
    {"by_process": {"orders": 0.5, "kafka": 0.4}, "load_apart": 0.2},
)  # fmt: skip
SAMPLED = Result(
    "CPU", "where the CPU time of an order goes", "CPU-µs", [900.0],
    details={
        "by_process": {"orders": 400.0, "postgres": 300.0, "kafka": 200.0},
        "stages": {
            "orders": {"Kafka client": 100.0, "SQL client": 150.0, "decide": 70.0, "decode": 60.0, "encode": 20.0},
        },
    },
)  # fmt: skip
COUNTED = [
    Result("M8", "messages an order", "messages", [10.0], details={
        "by_topic": {"orders.events.v1": 6.0, "orders.commands.v1": 4.0},
        "sent_by_services": 6.0, "read_by_services": 20.0, "read_in_all": 25.0,
    }),
    Result("M8", "dead row versions an order", "rows", [3.0], details={
        "by_table": {
            "orders.inbox": {"inserted": 5.0, "updated": 0.0, "hot": None, "deleted": 0.0},
            "escrow.inbox_2026": {"inserted": 5.0, "updated": 0.0, "hot": None, "deleted": 0.0},
            "orders.orders": {"inserted": 1.0, "updated": 6.0, "hot": 0.5, "deleted": 0.0},
        },
    }),
]  # fmt: skip
FLOORS = [
    Result("floor", "bare aiokafka, produce, 500 at a time", "messages/s", [1e5], better="higher",
           details={"client_us": 2.0, "kafka_us": 6.0}),
    Result("floor", "bare aiokafka, consume, 500 at a time", "messages/s", [1e5], better="higher",
           details={"client_us": 1.0, "kafka_us": 2.0}),
    Result("floor", "batched SQL of a money step, batches of 500", "messages/s", [1e4], better="higher",
           details={"client_us": 3.0, "postgres_us": 15.0}),
    Result("floor", "pydantic alone, a message read from its JSON", "messages/s", [1e5], better="higher",
           details={"client_us": 4.0}),
    Result("floor", "pydantic alone, a message written as JSON", "messages/s", [1e5], better="higher",
           details={"client_us": 1.5}),
]  # fmt: skip


def a_peer(rate: float, cpu_ms: float, **more: Any) -> Result:
    return Result("peer", "other 1.0", "orders/s", [rate], better="higher", details={"cpu_ms": cpu_ms, **more})


def test_every_measure_says_whether_its_goal_was_reached() -> None:
    lines = measures_table([SPEED, COST, COUNTED[0], FLOORS[0]]).splitlines()

    assert lines[2] == "| M1 | completed orders a second | 1,000 orders/s | ±10 % | ≥ 2,000 orders/s | **no** |"
    assert lines[3] == "| M2 | CPU a completed order, all processes | 0.9 CPU-ms |  | ≤ 1 CPU-ms | yes |"
    assert lines[4].endswith("| stated |  |")
    assert len(lines) == 5


def test_peers_stand_against_our_own_figures_of_the_same_run() -> None:
    row = peers_table([SPEED, COST, a_peer(50.0, 18.0, notes="one workflow")]).splitlines()[2]

    assert row == "| other 1.0 | 50 orders/s | 18 ms | 20.0× | 20.0× | one workflow |"


def test_a_peer_that_could_not_run_says_why() -> None:
    assert "not fetched" in peers_table([SPEED, COST, a_peer(0.0, 0.0, failed="not fetched; say make bench-peers")])


def test_efficiency_is_the_floors_cost_over_the_measured_cost() -> None:
    found = {one.stage: one for one in efficiencies([SAMPLED, *COUNTED, *FLOORS])}

    assert found["Kafka"].floor == 10 * 6.0 + 25 * 2.0
    assert found["Kafka"].ratio == 110 / 200
    assert found["services: Kafka client"].floor == 6 * 2.0 + 20 * 1.0
    assert found["services: Kafka client"].measured == 100.0
    assert (found["PostgreSQL"].floor, found["PostgreSQL"].measured) == (10 * 15.0, 300.0)
    assert (found["services: SQL"].floor, found["services: SQL"].measured) == (10 * 3.0, 150.0)
    assert found["services: messages as JSON"].floor == 10 * 4.0 + 6 * 1.5
    assert found["services: messages as JSON"].measured == 80.0
    assert found["the whole order"].floor == 110 + 32 + 150 + 30 + 49
    assert found["the whole order"].measured == 900.0


def test_without_floors_or_counts_nothing_is_said_of_efficiency() -> None:
    assert efficiencies([SAMPLED, *COUNTED]) == []
    assert efficiencies([SAMPLED, *FLOORS]) == []
    assert efficiencies([*COUNTED, *FLOORS]) == []


def test_the_report_has_a_section_for_what_was_taken_and_none_for_the_rest() -> None:
    whole = report(MACHINE, [SPEED, COST, SAMPLED, *COUNTED, *FLOORS, a_peer(50.0, 18.0)], ["peers.png"])
    part = report(MACHINE, [SPEED])

    for title in ("## Measures", "## CPU time an order", "## What an order sets in motion", "## Peers", "![peers.png]"):
        assert title in whole
    assert "## Floors and efficiency" in whole
    assert "## Peers" not in part
    assert "## Floors" not in part
    assert "abc1234" in part
    assert "Python 3.11.7, which adds up 17.8 million integers a second" in part
