"""The contract as a DBOS workflow, and one process that runs it: every command in Kafka becomes a workflow in a queue,
every step of an order a step whose end is recorded before the next begins."""

import argparse
import json
import threading
from concurrent.futures import Future

import psycopg
from confluent_kafka import KafkaError, Message, Producer
from dbos import DBOS, DBOSConfig, KafkaMessage

from bench.peers.steps import ADVANCE, LINGER_MS, PLACE, Status, event, movement, order_of
from bench.plan import Fate, Order

VERSION = "1"
"""Of the application: all workers take from the same queue."""
THREADS = 16
"""Workflows that run at once in a process; each thread has a connection of its own for the orders."""
LOOK_EVERY = 0.1
"""Seconds between two looks into the queue."""
RETRY_AFTER, TRIES = 0.05, 100
"""Seconds before a step that failed is tried again, and how often."""


class Books:
    """The orders and the ledger in PostgreSQL, and the topic of events, for the threads of one process."""

    def __init__(self, postgres: str, kafka: str, topic: str) -> None:
        self._postgres = postgres
        self._topic = topic
        self._local = threading.local()
        self._producer = Producer(
            {"bootstrap.servers": kafka, "acks": "all", "enable.idempotence": True, "linger.ms": LINGER_MS}
        )
        threading.Thread(target=self._deliver, daemon=True).start()

    def step(self, order: Order, before: Status | None, status: Status) -> None:
        """Brings an order from one status to the next with its entries, and has its event in Kafka when it returns.
        Nothing happens to an order that has gone on already, but its event may come twice."""
        if before is None:
            place = (order.order_id, order.buyer_id, order.seller_id, order.amount)
            self._cursor().execute(PLACE, place)
        else:
            entries = movement(order, status)
            accounts, amounts = [entry.account for entry in entries], [entry.amount for entry in entries]
            self._cursor().execute(ADVANCE, (order.order_id, str(before), str(status), accounts, amounts))
        self._publish(order, status)

    def _cursor(self) -> psycopg.RawCursor:
        # A statement is a transaction.
        connection = getattr(self._local, "connection", None)
        if connection is None or connection.broken:
            connection = psycopg.connect(self._postgres, autocommit=True, prepare_threshold=0)
            self._local.connection, self._local.cursor = connection, psycopg.RawCursor(connection)
        cursor: psycopg.RawCursor = self._local.cursor
        return cursor

    def _publish(self, order: Order, status: Status) -> None:
        delivered: Future[None] = Future()

        def told(error: KafkaError | None, message: Message) -> None:
            if error is None:
                delivered.set_result(None)
            else:
                delivered.set_exception(RuntimeError(str(error)))

        self._producer.produce(self._topic, event(order, status), order.order_id.encode(), on_delivery=told)
        delivered.result()

    def _deliver(self) -> None:
        while True:
            self._producer.poll(1.0)


def define(books: Books, kafka: str, commands: str, ship_by: float) -> None:
    """Tells DBOS of the workflow: one run an order; `ship_by` is in seconds."""

    @DBOS.step(name="step", retries_allowed=True, interval_seconds=RETRY_AFTER, backoff_rate=1.0, max_attempts=TRIES)
    def step(order: Order, before: Status | None, status: Status) -> None:
        books.step(order, before, status)

    @DBOS.kafka_consumer({"bootstrap.servers": kafka, "group.id": "orders"}, [commands])
    @DBOS.workflow(name="order")
    def run(message: KafkaMessage) -> None:
        order = order_of(json.loads(message.value or b""))
        status: Status | None = None

        def to(*steps: Status) -> None:
            nonlocal status
            for after in steps:
                step(order, status, after)
                status = after

        to(Status.PLACED, Status.PAID, Status.HELD, Status.SCREENED)
        match order.fate:
            case Fate.CONFIRMED:
                to(Status.SHIPPED, Status.DELIVERED, Status.CONFIRMED, Status.RELEASED)
            case Fate.DISPUTED:
                to(Status.SHIPPED, Status.DELIVERED, Status.DISPUTED, Status.SPLIT)
            case Fate.UNSHIPPED:
                DBOS.sleep(ship_by)
                to(Status.REFUNDED)


def configuration(postgres: str, number: int) -> DBOSConfig:
    """Of worker `number`. Its own tables are in the same database as the orders."""
    return {
        "name": "orders",
        "system_database_url": postgres,
        "application_version": VERSION,
        "executor_id": f"worker-{number}",
        "max_executor_threads": THREADS,
        "sys_db_pool_size": THREADS,
        # Without a round trip before every use of a connection to ask whether it lives: DBOS retries by itself.
        "db_engine_kwargs": {"pool_pre_ping": False},
        "kafka_queue_polling_interval_sec": LOOK_EVERY,
        "use_listen_notify": False,
        "log_level": "WARNING",
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.peers.dbos_transact.worker", description=__doc__)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--postgres", required=True, help="URL of the database of the orders")
    parser.add_argument("--kafka", required=True, help="host:port")
    parser.add_argument("--commands", required=True, help="topic")
    parser.add_argument("--events", required=True, help="topic")
    parser.add_argument("--ship-by", type=float, required=True, help="seconds")
    asked = parser.parse_args()
    DBOS(config=configuration(asked.postgres, asked.number))
    define(Books(asked.postgres, asked.kafka, asked.events), asked.kafka, asked.commands, asked.ship_by)
    DBOS.launch()
    threading.Event().wait()


if __name__ == "__main__":
    main()
