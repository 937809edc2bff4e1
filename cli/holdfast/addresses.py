"""Where a running stack is, for those who use one: found by its folder, in which its addresses stand."""

import fcntl
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.embedded.errors import EmbeddedError
from holdfast.places import home

if TYPE_CHECKING:
    from runtime.tokens import Minter

SERVICES = ("orders", "escrow", "deposits", "disputes", "identity")
SIMULATORS = ("payments", "carrier")
PORTS = dict(zip((*SERVICES, *SIMULATORS), (8201, 8202, 8203, 8204, 8205, 8211, 8212), strict=True))
"""Where the processes listen if these ports are free; on others if not."""

CONTAINERS = Path("compose")
"""What stands for the containers of `docker-compose.yml` where a folder of a stack is asked for."""


@dataclass(frozen=True)
class Addresses:
    """What others need to use a running stack. `services` are base addresses by name, simulators included; `replicas`
    those of the further processes of services that have several."""

    pid: int
    postgres: str
    kafka: str
    clock: str
    services: Mapping[str, str]
    databases: Mapping[str, str] = field(repr=False)
    replicas: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kafka_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What clients of aiokafka need beyond the address, where Kafka does not let everybody in."""
    keys: str = ""
    """The folder of the development issuer's keys, with which callers sign tokens of their own."""

    def minter(self) -> "Minter":
        """Signs tokens that the stack believes. Raises EmbeddedError (`no_keys`) where the key is not ours to read."""
        from runtime.tokens import Minter  # not every verb signs

        try:
            return Minter.load(Path(self.keys))
        except OSError as error:
            raise EmbeddedError(
                "no_keys", f"the signing key of this stack cannot be read: {error}; call as who started it"
            ) from None

    def kafka_client(self) -> dict[str, Any]:
        """Arguments for a client of aiokafka."""
        return {"bootstrap_servers": self.kafka, **self.kafka_options}

    def log_of(self, process: str) -> str:
        """In words, where to read what a process of the stack says."""
        if not self.pid:
            return f"`docker compose logs {process}`"
        return f"{f'{process}/' if process == 'kafka' else ''}{process}.log in the stack's folder"

    def all(self, name: str) -> list[str]:
        """The base addresses of every process of a service."""
        return [self.services[name], *self.replicas.get(name, ())]


def default_folder() -> Path:
    """Where a stack keeps its data and logs: `run` in the home of fetched files."""
    return home() / "run"


def find(folder: Path | None = None) -> Addresses:
    """The addresses of the stack that runs on this folder, or of the containers where it is `compose`. Raises
    EmbeddedError: not_running, no_secrets."""
    folder = folder or default_folder()
    if folder == CONTAINERS:
        from holdfast import compose

        return compose.addresses()
    path = folder / "stack.json"
    if path.exists() and _claimed(folder):
        return Addresses(**json.loads(path.read_text()))
    raise EmbeddedError("not_running", f"no stack runs on {folder}; start one with `holdfast up`")


def _claimed(folder: Path) -> bool:
    """Whether the process that started a stack here lives."""
    with claim_file(folder).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def claim_file(folder: Path) -> Path:
    """Locked by the process whose stack runs on the folder."""
    return folder.with_name(f"{folder.name}.lock")
