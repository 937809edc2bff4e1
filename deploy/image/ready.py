"""The health check of an image: exit code 0 when the service says that its work gets done. Imports next to nothing, as
it runs every few seconds in every container."""

import os
import socket
import sys

WITHIN = 4.0
"""Seconds."""


def ready(port: int) -> bool:
    """Whether /readyz answers 200. Raises OSError."""
    with socket.create_connection(("127.0.0.1", port), timeout=WITHIN) as connection:
        connection.sendall(b"GET /readyz HTTP/1.0\r\nhost: localhost\r\n\r\n")
        answer = b""
        while part := connection.recv(4096):
            answer += part
    print(answer.rpartition(b"\r\n\r\n")[2].decode(errors="replace"))
    return answer.split(b" ", 2)[1:2] == [b"200"]


if __name__ == "__main__":
    try:
        sys.exit(0 if ready(int(os.environ["HOLDFAST_PORT"])) else 1)
    except OSError as error:
        sys.exit(repr(error))
