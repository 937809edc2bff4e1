"""An HTTP client for load that does next to nothing a request: ready bytes out over kept connections, the status in."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any

from bench.histogram import Histogram
from bench.market import Unexpected

WITHIN = 300.0
TICK = 0.001
"""Seconds."""


class Connection(asyncio.Protocol):
    """One kept connection: a request at a time, whole answers to the client."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._answer = b""
        self._due = 0.0
        self.busy = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        self._due, self.busy = due, True
        self._transport.write(request)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        length = answer_length(self._answer)
        if length is not None and len(self._answer) >= length:
            answer, self._answer, self.busy = self._answer[:length], self._answer[length:], False
            self._client.answered(self, answer, self._due)

    def connection_lost(self, error: Exception | None) -> None:
        self._client.lost(self)


class Client:
    """Sends each of `requests` once. A connection that waits is used in its turn, so none idles until it is closed."""

    def __init__(self, requests: Iterator[bytes], count: int, rate: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._requests, self._count, self._rate = requests, count, rate
        self._idle: deque[Connection] = deque()
        self._overdue: deque[tuple[bytes, float]] = deque()
        self._answered = 0
        self._done: asyncio.Future[None] = self._loop.create_future()
        self.latencies = Histogram()
        self.offered = asyncio.Event()
        """Set when the last request of an open loop was due."""

    async def connect(self, host: str, port: int, connections: int) -> None:
        for _ in range(connections):
            _, connection = await self._loop.create_connection(lambda: Connection(self), host, port)
            self._idle.append(connection)

    def close(self) -> None:
        """Closes what connections are idle."""
        for connection in list(self._idle):
            connection.close()

    async def run(self) -> None:
        """Returns when all are answered. Raises `Unexpected`: http_refused, connection_lost."""
        if self._rate:
            await self._offer()
        else:
            while self._idle and (request := next(self._requests, None)):
                self._idle.popleft().send(request, self._loop.time())
        async with asyncio.timeout(WITHIN):
            await self._done

    async def _offer(self) -> None:
        began, offered = self._loop.time(), 0
        while offered < self._count and not self._done.done():
            due = min(int((self._loop.time() - began) * self._rate) + 1, self._count)
            for number in range(offered, due):
                request, at = next(self._requests), began + number / self._rate
                if self._idle:
                    self._idle.popleft().send(request, at)
                else:
                    self._overdue.append((request, at))
            offered = max(due, offered)
            await asyncio.sleep(TICK)
        self.offered.set()

    def answered(self, connection: Connection, answer: bytes, due: float) -> None:
        now = self._loop.time()
        if answer[9:12] != b"200":
            self._fail(Unexpected("http_refused", answer.decode()))
            return
        self.latencies.add(now - due)
        self._answered += 1
        if self._overdue:
            connection.send(*self._overdue.popleft())
        elif not self._rate and (request := next(self._requests, None)):
            connection.send(request, now)
        else:
            self._idle.append(connection)
        if self._answered == self._count and not self._done.done():
            self._done.set_result(None)

    def lost(self, connection: Connection) -> None:
        if connection.busy:
            self._fail(Unexpected("connection_lost", f"after {self._answered} of {self._count} answers"))
        elif connection in self._idle:
            self._idle.remove(connection)

    def _fail(self, error: Unexpected) -> None:
        if not self._done.done():
            self._done.set_exception(error)


def answer_length(answer: bytes) -> int | None:
    """Bytes of head and body of the HTTP answer that begins here; None while its head is not complete."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = answer[:end].lower()
    at = head.find(b"content-length:")
    return end + 4 + (int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0)
