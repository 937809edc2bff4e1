"""Apache Kafka's jars: fetched once, by the coordinates of a lock file, and checked against its sums every time."""

from __future__ import annotations

import fcntl
import hashlib
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from holdfast.embedded.errors import EmbeddedError
from holdfast.places import home

LOCK = Path(__file__).with_name("kafka-jars.lock")
# Each is resolved by itself: resolved together, the version table of the second would override what the first needs.
ROOTS = ("org.apache.kafka:kafka_2.13:4.4.0", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5")
DOWNLOADS_AT_ONCE = 8


@dataclass(frozen=True, order=True)
class Jar:
    """One line of the lock: the coordinates of a jar and its SHA-256 in hexadecimal."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def locked(lock: Path = LOCK) -> list[Jar]:
    """The jars of a lock file, in its order."""
    lines = (line for line in lock.read_text().splitlines() if line and not line.startswith("#"))
    return [Jar(*line.replace(":", " ").split()) for line in lines]


def fetch(folder: Path | None = None, *, lock: Path = LOCK) -> list[Path]:
    """The class path: every jar of the lock, in `folder` (`jars` of the home if none given), fetched if it was missing.

    Raises EmbeddedError: `jar_checksum_mismatch` for a file that is not the one locked, `jar_not_fetched` when there
    is no way to get one.
    """
    folder = folder or home() / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    jars = locked(lock)
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        missing = [jar for jar in jars if not (folder / jar.file_name).exists()]
        if missing:
            _download(missing, folder)
    paths = [folder / jar.file_name for jar in jars]
    for jar, path in zip(jars, paths, strict=True):
        check(jar, path)
    return paths


def check(jar: Jar, path: Path) -> None:
    """Raises EmbeddedError (`jar_checksum_mismatch`) unless the file has the locked sum."""
    found = sha256_of(path)
    if found != jar.sha256:
        raise EmbeddedError(
            "jar_checksum_mismatch",
            f"{path} is not the locked {jar.coordinates}: its SHA-256 is {found}, not {jar.sha256}."
            " Delete the file and fetch again; if the sum stays wrong, do not run it",
        )


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(jars: list[Jar], folder: Path) -> None:
    # A jar gets its final name only whole and checked, so an interrupted download leaves nothing to trust.
    with tempfile.TemporaryDirectory(dir=folder, prefix="incoming-") as incoming:
        from jgo.maven import MavenContext

        maven = MavenContext(repo_cache=Path(incoming), timeout=60)

        def download(jar: Jar) -> None:
            try:
                path = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
            except Exception as reason:  # the resolver has no error type of its own
                raise EmbeddedError(
                    "jar_not_fetched",
                    f"could not fetch {jar.coordinates}: {reason}. Allow the package repository, and run it again",
                ) from reason
            check(jar, path)
            path.replace(folder / jar.file_name)

        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            list(pool.map(download, jars))


def relock(lock: Path = LOCK) -> list[Jar]:
    """Resolve `ROOTS` anew and write the lock. A jar that several roots bring must be of one version."""
    import jgo

    found: dict[tuple[str, str], Jar] = {}
    with tempfile.TemporaryDirectory() as cache:
        for root in ROOTS:
            resolved = jgo.build(root, cache_dir=Path(cache))
            assert resolved.lockfile is not None
            sums = {path.name: sha256_of(path) for path in resolved.all_jars}
            for one in resolved.lockfile.dependencies:
                jar = Jar(one.groupId, one.artifactId, one.version, sums[f"{one.artifactId}-{one.version}.jar"])
                if found.setdefault((jar.group, jar.artifact), jar) != jar:
                    raise EmbeddedError("jar_version_conflict", f"{jar.coordinates} comes in two versions; align ROOTS")
    jars = sorted(found.values())
    lock.write_text(_lock_text(jars))
    return jars


def _lock_text(jars: Iterable[Jar]) -> str:
    lines = [f"{jar.coordinates} {jar.sha256}" for jar in jars]
    head = "# Jars of the embedded Kafka, with their SHA-256. Written by python -m holdfast.embedded --relock\n"
    return head + "\n".join(lines) + "\n"
