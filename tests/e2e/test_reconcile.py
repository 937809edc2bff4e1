"""`holdfast reconcile` on the days of a marketplace: all agree, or the provider states something wrongly."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.stack import Stack

ORDERS = Path(__file__).parent / "orders.csv"
START = datetime(2026, 3, 2, 7, tzinfo=UTC)
FIRST, LAST = date(2026, 3, 2), date(2026, 4, 20)
PLANTED = "seed=5,missing=1500,extra=1500,wrong_amount=1500,wrong_currency=1000,other_day=1500"
CAUSES_OF = {
    "missing": {"missing_in_statement"},
    "extra": {"missing_in_book"},
    "wrong_amount": {"amount_differs"},
    "wrong_currency": {"currency_differs"},
    "other_day": {"booked_on_another_day"},
}
"""What each kind that the simulator plants is to be called. A payment is booked without the provider's id, so a wrong
one may also be told as two that do not know each other."""
APART = {"missing_in_statement", "missing_in_book"}


def holdfast(*arguments: object, code: int = 0) -> Any:
    command = [sys.executable, "-m", "holdfast", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stdout[-2000:] + done.stderr
    return json.loads(done.stdout)


def reconciled(stack: Stack, code: int) -> Any:
    return holdfast("reconcile", "--from", FIRST, "--to", LAST, "--folder", stack.folder, code=code)


def played(stack: Stack, orders: Path) -> None:
    holdfast("replay", orders, "--against", stack.folder)
    advance = [sys.executable, "-m", "holdfast", "clock", "advance", str(LAST + timedelta(days=2))]
    subprocess.run([*advance, "--folder", stack.folder], check=True, capture_output=True, timeout=120)


def differences(told: Any) -> list[Any]:
    return [each for day in told["days"] for each in day["differences"]]


def test_every_day_of_a_marketplace_agrees_with_a_provider_that_states_what_it_did(stack: Stack) -> None:
    played(stack, ORDERS)

    told = reconciled(stack, code=0)

    assert told["clean"] and not differences(told)
    assert sum(day["entries"] for day in told["days"]) == sum(day["movements"] for day in told["days"]) > 20
    assert all(total["difference"] == 0 for day in told["days"] for total in day["totals"])


@pytest.fixture
def misstated(tmp_path_factory: pytest.TempPathFactory, server_folder: Path) -> Iterator[Stack]:
    """A stack whose provider states things wrongly, and does all else well."""
    folder = server_folder / f"stack-{tmp_path_factory.mktemp('misstated').name}"
    running = Stack.start(folder, clock=START, say=lambda _: None, settings={"HOLDFAST_FAULTS": PLANTED})
    yield running
    running.stop(say=lambda _: None)


def test_every_difference_that_was_planted_is_found_with_its_cause_and_no_other(misstated: Stack) -> None:
    played(misstated, ORDERS)

    found = differences(reconciled(misstated, code=1))

    caller = misstated.addresses.minter().bearer("operator", "test")
    planted = Counter()
    for number in range((LAST - FIRST).days + 1):
        address = f"{misstated.addresses.services['payments']}/statements/{FIRST + timedelta(days=number)}/planted"
        for one in httpx.get(address, headers=caller).raise_for_status().json():
            side = one["stated"] or one["true"]
            planted[one["kind"]] += 1
            about = [each for each in found if (each["kind"], each["reference"]) == (side["kind"], side["reference"])]
            may_be = CAUSES_OF[one["kind"]] | (APART if side["kind"] == "payment" else set())
            assert {each["cause"] for each in about} & may_be, (one, about)
    assert set(planted) == set(CAUSES_OF)
    # and none is told of a reference about which nothing was stated wrongly
    assert 0 < len(found) <= 2 * planted.total()
