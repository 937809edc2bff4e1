"""One worker process: reads commands from Kafka, starts their workflows, and runs workflows and activities."""

import argparse
import asyncio
import contextlib
import json

import uvloop
from aiokafka import AIOKafkaConsumer
from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.worker import PollerBehaviorAutoscaling, UnsandboxedWorkflowRunner, Worker

from bench.peers.steps import Books, order_of
from bench.peers.temporal_server.contract import OrderWorkflow, Steps

TASK_QUEUE = "orders"
CONNECTIONS = 16
AT_ONCE = 200
"""Activities and workflow tasks of one process."""
CACHED = 10_000
"""Workflows kept in memory, so that a step needs no replay."""


async def work(asked: argparse.Namespace) -> None:
    client = await Client.connect(asked.server, namespace=asked.namespace)
    async with await Books.open(asked.postgres, asked.kafka, asked.events, connections=CONNECTIONS) as books:
        worker = Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[OrderWorkflow],
            activities=[Steps(books).step],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_cached_workflows=CACHED,
            max_concurrent_workflow_tasks=AT_ONCE,
            max_concurrent_activities=AT_ONCE,
            max_concurrent_local_activities=AT_ONCE,
            workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
            activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        )
        async with worker:
            await start_workflows(client, asked)


async def start_workflows(client: Client, asked: argparse.Namespace) -> None:
    """A workflow for every command; the offset goes on when the server has them all."""
    consumer = AIOKafkaConsumer(
        asked.commands,
        bootstrap_servers=asked.kafka,
        group_id="starters",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        while True:
            found = await consumer.getmany(timeout_ms=1000, max_records=AT_ONCE)
            await asyncio.gather(
                *(start(client, record.value, asked) for records in found.values() for record in records)
            )
            if found:
                await consumer.commit()
    finally:
        await consumer.stop()


async def start(client: Client, command: bytes, asked: argparse.Namespace) -> None:
    order = order_of(json.loads(command))
    # A command that came twice.
    with contextlib.suppress(WorkflowAlreadyStartedError):
        await client.start_workflow(
            OrderWorkflow.run,
            args=[order, asked.ship_by, asked.local],
            id=order.order_id,
            task_queue=TASK_QUEUE,
            request_eager_start=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.peers.temporal_server.worker", description=__doc__)
    parser.add_argument("--server", required=True, help="host:port of the Temporal server")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--postgres", required=True, help="URL of the database of the orders")
    parser.add_argument("--kafka", required=True, help="host:port")
    parser.add_argument("--commands", required=True, help="topic")
    parser.add_argument("--events", required=True, help="topic")
    parser.add_argument("--local", action="store_true", help="run steps as local activities")
    parser.add_argument("--ship-by", type=float, required=True, help="seconds")
    uvloop.run(work(parser.parse_args()))


if __name__ == "__main__":
    main()
