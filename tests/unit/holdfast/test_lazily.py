"""Every verb is where the command line says it is."""

import pytest
from typer.testing import CliRunner

from holdfast.cli import VERBS, app
from holdfast.lazily import Verbs


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


WITHOUT_JSON = {("up",), ("down",), ("bench",), ("contracts", "asyncapi"), ("saga", "diagram")}
"""Verbs without a result of their own, and those that print a document in a form of its own."""


@pytest.mark.parametrize("verb", [one for one in leaves(VERBS) if one not in WITHOUT_JSON], ids=" ".join)
def test_every_verb_tells_programs_its_result_as_json(verb: tuple[str, ...]) -> None:
    assert "--json" in CliRunner().invoke(app, [*verb, "--help"]).output


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("holdfast or", {"order"}),
        ("holdfast dlq ", {"list", "show", "replay", "discard"}),
        ("holdfast order show --", {"--as", "--folder", "--json", "--help"}),
    ],
)
def test_a_shell_completes_groups_verbs_and_options(typed: str, offered: set[str]) -> None:
    words = typed.split(" ")
    asked = {"_HOLDFAST_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}

    told = CliRunner().invoke(app, [], env=asked, prog_name="holdfast")

    assert set(told.output.split()) == offered


def test_a_verb_that_does_not_exist_is_refused_with_the_nearest() -> None:
    told = CliRunner().invoke(app, ["order", "shwo", "ord-1"])

    assert told.exit_code == 2
    assert "show" in told.output
