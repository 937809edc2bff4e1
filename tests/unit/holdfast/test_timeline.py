"""One order over all services (X3, X4): what happened, what it waits for, who may do what."""

from datetime import UTC, datetime
from typing import Any

import pytest

from holdfast.timeline import Step, Told, holdings, steps, timeline, why_waiting

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(day: int, hour: int = 12) -> str:
    return datetime(2026, 3, day, hour, tzinfo=UTC).isoformat()


def order(**more: Any) -> dict[str, Any]:
    return {
        "order_id": "o-1",
        "state": "funded",
        "seller_id": "s-1",
        "buyer_id": "b-1",
        "history": [{"at": at(1), "what": "placed"}, {"at": at(1, 14), "what": "paid"}],
        "waits_for": {
            "for_whom": "seller", "what": "ship_order", "until": at(5), "on_silence": "buyer_refunded",
        },
        "next": [{"action": "ship_order", "until": at(5), "on_silence": "buyer_refunded"}],
        "parcel": None,
    } | more  # fmt: skip


def leg(amount: int, kind: str = "hold", when: str = at(1, 15)) -> dict[str, Any]:
    sides = {"debit": {"kind": "clearing", "currency": "EUR"}, "credit": {"kind": kind, "currency": "EUR"}}
    return {"at": when, "amount": amount, "purpose": "fund", **sides}


def test_entries_of_all_services_stand_in_the_order_of_time() -> None:
    told = Told(
        order(parcel={"tracking": [{"at": at(2), "what": "in_transit"}]}),
        escrow={"concerns": [{"since": at(9), "operation_id": "o-1/r1", "code": "provider_failed"}]},
        money={"legs": [leg(1_000), leg(500)]},
        disputes=[{"dispute_id": "d-1", "history": [{"at": at(6), "what": "opened"}], "next": []}],
        account={"stops": [
            {"order_id": "o-1", "at": at(1, 16), "signals": [{"rule": "bulk_order"}], "appeal_id": "a-1",
             "submitted_at": at(2, 1), "decided_at": at(3), "status": "verified", "reason": None},
            {"order_id": "another", "at": at(1), "signals": [], "submitted_at": None, "decided_at": None},
        ]},
        deposit={"claims": [
            {"order_id": "o-1", "claim_id": "c-1", "at": at(8), "code": None,
             "asked": {"amount": 700, "currency": "EUR"}, "paid": {"amount": 500, "currency": "EUR"}},
            {"order_id": "another", "claim_id": "c-2", "at": at(8), "code": None, "asked": {}, "paid": {}},
        ]},
        letters={"orders": [{"seq": 7, "code": "invalid_data", "parked_at": at(10)}]},
    )  # fmt: skip

    entries = timeline(told)

    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert [(entry.service, entry.what) for entry in entries] == [
        ("orders", "placed"),
        ("orders", "paid"),
        ("escrow", "fund: 15.00 EUR from clearing to hold"),
        ("identity", "stopped: bulk order"),
        ("identity", "appeal a-1 submitted"),
        ("carrier", "in transit"),
        ("identity", "appeal a-1 verified"),
        ("disputes", "d-1: opened"),
        ("deposits", "claim c-1: 5.00 EUR of 7.00 EUR paid"),
        ("escrow", "an operator is asked to decide about o-1/r1: provider failed"),
        ("orders", "a message is parked, invalid_data: holdfast dlq show orders:7"),
    ]


LETTER = {"orders": [{"seq": 7, "code": "invalid_data", "parked_at": at(1)}]}
CONCERN = {"concerns": [{"since": at(1), "operation_id": "o-1/r1", "code": "provider_failed"}]}
CASE = {
    "dispute_id": "d-1",
    "history": [],
    "next": [{"action": "rule_dispute", "until": at(4), "on_silence": "buyer_refunded"}],
}


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (Told(order()), "It waits for the seller to ship order until 05 March 2026 12:00 (in 3 days); "
                        "if nothing happens: buyer refunded."),
        (Told(order(waits_for=None)), "It waits for nothing: it has come to its end."),
        (Told(order(), disputes=[CASE]), "It waits for dispute d-1 (rule dispute) until 04 March 2026 12:00 "
         "(in 2 days); if nothing happens: buyer refunded."),
        (Told(order(), escrow=CONCERN, disputes=[CASE]), "It waits for an operator, since 01 March 2026 12:00: "
         "provider failed of o-1/r1; holdfast operations list o-1 says what to do."),
        (Told(order(), escrow=CONCERN, letters=LETTER), "It stands still: orders could not handle a message of it "
         "(invalid_data) and parked its key; holdfast dlq show orders:7 says what to do."),
    ],
    ids=["a party", "nothing", "a dispute", "an operator", "a parked message"],
)  # fmt: skip
def test_one_sentence_says_why_it_waits_what_stands_still_first_x4(told: Told, sentence: str) -> None:
    assert why_waiting(told, NOW) == sentence


def test_a_deadline_that_has_passed_is_told_as_passed() -> None:
    late = order(waits_for={"for_whom": "buyer", "what": "pay_order", "until": at(2, 11), "on_silence": ""})
    assert (
        why_waiting(Told(late), NOW)
        == "It waits for the buyer to pay order until 02 March 2026 11:00 (60 minutes ago)."
    )


def test_a_viewer_may_act_on_the_order_and_on_its_disputes_x3() -> None:
    assert steps(order(), [CASE]) == [
        Step("order", "ship order", datetime(2026, 3, 5, 12, tzinfo=UTC), "buyer refunded"),
        Step("d-1", "rule dispute", datetime(2026, 3, 4, 12, tzinfo=UTC), "buyer refunded"),
    ]


def test_each_part_of_the_money_has_its_holder_its_date_and_its_reference_e11() -> None:
    part = {
        "line_no": 1, "amount": {"text": "15.00 EUR"}, "place": "refund_in_transit", "held_by": "buyers_bank",
        "owner": "buyer", "expected_at": at(1), "overdue": True, "reference": "o-1/r1",
    }  # fmt: skip
    held = part | {"place": "held", "held_by": "platform", "owner": "undecided", "overdue": False, "reference": None}
    assert holdings({"where": [part, held]}) == [
        "line 1: 15.00 EUR refund in transit, with the buyer's bank, for the buyer, to move by 01 March 2026 12:00 "
        "(overdue); reference o-1/r1",
        "line 1: 15.00 EUR held, with the platform, to move by 01 March 2026 12:00",
    ]


def test_what_is_missing_leaves_the_rest() -> None:
    told = Told(order(), silent={"escrow": "ConnectError"})
    assert [entry.what for entry in timeline(told)] == ["placed", "paid"]
    assert holdings(told.money) == []
