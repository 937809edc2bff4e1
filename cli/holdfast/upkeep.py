"""`holdfast up` and `down`: a stack of one's own."""

import os
import signal
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from holdfast import stack
from holdfast.addresses import Addresses, default_folder, find
from holdfast.embedded.errors import EmbeddedError
from holdfast.terminal import FolderOption, console, fail, say


def up(
    folder: FolderOption = None,
    real_clock: Annotated[bool, typer.Option("--real-clock", help="Follow the machine's clock.")] = False,
    replicas: Annotated[int, typer.Option(min=1, max=12, help="Processes of each service.")] = 1,
) -> None:
    """Start everything and stay until Ctrl-C. Example: holdfast up --real-clock --replicas 2"""
    start = None if real_clock else datetime.now(UTC)
    with stack.running(folder or default_folder(), clock=start, say=say, replicas=replicas) as running:
        tell_where(running.addresses)
        console.print("Ctrl-C ends it")
        signal.pause()


def down(folder: FolderOption = None) -> None:
    """Stop the stack that runs on the folder. Example: holdfast down"""
    addresses = find(folder)
    if not addresses.pid:
        fail("containers are stopped with `docker compose down`; with -v their data goes too")
    os.kill(addresses.pid, signal.SIGTERM)
    for _ in range(600):
        try:
            find(folder)
        except EmbeddedError:
            console.print("stopped")
            return
        time.sleep(0.1)
    fail(f"process {addresses.pid} has not stopped within a minute")


def tell_where(addresses: Addresses) -> None:
    """Every process of ours, and Kafka."""
    for name in addresses.services:
        console.print(f"  {name:10} {' '.join(addresses.all(name))}", highlight=False)
    console.print(f"  Kafka      {addresses.kafka}", highlight=False)
