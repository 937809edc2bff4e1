"""What the verbs share: the terminal, how a verb fails, and how it asks a service."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx
import typer
from rich.console import Console

from holdfast.stack import Addresses

console = Console()
errors = Console(stderr=True)

FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="Where the stack keeps data and logs; .holdfast/run if not given.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def say(text: str) -> None:
    """A step that was begun."""
    console.print(f"… {text}")


def fail(text: str) -> NoReturn:
    """One line with what to do, and exit code 2."""
    errors.print(f"holdfast: {text}", markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(2)


def get(addresses: Addresses, service: str, path: str) -> Any:
    """A service's answer; fails with its reason where that is an error."""
    return _told(httpx.get(f"{_base(addresses, service)}{path}", headers=_operator(addresses), timeout=60))


def post(addresses: Addresses, service: str, path: str, body: dict[str, Any]) -> Any:
    """Likewise, for what changes something."""
    url, headers = f"{_base(addresses, service)}{path}", _operator(addresses)
    return _told(httpx.post(url, headers=headers, json=body, timeout=60))


def _operator(addresses: Addresses) -> dict[str, str]:
    """Who calls: an operator by the name of the machine's user."""
    name = re.sub(r"[^A-Za-z0-9._:-]", "-", os.environ.get("USER", ""))[:64].lstrip("._:-")
    return addresses.minter().bearer("operator", name or "operator")


def _base(addresses: Addresses, service: str) -> str:
    if service not in addresses.services:
        fail(f"there is no service {service!r}; it is one of {', '.join(addresses.services)}")
    return addresses.services[service]


def _told(answer: httpx.Response) -> Any:
    told = answer.json()
    if answer.is_error:
        fail(f"{told.get('code', answer.status_code)}: {told.get('detail', answer.text)}")
    return told
