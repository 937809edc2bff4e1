"""The HTTP client of the load: every request once, over kept connections, timed from when it was due."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from bench.edge_load import requests
from bench.http_client import Client, answer_length
from bench.market import Unexpected
from bench.plan import Mix, order

MIX = Mix(sellers=3, buyers=5)
TOKENS = {order(MIX, "edge", n).buyer_id: f"token-of-{order(MIX, 'edge', n).buyer_id}" for n in range(50)}


class Server:
    """Answers every request on its connections, in two pieces; remembers heads and bodies."""

    def __init__(self, status: bytes = b"200 OK") -> None:
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self._status = status

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(int(head.rpartition(b"content-length: ")[2])))
                writer.write(b"HTTP/1.1 %b\r\ncontent-type: x\r\nContent-Length: 4\r\n\r\ndo" % self._status)
                await writer.drain()
                writer.write(b"ne")
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[int]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


@asynccontextmanager
async def client(server: Server, some: Iterator[bytes], count: int, rate: float, connections: int = 4):
    async with serving(server) as port:
        one = Client(some, count, rate)
        await one.connect("127.0.0.1", port, connections)
        yield one
        one.close()


@pytest.mark.parametrize("rate", [0.0, 2_000.0], ids=["closed", "open"])
async def test_each_request_is_sent_once_over_kept_connections(rate):
    server = Server()

    async with client(server, requests("place", MIX, "edge", 0, 50, TOKENS), 50, rate) as one:
        await one.run()

    assert sorted(json.loads(body)["order_id"] for body in server.bodies) == [f"edge-{n:08d}" for n in range(50)]
    assert one.latencies.count == 50
    assert server.connections == 4


async def test_an_open_loop_counts_from_when_a_request_was_due():
    """One connection that answers nothing for the time of many requests makes all of them late."""
    held = asyncio.Event()

    class Slow(Server):
        async def serve(self, reader, writer):
            await held.wait()
            await super().serve(reader, writer)

    server = Slow()
    async with client(server, requests("confirm", MIX, "edge", 0, 20, TOKENS), 20, 1_000.0, connections=1) as one:
        running = asyncio.create_task(one.run())
        began = asyncio.get_running_loop().time()
        await one.offered.wait()
        stood_still = asyncio.get_running_loop().time() - began
        held.set()
        await running

    # The first was due at the beginning: it is as late as all stood still.
    assert one.latencies.at(1.0) >= stood_still * 0.9


async def test_a_refused_request_ends_the_load():
    async with client(Server(b"409 Conflict"), requests("place", MIX, "edge", 0, 5, TOKENS), 5, 0.0) as one:
        with pytest.raises(Unexpected) as raised:
            await one.run()

    assert raised.value.code == "http_refused"


def test_a_request_says_who_asks_in_its_head_and_not_in_its_body():
    (request,) = requests("place", MIX, "edge", 7, 1, TOKENS)
    head, _, body = request.partition(b"\r\n\r\n")
    one = order(MIX, "edge", 7)

    assert f"authorization: Bearer token-of-{one.buyer_id}".encode() in head
    assert b"content-length: %d" % len(body) in head
    assert json.loads(body)["order_id"] == one.order_id
    assert "actor" not in json.loads(body)


def test_the_length_of_an_answer_is_known_with_its_head():
    assert answer_length(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n") is None
    assert answer_length(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{") == 45
    assert answer_length(b"HTTP/1.1 204 No Content\r\n\r\n") == 27
