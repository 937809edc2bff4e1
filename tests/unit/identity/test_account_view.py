"""What is shown of an account: every stop with its reasons, every appeal with its end (I2, I11, I12)."""

import msgspec
import pytest

from identity.api import account_view
from tests.unit.identity.given import MAY_2025, SITUATIONS, account, given, papers


def test_i12_a_rejected_appeal_says_why() -> None:
    view = account_view(account(given("rejected")), 5)
    (stop,) = view["stops"]
    assert (view["person_id"], view["version"], view["country"]) == ("b-1", 5, "DE")
    assert (stop["status"], stop["reason"], stop["decided_at"]) == ("rejected", "name_differs", MAY_2025)


def test_i2_a_stop_states_its_reasons() -> None:
    (stop,) = account_view(account(given("stopped")), 2)["stops"]
    assert stop["signals"] == [{"rule": "large_order", "policy": "screening_2025"}]
    assert (stop["status"], stop["appeal_id"]) == ("stopped", None)


def test_i8_documents_are_named_but_not_pointed_to() -> None:
    shown = msgspec.json.encode(account_view(account(given("submitted")), 3)).decode()
    assert "passport" in shown
    assert not any(paper.sha256 in shown for paper in papers())


@pytest.mark.parametrize("situation", [one for one in SITUATIONS if one != "unknown"])
def test_i11_every_account_can_be_read(situation: str) -> None:
    assert msgspec.json.encode(account_view(account(given(situation)), 1))
