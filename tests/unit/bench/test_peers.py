"""What a peer says of itself becomes a result, or the reason why there is none."""

import json
from typing import Any

import pytest

from bench.measures.peers import told


def said(**other: Any) -> str:
    whole = {
        "peer": "other", "version": "1.2", "orders": 100, "completed": 100, "seconds": 5.0, "balanced": True,
        "cpu_seconds": {"workers": 1.5, "postgres": 0.4, "kafka": 0.1}, "load_cpu_seconds": 0.1, "notes": "a workflow",
    }  # fmt: skip
    return json.dumps(whole | other)


def test_a_peer_counts_by_completed_orders_a_second_and_cpu_of_all_its_processes() -> None:
    one = told("other", said())

    assert one.what == "other 1.2"
    assert one.median == 20.0
    assert one.details["cpu_ms"] == pytest.approx(20.0)


@pytest.mark.parametrize("broken", [{"completed": 99}, {"balanced": False}])
def test_a_peer_that_did_not_do_the_contract_has_no_figure(broken: dict[str, Any]) -> None:
    assert "failed" in told("other", said(**broken)).details
