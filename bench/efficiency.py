"""Efficiency: what the floors of this machine would cost for an order's work, over what it did cost. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.result import Result

KAFKA_STAGES = ("Kafka client", "FastStream")
SQL_STAGES = ("SQL client", "SQL arguments and states", "relay")
TEXT_STAGES = ("decode", "encode")


@dataclass(frozen=True, slots=True)
class Efficiency:
    """One stage: CPU-µs an order at the floor and as measured."""

    stage: str
    floor: float
    measured: float
    how: str

    @property
    def ratio(self) -> float:
        return self.floor / self.measured if self.measured else 0.0


def efficiencies(results: Sequence[Result]) -> list[Efficiency]:
    """A row for each stage whose floor, counts and cost are all among the results, and one for the whole."""
    cpu = _details(results, "CPU", "")
    messages = _details(results, "M8", "messages an order")
    rows = _details(results, "M8", "dead row versions")
    produce, consume = _details(results, "floor", "produce"), _details(results, "floor", "consume")
    sql = _details(results, "floor", "batched SQL")
    parsed, written = _details(results, "floor", "read from"), _details(results, "floor", "written as")
    if not (cpu and messages and rows and produce and consume and sql and parsed and written):
        return []
    total = sum(messages["by_topic"].values())
    sent, read, read_in_all = messages["sent_by_services"], messages["read_by_services"], messages["read_in_all"]
    handled = sum(one["inserted"] for table, one in rows["by_table"].items() if table.split(".")[1].startswith("inbox"))
    stages = _stage_sums(cpu["stages"])
    found = [
        Efficiency(
            "Kafka",
            total * produce["kafka_us"] + read_in_all * consume["kafka_us"],
            cpu["by_process"]["kafka"],
            f"{total:.1f} messages produced, {read_in_all:.1f} read, bare aiokafka",
        ),
        Efficiency(
            "services: Kafka client",
            sent * produce["client_us"] + read * consume["client_us"],
            sum(stages.get(stage, 0.0) for stage in KAFKA_STAGES),
            f"{sent:.1f} messages sent, {read:.1f} read, bare aiokafka",
        ),
        Efficiency(
            "PostgreSQL",
            handled * sql["postgres_us"],
            cpu["by_process"]["postgres"],
            f"{handled:.1f} messages handled, batched SQL of a money step",
        ),
        Efficiency(
            "services: SQL",
            handled * sql["client_us"],
            sum(stages.get(stage, 0.0) for stage in SQL_STAGES),
            f"{handled:.1f} messages handled, batched SQL of a money step",
        ),
        Efficiency(
            "services: messages as JSON",
            handled * parsed["client_us"] + sent * written["client_us"],
            sum(stages.get(stage, 0.0) for stage in TEXT_STAGES),
            f"{handled:.1f} messages read, {sent:.1f} written, pydantic alone",
        ),
    ]
    whole = Efficiency(
        "the whole order",
        sum(one.floor for one in found),
        sum(cpu["by_process"].values()),
        "the floors together; deciding, the pump and the event loop have none",
    )
    return [*found, whole]


def _stage_sums(stages: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for by_stage in stages.values():
        for stage, microseconds in by_stage.items():
            sums[stage] = sums.get(stage, 0.0) + microseconds
    return sums


def _details(results: Sequence[Result], measure: str, words: str) -> Mapping[str, Any]:
    return next((one.details for one in results if one.measure == measure and words in one.what), {})
