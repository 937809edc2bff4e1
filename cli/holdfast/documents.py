"""The documents of all messages, with who reads each of them: `docs/events.md` and `docs/asyncapi.json`.

    python -m holdfast.documents [FOLDER]

What a message is stands in the contracts; who reads it only the services know, each by its table of routes.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from contracts import asyncapi, catalogue
from contracts.message import Message
from contracts.registry import REGISTRY
from deposits.service import SERVICE as DEPOSITS
from disputes.service import SERVICE as DISPUTES
from escrow.service import SERVICE as ESCROW
from holdfast import pictures, problems
from identity.service import SERVICE as IDENTITY
from orders.service import SERVICE as ORDERS
from simulators.carrier.service import SERVICE as CARRIER
from simulators.payments.service import SERVICE as PAYMENTS

DRAWN_IN = ("architecture.md", "operations.md")
"""Documents written by hand, with parts that are drawn."""
FOLDER = Path(__file__).parents[2] / "docs"
SERVICES = (ORDERS, ESCROW, DEPOSITS, DISPUTES, IDENTITY, PAYMENTS, CARRIER)


def readers() -> Mapping[str, frozenset[type[Message]]]:
    """Each service, the simulators of payments and carrier included, with the messages it reads. Commands by which
    tests move a simulator are no part of the contracts."""
    known = frozenset(REGISTRY.values())
    return {service.name: known & service.routes.keys() for service in SERVICES}


def documents() -> Mapping[str, str]:
    """Every document by its file name."""
    drawn = pictures.parts(SERVICES)
    return {
        "events.md": catalogue.catalogue(readers()),
        "asyncapi.json": asyncapi.text(asyncapi.asyncapi(receives=readers())),
        "errors.md": problems.page(),
        **{name: pictures.filled((FOLDER / name).read_text(encoding="utf-8"), drawn) for name in DRAWN_IN},
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")
