"""What can go wrong with an embedded server; every error has a stable code and says what to do."""

from __future__ import annotations

from pathlib import Path

TAIL_LINES = 20


class EmbeddedError(RuntimeError):
    """An embedded server, or something it needs, is not to be had. `code` never changes its meaning."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} [{code}]")
        self.code = code


class ServerFailed(EmbeddedError):
    """A server did not start, or did not answer in time; the message ends with the last lines of its log."""

    def __init__(self, code: str, message: str, log: Path) -> None:
        super().__init__(code, f"{message}\nthe last lines of {log}:\n{tail(log)}")
        self.log = log


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log file, indented; a note when there is nothing."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) or "  (nothing was logged)"
