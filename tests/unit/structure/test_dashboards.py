"""The dashboard and the alert rules speak of metrics and labels that exist, and every alert says what to do."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deposits.api import API as DEPOSITS
from escrow.api import API as ESCROW
from runtime.metrics import Metrics

ROOT = Path(__file__).parents[3]
RULES = sorted((ROOT / "deploy/alerts").glob("*.yml"))
DASHBOARDS = sorted((ROOT / "deploy/grafana").glob("*.json"))
OPERATIONS = ROOT / "docs/operations.md"

TARGET_LABELS = {"instance", "job"}
"""What Prometheus itself adds to every series."""
AGGREGATIONS = {"sum", "max", "min", "avg", "count", "topk"}
FUNCTIONS = {"rate", "increase", "abs", "histogram_quantile", "label_values"}
WORDS = {"by", "or", "and", "unless"}
TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*")|(?P<range>\[(?:\d+[smhd]|\$__rate_interval)\])|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<name>[a-zA-Z_][\w]*)|(?P<sign>=~|!~|!=|>=|<=|[(){},=<>+\-*/]))"""
)


class Wrong(Exception):
    """An expression that is none, or that names what does not exist."""


def tokens(expression: str) -> list[tuple[str, str]]:
    found, at = [], 0
    expression = expression.strip()
    while at < len(expression):
        match = TOKEN.match(expression, at)
        if not match:
            raise Wrong(f"no expression from here: {expression[at : at + 30]!r}")
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    return found


def check(expression: str, known: Mapping[str, frozenset[str]]) -> set[str]:
    """The metrics an expression names. Raises `Wrong` unless its brackets close and every metric, label and function
    in it is known; labels that one groups by must be labels of a metric in it."""
    stack: list[str] = []
    metrics: set[str] = set()
    grouped: set[str] = set()
    all_tokens = tokens(expression)
    metric = ""
    for number, (kind, token) in enumerate(all_tokens):
        before = all_tokens[number - 1][1] if number else ""
        after = all_tokens[number + 1][1] if number + 1 < len(all_tokens) else ""
        if kind == "sign" and token in "({":
            stack.append("by" if before == "by" else token)
        elif kind == "sign" and token in ")}":
            if not stack or (token == "}") != (stack.pop() == "{"):
                raise Wrong(f"brackets do not close: {expression}")
        elif kind == "range" and before not in ("}", metric):
            raise Wrong(f"a range of no metric: {expression}")
        elif kind != "name" or token in WORDS:
            continue
        elif stack and stack[-1] == "by":
            grouped.add(token)
        elif stack and stack[-1] == "{":
            if token not in known[metric] | TARGET_LABELS:
                raise Wrong(f"{metric} has no label {token}")
        elif token in AGGREGATIONS | FUNCTIONS:
            if after not in ("(", "by"):
                raise Wrong(f"{token} of nothing: {expression}")
        elif token in known:
            metrics.add(metric := token)
        elif before != "," or "label_values" not in expression:
            raise Wrong(f"there is no metric {token}")
    if stack:
        raise Wrong(f"brackets stay open: {expression}")
    if not metrics:
        raise Wrong(f"names no metric: {expression}")
    strangers = grouped - TARGET_LABELS - frozenset().union(*(known[each] for each in metrics))
    if strangers:
        raise Wrong(f"groups by {', '.join(sorted(strangers))}, which no metric in it has: {expression}")
    return metrics


@pytest.fixture(scope="module")
def known() -> dict[str, frozenset[str]]:
    """Every series of ours with its labels, those of the services' watches included."""
    metrics = Metrics("escrow", {watch.name: watch for api in (ESCROW, DEPOSITS) for watch in api.watches}.values())
    return metrics.labels()


def alerts() -> list[dict[str, Any]]:
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def panels() -> Iterator[tuple[str, str]]:
    """Title and expression of everything that is drawn."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield panel["title"], target["expr"]


def test_there_is_a_dashboard_and_there_are_rules() -> None:
    assert len(alerts()) >= 10 and len(list(panels())) >= 15


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_is_about_metrics_that_exist_and_says_what_to_do(
    rule: dict[str, Any], known: dict[str, frozenset[str]]
) -> None:
    check(rule["expr"], known)
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert ROOT / page == OPERATIONS and anchor == rule["alert"].lower()
    section = re.search(rf"^### {rule['alert']}\n(.+?)(?=^#|\Z)", OPERATIONS.read_text(), re.M | re.S)
    assert section and len(section[1].split()) > 20, f"docs/operations.md does not say what to do for {rule['alert']}"


def test_the_handbook_speaks_of_no_alert_that_is_gone() -> None:
    told = set(re.findall(r"^### (Holdfast\w+)$", OPERATIONS.read_text(), re.M))
    assert told == {rule["alert"] for rule in alerts()}


@pytest.mark.parametrize(("title", "expression"), list(panels()), ids=lambda text: text[:40])
def test_a_panel_draws_metrics_that_exist(title: str, expression: str, known: dict[str, frozenset[str]]) -> None:
    assert title
    check(expression, known)


def test_panels_do_not_lie_upon_one_another() -> None:
    for path in DASHBOARDS:
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(path.read_text())["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
            taken |= cells


def test_what_operators_page_on_is_watched() -> None:
    """The needs, by the metrics that tell of them."""
    watched = " ".join(rule["expr"] for rule in alerts())
    for metric in (
        "holdfast_outbox_oldest_age_seconds",
        "holdfast_consumer_lag_seconds",
        "holdfast_ledger_findings",
        "holdfast_timers_overdue_age_seconds",
        "holdfast_parked_keys",
        "holdfast_stalled",
        "holdfast_http_request_seconds_count",
    ):
        assert metric in watched, metric


@pytest.mark.parametrize(
    "spoilt",
    [
        "holdfast_outbox_oldest_age > 60",
        "max by (order_id) (holdfast_outbox_rows) > 1",
        'holdfast_outbox_rows{shard="1"}',
        "sum by (service) (rate(holdfast_batch_retries_total[5m]) > 0.5",
        "rate(holdfast_messages[5m])",
        "rate(holdfast_messages_total[five minutes])",
        "avrage(holdfast_outbox_rows)",
        "1 > 0",
    ],
)
def test_an_expression_that_would_never_fire_is_seen(spoilt: str, known: dict[str, frozenset[str]]) -> None:
    with pytest.raises(Wrong):
        check(spoilt, known)
