"""The process of the outside world (`bench.load`), as whoever measures sees it."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent


class BenchFailed(RuntimeError):
    """A measure cannot be trusted or could not be taken. `code` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{text} [{code}]")
        self.code = code


class Load:
    """The process of the outside world; ready when made."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT, start_new_session=True
        )
        self.seconds: list[dict[str, Any]] = []
        self._hear("ready")

    def begin(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("begin\n")
        self._process.stdin.flush()

    def end(self, overdue: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """What it told at its end. Raises BenchFailed with the code that it gave."""
        return self._hear("done", overdue)

    def _hear(self, wanted: str, overdue: Callable[[], None] = lambda: None) -> dict[str, Any]:
        assert self._process.stdout
        for line in self._process.stdout:
            told = json.loads(line)
            match told.pop("say"):
                case "overdue":
                    overdue()
                case "second":
                    self.seconds.append(told)
                case "failed":
                    raise BenchFailed(told["code"], told["text"])
                case said if said == wanted:
                    return dict(told)
        raise BenchFailed("load_ended", f"the load ended with code {self._process.wait()} before it was {wanted}")

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
