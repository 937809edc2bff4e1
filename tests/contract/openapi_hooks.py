"""What Schemathesis is told about Holdfast: in which role it asks, and ids of things that exist. Loaded as its hooks.

`HOLDFAST_FUZZ` is a JSON object: the `roles` of the token, and `known` ids by the name of their parameter. Cases that
are meant to be wrong keep their ids.
"""

import json
import os
import random
from typing import Any

import schemathesis

GIVEN: dict[str, Any] = json.loads(os.environ["HOLDFAST_FUZZ"])
CHANCE = random.Random(GIVEN["seed"])


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Mostly in a role, and mostly about something that is there."""
    if case.headers is not None and "Holdfast-Role" not in case.headers and CHANCE.random() < 0.95:
        case.headers["Holdfast-Role"] = CHANCE.choice(GIVEN["roles"])
    if not case.meta or not case.meta.generation.mode.is_positive:
        return
    for name in case.path_parameters or {}:
        if GIVEN["known"].get(name) and CHANCE.random() < 0.7:
            case.path_parameters[name] = CHANCE.choice(GIVEN["known"][name])
