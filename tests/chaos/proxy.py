"""A network between a service and PostgreSQL that can be told to fail: lose COMMITs or their replies, or fall silent.

It understands just enough of the protocol to see a COMMIT: clients send messages of a type byte and a length, and our
driver ends transactions with the simple query `COMMIT;`.
"""

import asyncio
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit, urlunsplit

_COMMIT = (b"Q", b"COMMIT;\0")
_LENGTH = struct.Struct("!I")
_ENCRYPT = _LENGTH.pack(80877103)
POLL = 0.01


class Loss(Enum):
    """What becomes of a COMMIT and the connection it comes over."""

    NOTHING = "it goes its way"
    REQUEST = "the connection breaks before the server gets it"
    REPLY = "the server has done it, and the connection breaks before it can say so"
    LATE = "the connection breaks for the client; the server gets it only when `deliver_late` is called"


@dataclass
class Proxy:
    """One such network. `url` is what to connect to."""

    url: str
    lose: Callable[[bool], Loss] = lambda is_relay: Loss.NOTHING
    """Decides for every COMMIT; told whether it is a relay's."""
    lost: dict[Loss, int] = field(default_factory=dict)
    """How many COMMITs were lost, and how."""
    silent: bool = False
    """While true nothing passes either way, and nobody is told."""
    epoch: int = 0
    late: list[asyncio.Event] = field(default_factory=list)

    def cut_off(self) -> None:
        """Connections that are open now stay open and silent for ever; new ones are well."""
        self.epoch += 1

    def deliver_late(self) -> None:
        """Lets the server have the COMMITs that were held back."""
        for held in self.late:
            held.set()

    async def passes(self, epoch: int) -> None:
        while self.silent or epoch < self.epoch:  # noqa: ASYNC110 - for ever, perhaps
            await asyncio.sleep(POLL)


@asynccontextmanager
async def proxied(database: str) -> AsyncIterator[Proxy]:
    """A proxy before the database of this URL; all its connections end with the block."""
    there = urlsplit(database)
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        connections.add(task := asyncio.current_task())  # type: ignore[arg-type]
        try:
            await proxy.passes(proxy.epoch)
            upstream = await asyncio.open_connection(there.hostname, there.port)
            try:
                await _Connection(proxy, reader, writer, *upstream).run()
            finally:
                upstream[1].close()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            connections.discard(task)  # type: ignore[arg-type]

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy = Proxy(urlunsplit(there._replace(netloc=f"{there.username}:{there.password}@127.0.0.1:{port}")))
    try:
        yield proxy
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


class _Connection:
    """A client's connection and the one to the server that stands for it."""

    def __init__(
        self,
        proxy: Proxy,
        client_in: StreamReader,
        client_out: StreamWriter,
        server_in: StreamReader,
        server_out: StreamWriter,
    ) -> None:
        self.proxy, self.epoch = proxy, proxy.epoch
        self.client_in, self.client_out = client_in, client_out
        self.server_in, self.server_out = server_in, server_out

    async def run(self) -> None:
        answers = asyncio.create_task(self._pass_answers())
        try:
            start = await self._start()
            self.server_out.write(start)
            while True:
                kind, length = await self.client_in.readexactly(1), await self.client_in.readexactly(4)
                body = await self.client_in.readexactly(_LENGTH.unpack(length)[0] - 4)
                await self.proxy.passes(self.epoch)
                loss = self.proxy.lose(b"-relay" in start) if (kind, body) == _COMMIT else Loss.NOTHING
                if loss is not Loss.NOTHING:
                    self.proxy.lost[loss] = self.proxy.lost.get(loss, 0) + 1
                    answers.cancel()
                    return await self._lose(loss, kind + length + body)
                self.server_out.write(kind + length + body)
                await self.server_out.drain()
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)

    async def _lose(self, loss: Loss, commit: bytes) -> None:
        if loss is Loss.REQUEST:
            return
        if loss is Loss.LATE:
            self.client_out.close()
            self.proxy.late.append(held := asyncio.Event())
            await held.wait()
        self.server_out.write(commit)
        await self.server_in.readexactly(1)  # the server has done it

    async def _pass_answers(self) -> None:
        with suppress(OSError):
            while some := await self.server_in.read(65536):
                await self.proxy.passes(self.epoch)
                self.client_out.write(some)
                await self.client_out.drain()
        self.client_out.close()

    async def _start(self) -> bytes:
        """The start-up message, which alone has no type byte; encryption is refused."""
        while True:
            length = await self.client_in.readexactly(4)
            body = await self.client_in.readexactly(_LENGTH.unpack(length)[0] - 4)
            if body[:4] != _ENCRYPT:
                return length + body
            self.client_out.write(b"N")
