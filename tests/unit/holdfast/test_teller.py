"""Asking a process again and again over one connection, whatever becomes of that connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from holdfast.embedded.ports import free_port
from holdfast.teller import Silent, Teller

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def process(serve: Serve) -> AsyncIterator[Teller]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    teller = Teller(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield teller
    finally:
        teller.close()
        server.close()


async def question(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nserver: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def test_many_questions_go_over_one_connection() -> None:
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        for number in range(3):
            assert (await question(reader)).startswith(b"GET /dev/progress HTTP/1.1\r\n")
            writer.write(answer(b'{"number": %d}' % number))

    async with process(serve) as teller:
        assert [await teller.progress() for _ in range(3)] == [{"number": number} for number in range(3)]
    assert len(connections) == 1


async def test_a_connection_that_the_process_closed_is_made_anew() -> None:
    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await question(reader)
        writer.write(answer(b"{}"))

    async with process(serve_one) as teller:
        assert [await teller.progress() for _ in range(3)] == [{}, {}, {}]


async def test_a_process_with_nothing_to_tell_yet_is_silent_and_may_speak_later() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (answer(b'{"code": "unavailable"}', "503 Service Unavailable"), answer(b'{"ready": true}')):
            await question(reader)
            writer.write(reply)

    async with process(serve) as teller:
        with pytest.raises(Silent, match=r"503.*unavailable"):
            await teller.progress()
        assert await teller.progress() == {"ready": True}


async def test_nobody_there_is_silence() -> None:
    with pytest.raises(Silent, match="ConnectionRefused"):
        await Teller(f"http://127.0.0.1:{free_port()}").progress()


async def test_half_an_answer_is_silence() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await question(reader)
        writer.write(answer(b'{"ready": true}')[:-4])

    async with process(serve) as teller:
        with pytest.raises(Silent):
            await teller.progress()


async def test_a_question_given_up_leaves_no_answer_to_the_next_one() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    numbers = iter(range(9))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await question(reader)
        number = next(numbers)
        if number == 0:
            asked.set()
            await go_on.wait()
        writer.write(answer(b'{"number": %d}' % number))

    async with process(serve) as teller:
        first = asyncio.create_task(teller.progress())
        await asked.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        go_on.set()
        assert await teller.progress() == {"number": 1}
