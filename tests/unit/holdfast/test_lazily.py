"""What a verb does not use is not imported for it: the command line is there as soon as it can be."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from holdfast.cli import VERBS, app
from holdfast.lazily import Verbs

SERVERS = {"asyncpg", "faststream", "fastapi", "uvicorn", "opentelemetry", "psutil", "structlog", "pydantic_settings"}
"""What services are made of."""


def imported_by(*words: str) -> set[str]:
    """Packages that are imported when help is asked for."""
    script = (
        "import sys\nfrom holdfast.cli import app\ntry:\n    app()\nexcept SystemExit:\n    pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words, "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("verb", ["order show", "flows", "money", "saga stuck", "clock show", "events tail"])
def test_a_verb_that_asks_imports_nothing_of_which_services_are_made(verb: str) -> None:
    assert not imported_by(*verb.split()) & SERVERS


@pytest.mark.parametrize("verb", ["order show", "token", "money", "saga stuck"])
def test_a_verb_that_asks_no_broker_imports_no_client_of_one(verb: str) -> None:
    assert "aiokafka" not in imported_by(*verb.split())


def leaves(verbs: dict[str, str | Verbs], *before: str) -> list[tuple[str, ...]]:
    found = []
    for name, what in verbs.items():
        found += leaves(what.verbs, *before, name) if isinstance(what, Verbs) else [(*before, name)]
    return found


@pytest.mark.parametrize("verb", [one for one in leaves(VERBS) if one != ("bench",)], ids=" ".join)
def test_every_verb_is_where_it_is_said_to_be_and_has_an_example(verb: tuple[str, ...]) -> None:
    told = CliRunner().invoke(app, [*verb, "--help"])

    assert told.exit_code == 0, told.output
    assert "Example" in told.output


def test_a_verb_that_does_not_exist_is_refused_with_the_nearest() -> None:
    told = CliRunner().invoke(app, ["order", "shwo", "ord-1"])

    assert told.exit_code == 2
    assert "show" in told.output
