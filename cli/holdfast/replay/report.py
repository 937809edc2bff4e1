"""What a replay came to, as data and as tables."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

import httpx
from rich.console import Console

from holdfast.addresses import Addresses
from holdfast.flows import Flow
from holdfast.money import show_proofs
from holdfast.replay.driver import Played
from holdfast.replay.reader import BadRow, Plan
from holdfast.terminal import titled
from holdfast.watching import drawn

FINAL = ("released", "refunded", "settled", "charged_back", "mixed", "cancelled")

STAGES = (
    ("awaiting payment", "order_placed", ("order_paid", "order_cancelled")),
    ("screening and review", "order_paid", ("funds_secured", "refund_started")),
    ("awaiting shipment", "funds_secured", ("order_shipped", "refund_started")),
    ("in transit", "order_shipped", ("order_delivered", "funds_released", "refund_started")),
    ("inspection", "order_delivered", ("funds_released", "refund_started")),
    ("dispute", "dispute_opened", ("dispute_resolved", "dispute_withdrawn", "dispute_lapsed")),
    ("payout", "funds_released", ("lines_rested",)),
    ("refund", "refund_started", ("lines_rested",)),
)
"""Name, the event a stage begins with, and those it ends with, whichever comes first."""

BY_THEMSELVES = {
    "refund_started:not_shipped": "late shipments cancelled and refunded",
    "funds_released:buyer_silent": "silent buyers' sellers paid",
    "refund_started:not_delivered": "lost parcels refunded",
    "refund_started:review_expired": "stopped orders refunded, identity not proved in time",
    "refund_started:dispute_expired": "disputes nobody ruled, refunded",
    "order_cancelled:not_paid": "unpaid orders cancelled",
    "shipment_reminder_due": "sellers reminded to ship",
    "receipt_reminder_due": "buyers reminded to confirm",
}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a replay has to say. `proofs` by service; `restless` are orders without a final state."""

    orders: int
    lines: int
    bad_rows: list[BadRow]
    states: dict[str, int]
    line_outcomes: dict[str, int]
    restless: list[dict[str, Any]]
    with_operator: int
    played: Played
    stages: list[dict[str, Any]]
    proofs: dict[str, dict[str, Any]]
    flows: Sequence[Flow]
    dead_letters: int
    seconds: float

    @property
    def clean(self) -> bool:
        """Whether the money is proved, everything rests or stands in an operator's queue, and nothing is parked."""
        return not self.restless and not self.dead_letters and all(proof["ok"] for proof in self.proofs.values())

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        played = self.played
        return {
            "clean": self.clean,
            "orders": self.orders,
            "lines": self.lines,
            "bad_rows": [{"line": row.line, "column": row.column, "reason": row.reason} for row in self.bad_rows],
            "states": self.states,
            "line_outcomes": self.line_outcomes,
            "restless": self.restless,
            "with_operator": self.with_operator,
            "tried": dict(played.tried),
            "refusals": [
                {
                    "order_id": refusal.order_id,
                    "action": refusal.action,
                    "code": refusal.code,
                    "reason": refusal.reason,
                    "at": refusal.at.isoformat(),
                }
                for refusal in played.refusals
            ],
            "parcels_offered_again": played.offered_again,
            "parcels_never_taken": played.never_offered,
            "by_themselves": dict(played.by_themselves),
            "stages": self.stages,
            "proofs": self.proofs,
            "flows": [flow._asdict() for flow in self.flows],
            "dead_letters": self.dead_letters,
            "virtual_from": played.began.isoformat() if played.began else None,
            "virtual_to": played.ended.isoformat() if played.ended else None,
            "seconds": round(self.seconds, 1),
        }


