"""What a seller sees (P2): balance, payment time, and whether the status is normal."""

import msgspec
import pytest

from contracts.money import Money
from deposits.api import deposit_view
from tests.unit.deposits.given import MAY_2025, SITUATIONS, claim, deposit, given


def yuan(amount: int) -> dict[str, object]:
    return {"amount": amount * 100, "currency": "CNY"}


def test_p2_a_short_deposit_says_what_is_missing_and_where_it_went() -> None:
    view = deposit_view(deposit(given("short")), 4)
    assert (view["version"], view["status"], view["normal"], view["suspended_because"]) == (
        4, "suspended", False, "shortfall",
    )  # fmt: skip
    assert (view["required"], view["balance"], view["missing"]) == (yuan(8_000), yuan(5_000), yuan(3_000))
    assert (view["paid_at"], view["policy"]) == (MAY_2025, "deposits_2025")
    assert [(one["claim_id"], one["paid"]) for one in view["claims"]] == [("claim-0", yuan(3_000))]


def test_p2_a_payment_under_way_is_shown() -> None:
    pending = deposit_view(deposit(given("topping_up")), 5)["payment_pending"]
    assert (pending["operation_id"], pending["amount"]) == ("deposit-s-1-2", yuan(3_000))


def test_p2_an_operators_stop_is_shown_with_its_reason() -> None:
    assert deposit_view(deposit(given("stopped")), 4)["suspended_because"] == "counterfeit_goods"


def test_p2_an_active_deposit_is_normal() -> None:
    view = deposit_view(deposit(given("active")), 3)
    assert (view["normal"], view["suspended_because"], view["payment_pending"]) == (True, None, None)


def test_p8_a_claim_paid_in_part_says_why() -> None:
    folding = given("active")
    folding.tell(claim(Money(amount=1_000_000_00, currency="USD")))
    (shown,) = deposit_view(deposit(folding), 4)["claims"]
    assert (shown["code"], shown["rates"], shown["asked"]["currency"]) == ("balance_exhausted", "rates_2025", "USD")


@pytest.mark.parametrize("situation", [one for one in SITUATIONS if one != "unknown"])
def test_every_situation_can_be_shown(situation: str) -> None:
    assert msgspec.json.encode(deposit_view(deposit(given(situation)), 1))
