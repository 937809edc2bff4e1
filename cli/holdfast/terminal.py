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
    Path | None,
    typer.Option("--folder", help="Where the stack is, .holdfast/run if not given; compose: the containers."),
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
    return said(httpx.get(f"{_base(addresses, service)}{path}", headers=operator(addresses), timeout=60))


def post(addresses: Addresses, service: str, path: str, body: dict[str, Any]) -> Any:
    """Likewise, for what changes something."""
    url, headers = f"{_base(addresses, service)}{path}", operator(addresses)
    return said(httpx.post(url, headers=headers, json=body, timeout=60))


_RIGHTS = {
    401: "; the stack does not believe the key in its folder: was it started anew by somebody else?",
    403: "; this takes another role: --as ROLE:ID where the verb has it, else `holdfast token ROLE:ID` and curl",
}
"""What to do where somebody lacks a right, by status."""


def operator(addresses: Addresses) -> dict[str, str]:
    """Who calls: an operator by the name of the machine's user."""
    name = re.sub(r"[^A-Za-z0-9._:-]", "-", os.environ.get("USER", ""))[:64].lstrip("._:-")
    return addresses.minter().bearer("operator", name or "operator")


def _base(addresses: Addresses, service: str) -> str:
    if service not in addresses.services:
        fail(f"there is no service {service!r}; it is one of {', '.join(addresses.services)}")
    return addresses.services[service]


def said(answer: httpx.Response) -> Any:
    """The JSON of an answer; fails with its reason where it is an error, or no answer of ours."""
    try:
        told = answer.json()
    except ValueError:
        told = None
    if answer.is_success and told is not None:
        return told
    problem = told if isinstance(told, dict) else {}
    if "code" not in problem:
        fail(
            f"what answers on {answer.url.host}:{answer.url.port} is no service of Holdfast (status "
            f"{answer.status_code}); see `holdfast doctor`"
        )
    fail(f"{problem['code']}: {problem.get('detail', '')}{_RIGHTS.get(answer.status_code, '')}")
