"""`holdfast token`: a token for curl and for other programs, of the kind that the running stack believes."""

import re
from typing import Annotated

import typer
from pydantic import ValidationError

from contracts.message import Actor, Role
from holdfast import stack
from holdfast.terminal import FolderOption, fail

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = 30 * 86400
"""Seconds."""


def token(
    actor: Annotated[
        str, typer.Argument(metavar="ROLE:ID", help="Such as buyer:b-1; several roles: buyer,seller:p-1.")
    ],
    expires: Annotated[str, typer.Option(help="After this long: 90s, 15m, 1h, 7d.")] = "1h",
    folder: FolderOption = None,
) -> None:
    """A token of the development issuer. Example: curl -H "Authorization: Bearer $(holdfast token buyer:b-1)" …"""
    roles, id = actor_of(actor)
    seconds = _seconds(expires)
    print(stack.find(folder).minter().token(roles, id, seconds=seconds))


def actor_of(text: str) -> tuple[list[Role], str]:
    """Roles and id of ROLE:ID; fails on anything else."""
    named, _, id = text.partition(":")
    try:
        return [Actor.model_validate({"role": role, "id": id}).role for role in named.split(",")], id
    except ValidationError:
        fail(f"{text!r} is not ROLE:ID, such as buyer:b-1; the roles are {', '.join(Role)}")


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < seconds <= LONGEST:
        fail(f"{text!r} is no time until a token expires, such as 15m, 1h or 7d; 30 days at most")
    return seconds
