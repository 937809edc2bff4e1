"""Both servers at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from holdfast.embedded.kafka import Kafka
from holdfast.embedded.postgres import Postgres
from holdfast.interrupts import held_back


def start_servers(
    folder: Path, *, postgres_port: int | None = None, kafka_port: int | None = None
) -> tuple[Postgres, Kafka]:
    """Start both at once, on `folder`/postgres and `folder`/kafka. When one fails, the other is stopped."""
    with ThreadPoolExecutor(2) as pool:
        with held_back():
            starting = (
                pool.submit(Postgres.start, folder / "postgres", port=postgres_port),
                pool.submit(Kafka.start, folder / "kafka", port=kafka_port),
            )
        try:
            return starting[0].result(), starting[1].result()
        except BaseException:
            for one in starting:
                if one.exception() is None:
                    one.result().stop()
            raise
