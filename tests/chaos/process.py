"""A toy service as a process: started, killed, stopped and continued, and always reaped.

Processes are forked from a server that has imported everything, so that one is up in a moment; each is a process of its
own all the same, with its own memory, sockets and death.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import psutil

from tests.waiting import eventually

_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(["tests.toy.__main__"])

TAIL_LINES = 40


def _run(argv: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.setsid()  # Ctrl-C is for the tests; they end us
    os.environ.update(environment)
    sys.argv[1:] = argv
    from tests.toy.__main__ import main  # what `python -m tests.toy` runs

    main()


class Process:
    """One process. `name` tells it apart from other replicas; its log is `log`."""

    def __init__(self, name: str, argv: Sequence[str], environment: Mapping[str, str], port: int, log: Path) -> None:
        self.name = name
        self.log = log
        self.url = f"http://127.0.0.1:{port}"
        self._http = httpx.AsyncClient(base_url=self.url, timeout=10, verify=False)
        self._process = _FORKING.Process(target=_run, args=(argv, dict(environment), str(log)), daemon=True)
        self._process.start()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def exit_code(self) -> int | None:
        """As `multiprocessing` tells it: negative for a signal, None while it lives."""
        return self._process.exitcode

    @property
    def resident_bytes(self) -> int:
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def send(self, number: signal.Signals) -> None:
        """A signal, if it still lives."""
        if self._process.is_alive() and self._process.pid:
            os.kill(self._process.pid, number)

    async def ended(self, within: float = 30) -> int:
        """Its exit code, once it has ended."""
        await eventually(lambda: not self._process.is_alive(), within=within)
        assert self._process.exitcode is not None
        return self._process.exitcode

    async def kill(self) -> None:
        """kill -9, and gone."""
        self.send(signal.SIGKILL)
        await self.ended()

    async def terminate(self, within: float = 30) -> int:
        """SIGTERM, and gone: its exit code."""
        self.send(signal.SIGTERM)
        return await self.ended(within)

    async def reap(self) -> None:
        """The end of it, whatever state it is in."""
        self.send(signal.SIGKILL)
        await asyncio.to_thread(self._process.join)
        self._process.close()
        await self._http.aclose()

    async def get(self, path: str) -> httpx.Response:
        """`GET path`; raises `httpx.TransportError` while nobody answers."""
        return await self._http.get(path)

    async def ready(self, within: float = 30) -> "Process":
        """Itself, once /readyz says so."""

        async def says_so() -> bool:
            assert self.alive, f"{self.name} ended with {self.exit_code}\n{self.tail()}"
            status, text = await self.readiness()
            assert status == 200, text
            return True

        await eventually(says_so, within=within)
        return self

    async def lives(self) -> bool:
        """Whether /livez says so."""
        try:
            return (await self.get("/livez")).status_code == 200
        except httpx.TransportError:
            return False

    async def readiness(self) -> tuple[int, str]:
        """Status and text of /readyz; status 0 while nobody answers."""
        try:
            answer = await self.get("/readyz")
        except httpx.TransportError as error:
            return 0, repr(error)
        return answer.status_code, answer.text

    async def handled(self, result: str = "done", origin: str = "kafka") -> int:
        """How many messages came to this result, by its own metrics."""
        return int(await self.metric(f'holdfast_messages_total{{origin="{origin}",result="{result}",'))

    async def metric(self, beginning: str) -> float:
        """The value of the metrics line that begins so; 0 where there is none."""
        for line in (await self.get("/metrics")).text.splitlines():
            if line.startswith(beginning):
                return float(line.rsplit(" ", 1)[1])
        return 0

    def logged(self, event: str) -> int:
        """How often the log has this event."""
        return self.log.read_text(errors="replace").count(f'"event": "{event}"') if self.log.exists() else 0

    def tail(self) -> str:
        """The end of its log, without what is as it should be."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines = [line[:600] for line in text.splitlines() if '"level": "info"' not in line]
        return "\n".join(lines[-TAIL_LINES:])


async def all_ready(*processes: Process, within: float = 30) -> None:
    """Returns when all of them are ready."""
    await asyncio.gather(*(process.ready(within) for process in processes))
