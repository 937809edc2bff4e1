"""What can be done to any server of our own, whichever it is."""

import shutil
from abc import ABC, abstractmethod
from pathlib import Path

from holdfast.embedded.process import ServerProcess

STOP_WITHIN_SECONDS = 30.0


class Server(ABC):
    """A running server on `home`, its data, and `port`. It ends with the process that started it, however that ends."""

    def __init__(self, home: Path, port: int, process: ServerProcess) -> None:
        self.home = home
        self.port = port
        self._process = process

    @abstractmethod
    def _start(self) -> None:
        """Starts its process; returns when it answers."""

    @property
    def pid(self) -> int:
        """The process id of the server, whose children go with it."""
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.running

    def stop(self) -> None:
        """An orderly shutdown: clients are disconnected, what they had not committed is undone."""
        self._process.stop(within=STOP_WITHIN_SECONDS)

    def kill(self) -> None:
        """kill -9 of the server and all its children: a crash."""
        self._process.kill()

    def restart(self) -> None:
        """Start again on the same ports and data; returns when it answers, recovered."""
        self.stop()
        self._start()

    def pause(self) -> None:
        """Away: every process is stopped where it is; connections stay open and silent."""
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    def delete(self) -> None:
        """Stop, and remove the data for good."""
        self.stop()
        shutil.rmtree(self.home)
