"""Makes everything that the project needs inside its own folder: a virtual environment with the pinned packages, and
Kafka's jars. Runs on a bare Python 3.11 or later; does nothing that was done for the same requirements before. With
the word `bench` it adds what only the benchmark needs."""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
PROJECT = Path(__file__).resolve().parent.parent
ENVIRONMENT = PROJECT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
REQUIREMENTS = PROJECT / "requirements" / "dev.txt"
BENCH_REQUIREMENTS = PROJECT / "requirements" / "bench.txt"
STAMP, BENCH_STAMP = ENVIRONMENT / "set-up", ENVIRONMENT / "set-up-bench"


def main() -> None:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < OLDEST:
        sys.exit(
            f"Holdfast needs Python 3.11 or later; {sys.executable} is {version}. Say: make PYTHON=/path/to/python3"
        )
    # The stamp goes with the folder too: a virtual environment that was moved does not work.
    parts = [REQUIREMENTS.read_bytes(), (PROJECT / "pyproject.toml").read_bytes(), bytes(PROJECT), version.encode()]
    stamp = hashlib.sha256(b"\0".join(parts)).hexdigest()
    if not STAMP.exists() or STAMP.read_text() != stamp:
        STAMP.unlink(missing_ok=True)
        make_environment(version)
        say("installing the pinned packages")
        pip("--require-hashes", "-r", str(REQUIREMENTS))
        say("installing the project itself, editable")
        pip("--no-deps", "--no-build-isolation", "-e", str(PROJECT))
        STAMP.write_text(stamp)
        BENCH_STAMP.unlink(missing_ok=True)
    if "bench" in sys.argv[1:]:
        add_bench()
    if not any((PROJECT / ".holdfast" / "jars").glob("*.jar")):
        say("fetching Kafka's jars")
    run(str(PYTHON), "-m", "holdfast.embedded")


def add_bench() -> None:
    stamp = hashlib.sha256(BENCH_REQUIREMENTS.read_bytes()).hexdigest()
    if not BENCH_STAMP.exists() or BENCH_STAMP.read_text() != stamp:
        say("installing what the benchmark needs")
        pip("--require-hashes", "-r", str(BENCH_REQUIREMENTS))
        BENCH_STAMP.write_text(stamp)


def make_environment(version: str) -> None:
    if runs(PYTHON):
        return
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(
            f"{sys.executable} cannot make a virtual environment, its module ensurepip is missing. Install it first,"
            f" on Debian and Ubuntu: apt-get install python{sys.version_info.major}.{sys.version_info.minor}-venv"
        )
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    say(f"making a virtual environment in .venv, with Python {version}")
    run(sys.executable, "-m", "venv", str(ENVIRONMENT))


def runs(python: Path) -> bool:
    """Whether this is a Python with pip that works, of our own version."""
    check = f"import pip, sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    return python.exists() and subprocess.run([str(python), "-c", check], capture_output=True).returncode == 0


def pip(*arguments: str) -> None:
    run(str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *arguments)


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=PROJECT, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"set-up: this failed: {' '.join(command)}")


def say(what: str) -> None:
    print(f"set-up: {what}", flush=True)


if __name__ == "__main__":
    main()
