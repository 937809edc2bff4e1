"""The outside world at the HTTP edge, in one process.

`python -m bench.edge_load place|confirm …` sends one request an order over connections that are kept, either as fast as
answers come (closed loop) or at a rate, counting from when a request was due (open loop). `… deliver …` brings placed
orders over Kafka to where they can be confirmed. It talks as `bench.load` does.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import uvloop

from bench import messages
from bench.http_client import Client
from bench.load import say
from bench.market import Unexpected
from bench.plan import Mix, order, orders
from bench.wire import Wire
from contracts.partition import partition_of
from runtime.tokens import Minter

TOPICS = ("orders.events.v1", "escrow.events.v1", "payments.commands.v1", "carrier.commands.v1")
WITHIN = 300.0
"""Seconds."""


def tokens(minter: Minter, mix: Mix, run: str, first: int, count: int) -> dict[str, str]:
    """A token for each buyer of these orders."""
    return {id: minter.token("buyer", id) for id in {one.buyer_id for one in orders(mix, run, count, first)}}


def requests(what: str, mix: Mix, run: str, first: int, count: int, tokens: Mapping[str, str]) -> Iterator[bytes]:
    """One request an order, ready to be written: `place` or `confirm`."""
    for one in orders(mix, run, count, first):
        if what == "place":
            path, body = "/orders", without_actor(messages.place_order(one))
        else:
            path, body = f"/orders/{one.order_id}/receipt", b"{}"
        head = (
            f"POST {path} HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer {tokens[one.buyer_id]}\r\n"
            f"idempotency-key: {what}-{one.order_id}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


def without_actor(command: bytes) -> bytes:
    """The body of a command: who asks stands in the token."""
    return b"{" + command[command.index(b'"order_id"') :]


async def deliver(wire: Wire, mix: Mix, run: str, first: int, count: int) -> dict[str, Any]:
    """Pays, ships and delivers placed orders. Raises `Unexpected` (command_refused), TimeoutError."""
    wanted = set()
    for one in orders(mix, run, count, first):
        key = one.order_id.encode()
        wanted.add(key)
        value = messages.pay_order(one.buyer_id.encode(), key)
        wire.add("orders.commands.v1", partition_of(key), key, b"orders.pay_order.v1", messages.new_id(), value)
    async with asyncio.timeout(WITHIN):
        while wanted:
            await wire.flush()
            for record in await wire.receive(0.05):
                _hear(wire, mix, run, record, wanted)
    return {"orders": count}


def _hear(wire: Wire, mix: Mix, run: str, record: Any, wanted: set[bytes]) -> None:
    headers = dict(record.headers)
    key, partition, id = record.key, record.partition, messages.answer_id(headers["ce_id"])

    def ship() -> None:
        seller = order(mix, run, int(key[-8:])).seller_id.encode()
        wire.add(
            "orders.commands.v1", partition, key, b"orders.ship_order.v1", id, messages.ship_order(seller, key)
        )  # fmt: skip

    match headers["ce_type"]:
        case b"payments.collect_payment.v1":
            value = messages.provider_result(record.value)
            wire.add("payments.events.v1", partition, key, b"payments.payment_succeeded.v1", id, value)
        case b"escrow.funds_secured.v1":
            ship()
        case b"carrier.track_parcel.v1":
            value = messages.parcel_delivered(key, headers["ce_time"])
            wire.add("carrier.events.v1", partition, key, b"carrier.parcel_delivered.v1", id, value)
        case b"orders.order_delivered.v1":
            wanted.discard(key)
        case b"orders.command_refused.v1":
            told = json.loads(record.value)
            if messages.TOO_EARLY.get((told["command_type"], told["code"])) != "ship":
                raise Unexpected("command_refused", record.value.decode())
            ship()


async def serve(asked: argparse.Namespace) -> None:
    """Does what was asked on the command line."""
    mix = Mix(sellers=asked.sellers, buyers=asked.buyers)
    some = (mix, asked.run, asked.first, asked.orders)
    try:
        if asked.what == "deliver":
            wire = Wire(asked.kafka, TOPICS)
            await wire.start()
            try:
                await _begin()
                say("done", **await deliver(wire, *some))
            finally:
                await wire.stop()
            return
        known = tokens(Minter.load(asked.keys), *some)
        client = Client(requests(asked.what, *some, known), asked.orders, asked.rate)
        await client.connect("127.0.0.1", asked.port, asked.connections)
        await _begin()
        began, cpu = time.perf_counter(), time.process_time()
        await client.run()
        used = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
        say("done", orders=asked.orders, **used, latencies=client.latencies.to_dict())
    except Unexpected as error:
        say("failed", code=error.code, text=str(error))
        sys.exit(1)
    except TimeoutError:
        say("failed", code="stalled", text=f"{asked.what}: not done within {WITHIN:g} s")
        sys.exit(1)


async def _begin() -> None:
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)


def main() -> None:
    """Entry point of the process."""
    parser = argparse.ArgumentParser(prog="bench.edge_load", description=__doc__)
    parser.add_argument("what", choices=("place", "deliver", "confirm"))
    parser.add_argument("--kafka", default="", help="host:port")
    parser.add_argument("--port", type=int, default=0, help="of the orders service")
    parser.add_argument("--keys", type=Path, help="folder of the keys that tokens are signed with")
    parser.add_argument("--sellers", type=int, required=True)
    parser.add_argument("--buyers", type=int, required=True)
    parser.add_argument("--run", default="edge")
    parser.add_argument("--first", type=int, default=0, help="number of the first order")
    parser.add_argument("--orders", type=int, default=1_000)
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second, whatever becomes of them")
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
