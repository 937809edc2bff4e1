"""Free TCP ports on 127.0.0.1 for servers that keep theirs over a restart."""

from __future__ import annotations

import secrets
import socket
import sys

# Below the ranges that systems hand out to outgoing connections (32768 and up on Linux, 49152 elsewhere): a port from
# there could be taken by any client while its server is down, and a client that retries on it can connect to itself.
LOWEST, HIGHEST = 15_000, 32_000

KEPT = 200 if sys.platform == "linux" else 0
"""Elsewhere a bound address is shared with nobody, the server included."""
_kept: dict[int, socket.socket] = {}


def free_ports(count: int) -> list[int]:
    """`count` different ports on which nothing listens now.

    A server takes seconds until it listens. The newest `KEPT` ports are kept for it until then: no other process is
    given them, here or there, and a server that reuses addresses, as all of ours do, may listen at once.

    Raises OSError when the whole range is taken.
    """
    first = secrets.randbelow(HIGHEST - LOWEST)
    found: dict[int, socket.socket] = {}
    for offset in range(HIGHEST - LOWEST):
        if len(found) == count:
            break
        port = LOWEST + (first + offset) % (HIGHEST - LOWEST)
        candidate = socket.socket()
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            candidate.close()
        else:
            # Reused only from here on: before, it would have been bound beside a server that is about to listen.
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found[port] = candidate
    _kept.update(found)
    for oldest in list(_kept)[: max(len(_kept) - KEPT, 0)]:
        let_go(oldest)
    if len(found) < count:
        raise OSError(f"no {count} free ports between {LOWEST} and {HIGHEST} on 127.0.0.1")
    return list(found)


def free_port() -> int:
    """One port on which nothing listens now."""
    return free_ports(1)[0]


def let_go(port: int) -> None:
    """Keeps a port no longer: for a server that does not reuse addresses, just before it starts."""
    if kept := _kept.pop(port, None):
        kept.close()


def is_open(port: int) -> bool:
    """Whether something on 127.0.0.1 accepts connections at this port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
