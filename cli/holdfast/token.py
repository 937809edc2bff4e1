"""`holdfast token`: a token for curl and for other programs, of the kind that the running stack believes."""

import json
from datetime import timedelta
from typing import Annotated

import typer
from pydantic import ValidationError

from contracts.message import Actor, Role
from holdfast.addresses import find
from holdfast.durations import duration
from holdfast.terminal import FolderOption, JsonOption, fail

LONGEST = timedelta(days=30)


def token(
    actor: Annotated[
        str, typer.Argument(metavar="ROLE:ID", help="Such as buyer:b-1; several roles: buyer,seller:p-1.")
    ],
    expires: Annotated[str, typer.Option(help="After this long: 90s, 15m, 1h, 7d.")] = "1h",
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """A token of the development issuer. Example: curl -H "Authorization: Bearer $(holdfast token buyer:b-1)" …"""
    roles, id = actor_of(actor)
    seconds = _seconds(expires)
    made = find(folder).minter().token(roles, id, seconds=seconds)
    print(json.dumps({"token": made, "expires_in": seconds}) if as_json else made)


def actor_of(text: str) -> tuple[list[Role], str]:
    """Roles and id of ROLE:ID; fails on anything else."""
    named, _, id = text.partition(":")
    try:
        return [Actor.model_validate({"role": role, "id": id}).role for role in named.split(",")], id
    except ValidationError:
        fail(f"{text!r} is not ROLE:ID, such as buyer:b-1; the roles are {', '.join(Role)}")


def _seconds(text: str) -> int:
    lasting = duration(text)
    if not lasting or lasting > LONGEST:
        fail(f"{text!r} is no time until a token expires, such as 15m, 1h or 7d; 30 days at most")
    return int(lasting.total_seconds())
