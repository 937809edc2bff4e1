"""Fetches the peers of the benchmark, all or those named: `python scripts/set_up_peers.py [NAME…]`, with the project's
own environment. Each comes into a folder of its own, `.holdfast/peers/NAME`, and is fetched anew only when what it
needs has changed. One that cannot be fetched or built says why, here and in its file `failed`, and the others go on."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from holdfast.embedded.jars import home

PROJECT = Path(__file__).resolve().parent.parent
WRITTEN = PROJECT / "bench" / "peers"
FETCHED = home() / "peers"
LAST_LINES = 5


@dataclass(frozen=True)
class Kind:
    """A way to fetch: from which files beside the peer's code, by what, given those files' folder and the target."""

    files: tuple[str, ...]
    fetch: Callable[[Path, Path], None]


class Failed(Exception):
    """A command that ended badly; the text holds the end of what it said."""


def python_venv(source: Path, target: Path) -> None:
    """A virtual environment in the target itself: `bin/python` runs the peer."""
    run(sys.executable, "-m", "venv", str(target))
    pip = (str(target / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input")
    run(*pip, "--quiet", "--require-hashes", "-r", str(source / "requirements.txt"))


def npm(source: Path, target: Path) -> None:
    """Node packages in the target's `node_modules`, checked against the sums of the lock file."""
    for name in NPM.files:
        shutil.copy(source / name, target)
    # Scripts of packages would run what no sum has checked, and report what was installed.
    run("npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", cwd=target)


def go(source: Path, target: Path) -> None:
    """The tools of a Go module file built into the target's `bin`, checked against the sums of its `go.sum`."""
    module, cache = target / "module", target / "cache"
    module.mkdir()
    for name in GO.files:
        shutil.copy(source / name, module)
    settings = {
        "GOBIN": str(target / "bin"),
        "GOPATH": str(cache / "path"),
        "GOCACHE": str(cache / "build"),
        "GOFLAGS": "-mod=readonly -modcacherw",
    }
    run("go", "install", "tool", cwd=module, settings=settings)
    # Sources and objects of a large engine are gigabytes, of which its program needs nothing.
    shutil.rmtree(cache)


PYTHON_VENV = Kind(("requirements.txt",), python_venv)
NPM = Kind(("package.json", "package-lock.json"), npm)
GO = Kind(("go.mod", "go.sum"), go)

PEERS: dict[str, tuple[Kind, ...]] = {
    "naive_faststream": (PYTHON_VENV,),
    "dbos_transact": (PYTHON_VENV,),
    "restate_server": (PYTHON_VENV, NPM),
    "temporal_server": (PYTHON_VENV, GO),
}


def main() -> None:
    wanted = sys.argv[1:] or list(PEERS)
    if unknown := set(wanted) - PEERS.keys():
        sys.exit(f"no peer {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    missing = [name for name in wanted if not fetched(name, PEERS[name])]
    sys.exit(f"not fetched: {', '.join(missing)}" if missing else 0)


def fetched(name: str, kinds: tuple[Kind, ...]) -> bool:
    """Fetches a peer unless it is there; whether it is there then."""
    source, target = WRITTEN / name, FETCHED / name
    stamp = fingerprint(source, target, kinds)
    if (target / "stamp").exists() and (target / "stamp").read_text() == stamp:
        return True
    say(f"fetching {name}")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    try:
        for kind in kinds:
            kind.fetch(source, target)
    except (Failed, OSError) as error:
        # What is half there must not be taken for the peer.
        shutil.rmtree(target)
        target.mkdir()
        (target / "failed").write_text(str(error))
        say(f"{name} could not be fetched: {error}")
        return False
    (target / "stamp").write_text(stamp)
    return True


def fingerprint(source: Path, target: Path, kinds: tuple[Kind, ...]) -> str:
    # The target's place counts: a virtual environment that was moved does not work.
    parts = [bytes(target), sys.version.encode()]
    parts += [(source / name).read_bytes() for kind in kinds for name in kind.files]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def run(*command: str, cwd: Path = PROJECT, settings: dict[str, str] | None = None) -> None:
    """Runs a command quietly, `settings` over this process's environment. Raises Failed, OSError if there is none."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(settings or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {' '.join(done.stdout.splitlines()[-LAST_LINES:])}")


def say(what: str) -> None:
    print(f"peers: {what}", flush=True)


if __name__ == "__main__":
    main()
