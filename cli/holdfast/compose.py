"""The deployment of `docker-compose.yml`: what it is given before it starts, and how the command line finds it.

    python -m holdfast.compose        (make secrets)

makes every secret that is missing, each in a file of its own below `deploy/secrets`, and the file of the virtual clock.
It never overwrites: databases and brokers keep the passwords that they were made with. The folder is its owner's alone;
the files in it can be read by any user, because containers, which see single files of it, run as users of their own.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from holdfast.acls import ADMIN, BROKER, OPERATOR
from holdfast.addresses import PORTS, SERVICES, SIMULATORS, Addresses
from holdfast.embedded import EmbeddedError
from runtime.clock import VirtualClock
from runtime.settings import DEVELOPMENT_ISSUER
from runtime.signatures import new_secret
from runtime.tokens import KEYS, SIGNING_KEY, new_key, public, write_keys

ROOT = Path(__file__).parents[2]
ISSUER_PORT, POSTGRES_PORT, KAFKA_PORT = 8213, 55432, 9092
OWNERS = (*SERVICES, *SIMULATORS)


def secrets_folder(root: Path = ROOT) -> Path:
    """Where the secrets of a checkout lie."""
    return root / "deploy" / "secrets"


def clock_file(root: Path = ROOT) -> Path:
    """The file of the virtual clock; its folder is what containers see."""
    return root / ".holdfast" / "compose" / "clock" / "now"


def make(root: Path = ROOT) -> list[str]:
    """Makes what is missing and returns the names of what was made. Files of one secret fit together whenever they were
    made."""
    folder, made = secrets_folder(root), []
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)

    def keep(name: str, content: str) -> str:
        path = folder / name
        with (
            suppress(FileExistsError),
            os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w") as file,
        ):
            os.fchmod(file.fileno(), 0o644)
            file.write(content)
            made.append(name)
        return path.read_text()

    keep("postgres_superuser", _password())
    for owner in OWNERS:
        password = keep(f"postgres_{owner}", _password())
        keep(f"database_url_{owner}", f"postgresql://{owner}:{password}@postgres:5432/{owner}")
    for principal in (BROKER, ADMIN, OPERATOR, *OWNERS):
        keep(f"kafka_{principal}", _password())
    signed = {sender: keep(f"webhooks_{sender}", new_secret()) for sender in SIMULATORS}
    keep("webhooks_senders", "\n".join(f"{sender}={secret}" for sender, secret in signed.items()))
    if not (folder / "issuer" / SIGNING_KEY).exists():
        key = new_key()
        write_keys(folder / "issuer", key, [public(key)])
        for name in (SIGNING_KEY, KEYS):
            (folder / "issuer" / name).chmod(0o644)
        made.append("issuer")
    clock = clock_file(root)
    if not clock.exists():
        clock.parent.mkdir(parents=True, exist_ok=True)
        VirtualClock.create(clock, datetime.now(UTC))
        clock.chmod(0o644)
        made.append("clock")
    return made


def _password() -> str:
    return secrets.token_urlsafe(24)


def addresses(root: Path = ROOT) -> Addresses:
    """How a running deployment is reached from the machine that it runs on, as an operator. Raises EmbeddedError:
    no_secrets, not_running."""
    folder = secrets_folder(root)
    try:
        passwords = {owner: (folder / f"postgres_{owner}").read_text() for owner in ("superuser", *OWNERS)}
        operator = (folder / f"kafka_{OPERATOR}").read_text()
    except OSError as error:
        raise EmbeddedError(
            "no_secrets", f"the secrets of the containers cannot be read: {error}; make them with `make secrets`"
        ) from None
    if _asked(f"http://127.0.0.1:{ISSUER_PORT}/.well-known/openid-configuration").get("issuer") != DEVELOPMENT_ISSUER:
        raise EmbeddedError(
            "not_running", "no containers of Holdfast answer here; start them with `docker compose up --wait`"
        )
    services = {name: f"http://127.0.0.1:{port}" for name, port in PORTS.items()}
    databases = {owner: _dsn(owner, passwords[owner], owner) for owner in OWNERS}
    return Addresses(
        pid=0,
        postgres=_dsn("postgres", passwords["superuser"], "postgres"),
        kafka=f"127.0.0.1:{KAFKA_PORT}",
        clock=f"virtual:{clock_file(root)}" if _stands_still(services["orders"]) else "real",
        services=services,
        databases=databases,
        kafka_options={
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": OPERATOR,
            "sasl_plain_password": operator,
        },
        keys=str(folder / "issuer"),
    )


def _dsn(role: str, password: str, database: str) -> str:
    return f"postgresql://{role}:{password}@127.0.0.1:{POSTGRES_PORT}/{database}"


def _stands_still(base: str) -> bool:
    """Whether the service follows the virtual clock: one that nobody moves shows the same time twice."""
    first, second = (_asked(f"{base}/dev/progress").get("now") for _ in range(2))
    return first is not None and first == second


def _asked(url: str) -> Mapping[str, Any]:
    """The JSON object that is answered; {} for anything else."""
    try:
        answer = httpx.get(url, timeout=5, trust_env=False)
        told = answer.json() if answer.is_success else {}
    except (httpx.HTTPError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def main() -> None:
    """Says what was made."""
    made = make()
    print(
        f"made {len(made)} secrets in {secrets_folder()}" if made else f"all secrets are in {secrets_folder()} already"
    )


if __name__ == "__main__":
    main()
