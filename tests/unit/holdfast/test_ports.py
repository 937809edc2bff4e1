"""Ports for servers that are about to start."""

import socket
import subprocess
import sys

import pytest

from holdfast.embedded import ports
from holdfast.embedded.ports import free_port, free_ports, is_open, let_go

kept = pytest.mark.skipif(not ports.KEPT, reason="ports are kept on Linux only: see ports.KEPT")

LISTENS = """
import socket, sys
one = socket.create_server(("127.0.0.1", int(sys.argv[1])))
socket.create_connection(one.getsockname()).close()
"""


@kept
def test_a_port_is_kept_from_others_and_not_from_the_server_it_is_for() -> None:
    # given
    port = free_port()
    # then another who looks for a free one does not get it, nor does a client
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    # and a server in a process of its own listens there as soon as it is up, and again after its end
    for _ in range(2):
        subprocess.run([sys.executable, "-c", LISTENS, str(port)], check=True)


@kept
def test_no_port_is_given_twice_while_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # given that everyone begins to look at the same place
    monkeypatch.setattr(ports.secrets, "randbelow", lambda _: 0)
    # when
    given = [free_port(), *free_ports(3), free_port()]
    # then
    assert len(set(given)) == len(given)


@kept
def test_only_the_newest_are_kept() -> None:
    # given
    first = free_port()
    # when
    free_ports(ports.KEPT)
    # then
    with socket.socket() as other:
        other.bind(("127.0.0.1", first))


def test_a_port_that_is_let_go_is_anyones_and_the_others_are_not() -> None:
    # given
    given, other = free_ports(2)
    # when
    let_go(given)
    # then
    with socket.socket() as one:
        one.bind(("127.0.0.1", given))
    if ports.KEPT:
        with socket.socket() as one, pytest.raises(OSError, match="in use"):
            one.bind(("127.0.0.1", other))


def test_a_port_with_a_listener_is_open_and_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports.secrets, "randbelow", lambda _: 0)
    port = free_port()
    assert not is_open(port)
    with socket.create_server(("127.0.0.1", port)):
        assert is_open(port)
        assert free_port() != port


def test_all_taken_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LOWEST", 15_000)
    monkeypatch.setattr(ports, "HIGHEST", 15_002)
    with pytest.raises(OSError, match="no 3 free ports between 15000 and 15002"):
        free_ports(3)
