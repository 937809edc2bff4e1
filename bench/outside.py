"""The process of the outside world (`bench.load`), as whoever measures sees it."""

import json
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
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
        """What it told every second, as it goes."""
        self._said: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        # Beside whoever waits for the load or does not: a full pipe would make it stand still.
        threading.Thread(target=self._listen, daemon=True).start()
        self._hear("ready")

    def begin(self) -> None:
        self._tell("begin")

    def enough(self) -> None:
        """No more orders than were placed until now."""
        self._tell("enough")

    def _tell(self, what: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()

    def end(self, overdue: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """What it told at its end. Raises BenchFailed with the code that it gave."""
        return self._hear("done", overdue)

    def _hear(self, wanted: str, overdue: Callable[[], None] = lambda: None) -> dict[str, Any]:
        while told := self._said.get():
            match told.pop("say"):
                case "overdue":
                    overdue()
                case "failed":
                    raise BenchFailed(told["code"], told["text"])
                case said if said == wanted:
                    return told
        raise BenchFailed("load_ended", f"the load ended with code {self._process.wait()} before it was {wanted}")

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            told = json.loads(line)
            if told["say"] == "second":
                self.seconds.append(told)
            else:
                self._said.put(told)
        self._said.put(None)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
