"""The documents of all messages, with who reads each of them: `docs/events.md` and `docs/asyncapi.json`.

    python -m holdfast.documents [FOLDER]

What a message is stands in the contracts; who reads it only the services know, each by its table of routes.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from contracts import asyncapi, catalogue
from holdfast import pictures, problems
from holdfast.tables import SERVICES, readers

DRAWN_IN = ("architecture.md", "operations.md")
"""Documents written by hand, with parts that are drawn."""
FOLDER = Path(__file__).parents[2] / "docs"


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
