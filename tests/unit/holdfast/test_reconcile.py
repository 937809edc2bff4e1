"""`holdfast reconcile`: what the books tell of one statement, put together, and what is asked wrongly."""

from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from holdfast.cli import app
from holdfast.reconcile import show, together


def difference(cause: str, reference: str, *, stated: int | None = 100, kind: str = "payment") -> dict[str, Any]:
    money = None if stated is None else {"amount": stated, "currency": "EUR", "text": "1.00 EUR"}
    return {
        "position": 1, "cause": cause, "kind": kind, "reference": reference, "operation_id": f"op-{reference}",
        "stated": money, "booked": None, "stated_at": "2026-03-14T12:00:00+00:00", "booked_at": None, "since": None,
        "what_to_do": f"about {cause}",
    }  # fmt: skip


def result(*differences: dict[str, Any], stated: int = 0, booked: int = 0, entries: int = 0) -> dict[str, Any]:
    total = {"currency": "EUR", "stated": stated, "booked": booked, "entries": entries, "movements": 1}
    return {
        "provider": "payments", "day": "2026-03-14", "entries": 3, "movements": 1,
        "differences": list(differences), "totals": [total],
    }  # fmt: skip


def test_an_entry_is_unknown_only_if_every_book_says_so() -> None:
    order, seller, nobody = (difference("unknown_reference", name) for name in ("o-1", "s-1", "x-1"))
    day = together({
        "escrow": result(seller, nobody, stated=500, booked=500, entries=1),
        "deposits": result(order, nobody, stated=50, booked=50, entries=1),
    })  # fmt: skip
    assert [(each["book"], each["reference"]) for each in day.differences] == [(None, "x-1")]
    assert day.causes == {"unknown_reference": 1}
    (total,) = day.totals
    assert (total["stated"], total["booked"], total["difference"], total["entries"]) == (650, 550, 100, 3)


def test_what_one_book_finds_bears_its_name() -> None:
    day = together({
        "escrow": result(difference("amount_differs", "o-1")),
        "deposits": result(difference("unknown_reference", "o-1")),
    })  # fmt: skip
    assert [(each["book"], each["cause"]) for each in day.differences] == [("escrow", "amount_differs")]
    assert not day.clean


def test_a_day_is_shown_with_causes_totals_and_what_to_do() -> None:
    console = Console(width=160, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    day = together({"escrow": result(difference("missing_in_book", "o-1"), stated=100), "deposits": result()})
    show([day], console)
    text = console.export_text()
    assert "missing_in_book" in text and "about missing_in_book" in text
    assert "1 difference" in text and "2026-03-14" in text
    clean = together({"escrow": result(), "deposits": result()})
    show([clean, clean], console)
    assert "no difference" in console.export_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "2026-03-01"], "say --day D"),
        (["--day", "2026-03-01", "--from", "2026-03-01", "--to", "2026-03-02"], "say --day D"),
    ],
)
def test_a_verb_asked_wrongly_says_how_to_ask(arguments: list[str], said: str) -> None:
    answer = CliRunner().invoke(app, ["reconcile", *arguments])
    assert answer.exit_code == 2
    assert said in answer.output
