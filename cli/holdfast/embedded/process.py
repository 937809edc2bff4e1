"""A server process of ours: started apart from the terminal, stopped, crashed, paused, never left behind."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from holdfast.embedded.errors import EmbeddedError, ServerFailed

POLL_SECONDS = 0.02
# What a server left by a killed starter may take to shut down before the next one may have its folder.
GONE_WITHIN_SECONDS = 20.0
STILL_WITHIN_SECONDS = 5.0

# Ends the server when its starter is gone, however that died: its standard input is a pipe that only the starter holds
# open. A thread-bound death signal would not do: servers are started from threads that end before them.
WATCHDOG = """
read -r pid || exit 0
read -r _ && exit 0
children() { cat "/proc/$pid/task/$pid/children" 2>/dev/null; }
kill -CONT "$pid" $(children) 2>/dev/null
kill "-$1" "$pid" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2>/dev/null || exit 0; sleep 1; done
kill -KILL "$pid" $(children) 2>/dev/null
"""


@dataclass(frozen=True)
class Account:
    """An account of the operating system that a server runs as."""

    name: str
    uid: int
    gid: int

    @property
    def popen_arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def unprivileged_account() -> Account | None:
    """Whom to run a server as that refuses to be root: nobody else unless we are root.

    Raises EmbeddedError (`account_missing`) when root finds no such account.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "account_missing", "root needs an account named postgres or nobody to run PostgreSQL as; add one"
    )


@dataclass(frozen=True)
class Program:
    """How a server is run. `folder` holds its data, and the lock that says who uses it."""

    name: str
    command: Sequence[str]
    folder: Path
    log: Path
    stop_signal: signal.Signals
    account: Account | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


class ServerProcess:
    """A running `Program` with all its children, in a session of its own: Ctrl-C in the terminal does not reach it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the server (its first process). Raises EmbeddedError (`server_not_running`)."""
        if self._process is None:
            raise EmbeddedError("server_not_running", f"{self.program.name} is not running; restart() it")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, answers: Callable[[], bool], *, within: float) -> None:
        """Start and wait until `answers()` is true.

        Raises ServerFailed (`server_did_not_start`, `server_did_not_answer`) with the end of the log, and
        EmbeddedError (`folder_in_use`) when another server still has the folder.
        """
        self.launch()
        try:
            self.wait_until(answers, within)
        except BaseException:
            self.kill()
            raise

    def launch(self) -> None:
        """Start without waiting for it. Raises EmbeddedError (`folder_in_use`)."""
        program = self.program
        # The lock is inherited: it is free again only when the last process of the server is gone, whoever started it.
        with folder_lock(program.folder) as lock, program.log.open("ab") as log:
            watchdog = subprocess.Popen(
                ["/bin/sh", "-c", WATCHDOG, "watchdog", program.stop_signal.name.removeprefix("SIG")],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
            self._watchdog = watchdog
            self._process = subprocess.Popen(
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env=dict(program.environment),
                pass_fds=(lock,),
                **(program.account.popen_arguments if program.account else {}),
            )
            assert watchdog.stdin is not None
            watchdog.stdin.write(f"{self._process.pid}\n".encode())
            watchdog.stdin.flush()
        atexit.register(self._stop_at_exit, os.getpid())

    def wait_until(self, answers: Callable[[], bool], within: float) -> None:
        """Return when `answers()` is true. Raises ServerFailed (`server_did_not_start`, `server_did_not_answer`)."""
        program, deadline = self.program, time.monotonic() + within
        while True:
            if not self.running:
                raise ServerFailed("server_did_not_start", f"{program.name} ended while starting", program.log)
            if answers():
                return
            if time.monotonic() > deadline:
                raise ServerFailed(
                    "server_did_not_answer", f"{program.name} did not answer within {within:g} s", program.log
                )
            time.sleep(POLL_SECONDS)

    def ask_to_stop(self) -> None:
        """Ask it to shut down, without waiting for it. Does nothing when it is not running."""
        if self._process is not None and self.running:
            self.resume()
            self._process.send_signal(self.program.stop_signal)

    def stop(self, *, within: float) -> None:
        """Ask it to shut down, and crash it when it has not done so in time. Does nothing when it is not running."""
        self.ask_to_stop()
        self.see_out(within)

    def see_out(self, within: float) -> None:
        """Wait for it to end, and crash it when it has not done so in time."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(within)
            self.kill()

    def kill(self) -> None:
        """kill -9 of the server and all its children: a crash. Returns when they are gone."""
        if self._process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            for member in self._frozen_members():
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
        self._process.wait()
        self._process = None
        self._release_watchdog()
        atexit.unregister(self._stop_at_exit)
        with folder_lock(self.program.folder):
            pass

    def pause(self) -> None:
        """SIGSTOP of the server and all its children: it is away, its connections stay open and silent. Returns when
        they stand still, which on a busy machine takes longer than the signal."""
        pid = self.pid
        members = self._frozen_members()
        deadline = time.monotonic() + STILL_WITHIN_SECONDS
        while not all(_stands_still(member.pid) for member in members) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if not members or members[0].pid != pid:
            raise EmbeddedError(
                "server_not_running", f"{self.program.name} has ended by itself; see {self.program.log}"
            )

    def resume(self) -> None:
        """SIGCONT after `pause`; harmless when it was not paused."""
        members = self._members()
        for member in reversed(members):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()

    def _members(self) -> list[Any]:
        try:
            server = psutil.Process(self.pid)
            return [server, *server.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _frozen_members(self) -> list[Any]:
        # Process groups do not hold the family together (PostgreSQL gives every child a group of its own), so the
        # parent is stopped first: after that nobody is born.
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(self.pid).suspend()
        members = self._members()
        for member in members[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.suspend()
        return members

    def _release_watchdog(self) -> None:
        if self._watchdog is None:
            return
        assert self._watchdog.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._watchdog.stdin.write(b"released\n")
            self._watchdog.stdin.close()
        self._watchdog.wait()
        self._watchdog = None

    def _stop_at_exit(self, starter: int) -> None:
        if os.getpid() == starter:  # a forked child leaves what its parent started
            self.stop(within=GONE_WITHIN_SECONDS)


def _stands_still(pid: int) -> bool:
    """Whether every thread of a process is stopped or gone; True where the system does not tell."""
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            if thread.read_text().rpartition(")")[2].split()[0] not in "TtZX":
                return False
    return True


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[int]:
    """Hold the folder's lock; yields its descriptor, which a child may inherit and so keep the lock.

    Waits for a server that is still shutting down. Raises EmbeddedError (`folder_in_use`).
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + GONE_WITHIN_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EmbeddedError(
                        "folder_in_use", f"another server uses {folder}; stop that one, or choose another folder"
                    ) from None
                time.sleep(POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)