async def gather(
    http: httpx.AsyncClient,
    addresses: Addresses,
    plans: Sequence[Plan],
    bad_rows: list[BadRow],
    played: Played,
    flows: Sequence[Flow],
    seconds: float,
) -> Report:
    """Asks the services how everything ended."""
    operator = addresses.minter().bearer("operator", "replay")
    services = addresses.services
    states: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    restless = []
    queue = (await http.get(f"{services['escrow']}/operator-queue", headers=operator)).json()
    waiting = {entry["order_id"] for entry in queue["orders"]} & {plan.order_id for plan in plans}
    for plan in plans:
        answer = await http.get(f"{services['orders']}/orders/{plan.order_id}", headers=operator)
        if answer.status_code == 404:
            states["never placed"] += 1
            continue
        order = answer.json()
        states[order["state"]] += 1
        outcomes.update(line["outcome"] or order["state"] for line in order["lines"])
        if order["state"] not in FINAL and plan.order_id not in waiting:
            restless.append({"order_id": plan.order_id, "state": order["state"]})
    letters = 0
    for base in services.values():
        letters += len((await http.get(f"{base}/dead-letters", headers=operator)).json()["letters"])
    proofs = {
        name: (await http.get(f"{services[name]}/money/proof", headers=operator)).json()
        for name in ("escrow", "deposits")
    }
    return Report(
        orders=len(plans),
        lines=sum(len(plan.lines) for plan in plans),
        bad_rows=bad_rows,
        states=dict(states.most_common()),
        line_outcomes=dict(outcomes.most_common()),
        restless=restless,
        with_operator=len(waiting),
        played=played,
        stages=_stages(played),
        proofs=proofs,
        flows=flows,
        dead_letters=letters,
        seconds=seconds,
    )


def _stages(played: Played) -> list[dict[str, Any]]:
    stages = []
    for name, begins, ends in STAGES:
        spans: list[float] = []
        for moments in played.moments.values():
            if start := moments.get(begins):
                after = [moments[one] for one in ends if one in moments and moments[one] >= start]
                spans += [(min(after) - start) / timedelta(hours=1)] if after else []
        if spans:
            stages.append({
                "stage": name,
                "orders": len(spans),
                "median_hours": round(median(spans), 1),
                "longest_hours": round(max(spans), 1),
            })  # fmt: skip
    return stages


def show(report: Report, console: Console) -> None:
    """The report for people."""
    played = report.played
    if report.bad_rows:
        table = titled("Rows left out", "line", "column", "reason")
        for row in report.bad_rows[:20]:
            table.add_row(str(row.line), row.column, row.reason)
        console.print(table)
        if len(report.bad_rows) > 20:
            console.print(f"… and {len(report.bad_rows) - 20} more rows (all of them with --json)")
    table = titled(f"{report.orders} orders by final state", "state", "orders")
    for state, count in report.states.items():
        table.add_row(state.replace("_", " "), str(count))
    console.print(table)
    table = titled("What the timers did by themselves", "what", "times")
    for key, words in BY_THEMSELVES.items():
        if played.by_themselves[key]:
            table.add_row(words, str(played.by_themselves[key]))
    console.print(table)
    _show_refusals(played, console)
    table = titled("Time in each state", "state", "orders", "median", "longest")
    for stage in report.stages:
        table.add_row(stage["stage"], str(stage["orders"]), _span(stage["median_hours"]), _span(stage["longest_hours"]))
    console.print(table)
    console.print(drawn(list(report.flows), None))
    show_proofs(report.proofs, console)
    if report.restless:
        console.print(f"[red]{len(report.restless)} orders rest nowhere:[/] {report.restless[:10]}")
    if report.dead_letters:
        console.print(f"[red]{report.dead_letters} messages are parked[/]; see `holdfast dlq list`")
    days = ((played.ended - played.began) / timedelta(days=1)) if played.began and played.ended else 0
    console.print(f"{days:.0f} days in {report.seconds:.0f} seconds; {sum(played.events.values())} events")


def _show_refusals(played: Played, console: Console) -> None:
    if not played.refusals:
        return
    table = titled(f"{len(played.refusals)} attempts refused", "tried", "code", "times", "first", "what was said")
    groups = Counter((refusal.action, refusal.code) for refusal in played.refusals)
    for (action, code), count in groups.most_common():
        first = next(one for one in played.refusals if (one.action, one.code) == (action, code))
        table.add_row(action, code, str(count), first.order_id, first.reason)
    console.print(table)
    console.print(f"{played.offered_again} parcels were offered again once the funds were secured")


def _span(hours: float) -> str:
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} h"
