"""Free TCP ports on 127.0.0.1 for servers that keep theirs over a restart."""

from __future__ import annotations

import contextlib
import secrets
import socket

# Below the ranges that systems hand out to outgoing connections (32768 and up on Linux, 49152 elsewhere): a port from
# there could be taken by any client while its server is down, and a client that retries on it can connect to itself.
LOWEST, HIGHEST = 15_000, 32_000


def free_ports(count: int) -> list[int]:
    """`count` different ports on which nothing listens now.

    Raises OSError when the whole range is taken.
    """
    first = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
    ports: list[int] = []
    with contextlib.ExitStack() as bound:
        for offset in range(HIGHEST - LOWEST):
            if len(ports) == count:
                return ports
            port = LOWEST + (first - LOWEST + offset) % (HIGHEST - LOWEST)
            candidate = bound.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                candidate.bind(("127.0.0.1", port))
                ports.append(port)
    raise OSError(f"no {count} free ports between {LOWEST} and {HIGHEST} on 127.0.0.1")


def free_port() -> int:
    """One port on which nothing listens now."""
    return free_ports(1)[0]


def is_open(port: int) -> bool:
    """Whether something on 127.0.0.1 accepts connections at this port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
