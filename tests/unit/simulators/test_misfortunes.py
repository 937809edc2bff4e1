"""One SPEC for the whole outside world: each simulator gets the words that are its own."""

import io

import pytest
from rich.console import Console

from holdfast.misfortunes import settings_of, show_misfortunes
from simulators.faults import UnknownFault
from simulators.settings import SimulatorSettings


@pytest.mark.parametrize(
    ("spec", "provider", "carrier"),
    [
        ("", "", ""),
        ("all", "all", "all"),
        ("seed=7,decline=200, lost=100", "seed=7,decline=200", "seed=7,lost=100"),
        ("duplicate=500", "duplicate=500", "duplicate=500"),
    ],
)
def test_a_spec_is_divided_and_each_part_is_understood(spec: str, provider: str, carrier: str) -> None:
    settings = settings_of(spec)
    assert settings == {"HOLDFAST_FAULTS": provider, "HOLDFAST_CARRIER_FAULTS": carrier}
    read = SimulatorSettings(faults=provider, carrier_faults=carrier)
    assert bool(read.misfortune) == bool(provider) and bool(read.misfortune_of_parcels) == bool(carrier)


def test_a_word_of_nobody_is_refused() -> None:
    with pytest.raises(UnknownFault, match="earthquake"):
        settings_of("all,earthquake=1")


def shown(refused: dict[str, int], accepted: dict[str, int]) -> str:
    out = io.StringIO()
    told = {
        "operations": {"delay": 3},
        "statements": {"missing": 2},
        "webhooks": {"sent": 9, "duplicated": 4, "forged": 5, "replayed": 1},
        "forgeries_refused": refused,
        "forgeries_accepted": accepted,
    }
    show_misfortunes(told, 2, Console(file=out, width=120))
    return out.getvalue()


def test_people_are_told_of_each_kind_and_that_forgeries_were_refused() -> None:
    text = shown({"forged": 5, "replayed": 1}, {})
    assert "6 forged webhooks refused: forged 5" in text
    assert "2 orders wait in the operators' queue" in text
    for line in ("delay", "duplicated webhooks", "statements: missing"):
        assert line in text


def test_a_forgery_that_was_believed_is_not_hidden() -> None:
    assert "were believed" in shown({"replayed": 1}, {"forged": 5})
