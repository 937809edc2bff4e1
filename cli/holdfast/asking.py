"""How a verb asks the services of a running stack."""

import os
import re
import ssl
from collections.abc import Iterator
from functools import cache
from typing import Any, NoReturn
from urllib.parse import quote
from uuid import uuid4

import httpx

from holdfast.addresses import Addresses
from holdfast.terminal import fail

WITHIN = 60.0
"""Seconds for an answer."""
PAGE = 200
"""Items asked for at once."""
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Believes nobody: a stack is asked over plain HTTP on this machine, and to read the machine's authorities takes longer
than an answer."""


def get(addresses: Addresses, service: str, path: str) -> Any:
    """A service's answer; fails with its reason where that is an error."""
    return said(_answer(addresses, service, "GET", path))


def found(addresses: Addresses, service: str, path: str) -> Any:
    """Likewise; None where there is no such thing."""
    answer = _answer(addresses, service, "GET", path)
    return None if answer.status_code == 404 else said(answer)


def pages(addresses: Addresses, service: str, path: str, items: str) -> Iterator[Any]:
    """Everything in a list of a service, page by page: what stands under `items`."""
    after = ""
    while True:
        page = get(addresses, service, f"{path}?limit={PAGE}{after}")
        yield from page[items]
        if page["next"] is None:
            return
        after = f"&after={quote(str(page['next']), safe='')}"


def post(addresses: Addresses, service: str, path: str, body: dict[str, Any]) -> Any:
    """Likewise, for what changes something."""
    return said(_answer(addresses, service, "POST", path, json=body))


def command(addresses: Addresses, service: str, path: str, body: dict[str, Any]) -> Any:
    """Likewise, for a command. An answer that is lost on the way is asked for once more: under the same Idempotency-Key
    the command happens once."""
    return said(_answer(addresses, service, "POST", path, tries=2, key=str(uuid4()), json=body))


def _answer(
    addresses: Addresses, service: str, method: str, path: str, *, tries: int = 1, key: str = "", **more: Any
) -> httpx.Response:
    url, headers = f"{_base(addresses, service)}{path}", operator(addresses)
    if key:
        headers |= {"idempotency-key": key}
    while True:
        tries -= 1
        try:
            return _client().request(method, url, headers=headers, **more)
        except httpx.HTTPError as error:
            if not tries:
                silent(addresses, service, error)


def silent(addresses: Addresses, service: str, error: httpx.HTTPError) -> NoReturn:
    """Fails because a service did not answer."""
    fail(f"{service} does not answer: {error!r}; see {addresses.log_of(service)}, or ask `holdfast doctor`")


@cache
def _client() -> httpx.Client:
    return httpx.Client(timeout=WITHIN, trust_env=False, verify=PLAIN)


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
    return fail(f"{problem['code']}: {problem.get('detail', '')}{_RIGHTS.get(answer.status_code, '')}")
