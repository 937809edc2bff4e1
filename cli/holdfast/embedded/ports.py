"""Free TCP ports on 127.0.0.1 for servers that keep theirs over a restart."""

from __future__ import annotations

import secrets
import socket
import sys
from collections import deque

# Below the ranges that systems hand out to outgoing connections (32768 and up on Linux, 49152 elsewhere): a port from
# there could be taken by any client while its server is down, and a client that retries on it can connect to itself.
LOWEST, HIGHEST = 15_000, 32_000

KEPT = 200
_kept: deque[socket.socket] = deque()


def free_ports(count: int) -> list[int]:
    """`count` different ports on which nothing listens now.

    A server takes seconds until it listens. On Linux the newest `KEPT` ports are kept for it until then: no other
    process is given them, here or there, and a server that reuses addresses, as all of ours do, may listen at once.

    Raises OSError when the whole range is taken.
    """
    first = secrets.randbelow(HIGHEST - LOWEST)
    found: list[socket.socket] = []
    for offset in range(HIGHEST - LOWEST):
        if len(found) == count:
            break
        candidate = socket.socket()
        try:
            candidate.bind(("127.0.0.1", LOWEST + (first + offset) % (HIGHEST - LOWEST)))
        except OSError:
            candidate.close()
        else:
            found.append(candidate)
    ports = [candidate.getsockname()[1] for candidate in found]
    _keep(found)
    if len(ports) < count:
        raise OSError(f"no {count} free ports between {LOWEST} and {HIGHEST} on 127.0.0.1")
    return ports


def _keep(bound: list[socket.socket]) -> None:
    for each in bound:
        if sys.platform == "linux":
            # Said only now: saying so before would have let it have a port that a server is about to listen on.
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _kept.append(each)
        else:  # there one that reuses addresses shares them with nobody
            each.close()
    while len(_kept) > KEPT:
        _kept.popleft().close()


def free_port() -> int:
    """One port on which nothing listens now."""
    return free_ports(1)[0]


def let_go(port: int) -> None:
    """Keeps a port no longer: for a server that does not reuse addresses, just before it starts."""
    for each in [one for one in _kept if one.getsockname()[1] == port]:
        _kept.remove(each)
        each.close()


def is_open(port: int) -> bool:
    """Whether something on 127.0.0.1 accepts connections at this port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
