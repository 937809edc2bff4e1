"""One process of a stack, asked for its progress again and again over a connection that is kept.

The clock is driven by some hundred such questions a second, and a general HTTP client would take longer over each than
the process takes to answer.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

ANSWER_WITHIN = 30.0
"""Seconds."""

Progress = Mapping[str, Any]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Silent(Exception):
    """The process cannot be reached, or has nothing to tell yet."""


class Teller:
    """Asks the process at `base` (http://host:port)."""

    def __init__(self, base: str) -> None:
        where = urlsplit(base)
        self._host, self._port = where.hostname or "", where.port or 80
        self._request = f"GET /dev/progress HTTP/1.1\r\nhost: {where.netloc}\r\n\r\n".encode()
        self._kept: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def progress(self) -> Progress:
        """What `/dev/progress` tells. Raises `Silent`."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                if self._kept:
                    try:
                        return await self._ask(*self._kept)
                    except (OSError, EOFError):
                        self.close()  # servers close a connection that was idle for a while; a new one will do
                self._kept = await asyncio.open_connection(self._host, self._port)
                return await self._ask(*self._kept)
        except (OSError, EOFError) as error:
            self.close()
            raise Silent(repr(error)) from error
        except Silent:
            raise
        except BaseException:
            self.close()  # the rest of an answer may still come
            raise

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Progress:
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        status = head.split(b" ", 2)[1]
        if status != b"200":
            raise Silent(f"it answers {status.decode(errors='replace')}: {body[:200].decode(errors='replace')}")
        told: Progress = msgspec.json.decode(body)
        return told

    def close(self) -> None:
        """Lets the connection go; the next question makes a new one."""
        if self._kept:
            self._kept[1].close()
            self._kept = None
