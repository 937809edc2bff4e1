"""What operators are told: names with units, a meaning each, no ids; and what counts as standing still."""

import re
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime import census
from runtime.census import moves
from runtime.decision import Ref
from runtime.fold import Versioned
from runtime.metrics import GAUGES, Metrics
from runtime.progress import Moving, Seen, stalled
from runtime.watches import Declared, Kept, Reading, Watch

UNITS = re.compile(
    r"holdfast_\w*(seconds|messages|rows|keys|letters|overdue|retries|faults|dropped|stalled|instances|partitions"
    r"|leading)(_total)?"
)


async def nothing(_: object) -> list[Reading]:
    return []


BOOK = Watch("book", 600, [Declared("book_findings", "What is wrong", ("code",))], nothing)


def told(metrics: Metrics) -> dict[str, dict[tuple[str, ...], float]]:
    """Samples by name and label values without the service's."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = tuple(value for name, value in sample.labels.items() if name != "service")
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_every_metric_has_a_meaning_and_ends_with_its_unit() -> None:
    families = [each for each in Metrics("toy").registry.collect() if each.name.startswith("holdfast_")]
    assert len(families) > len(GAUGES)
    for family in families:
        assert len(family.documentation) > 10 and not family.documentation.endswith("."), family.name
        assert UNITS.fullmatch(family.name), family.name


def test_gauges_are_told_with_the_service_they_are_of() -> None:
    metrics = Metrics("toy")
    metrics.set({"outbox_rows": 3, "relay_leading": True})
    assert b'holdfast_outbox_rows{service="toy"} 3.0' in metrics.text()
    assert told(metrics)["holdfast_relay_leading"] == {(): 1}


def test_gauges_are_read_once_a_second_however_often_one_scrapes() -> None:
    metrics = Metrics("toy")
    assert [metrics.due(at) for at in (100.0, 100.5, 100.9, 101.0)] == [True, False, False, True]


def test_requests_are_counted_by_route_and_status() -> None:
    metrics = Metrics("toy")
    for status in (200, 200, 404):
        metrics.request("GET", "/orders/{order_id}", status, 0.003)
    counts = told(metrics)["holdfast_http_request_seconds_count"]
    assert counts == {("GET", "/orders/{order_id}", "200"): 2, ("GET", "/orders/{order_id}", "404"): 1}


def test_what_a_watch_found_is_told_with_its_age_and_nothing_that_is_not_declared() -> None:
    metrics = Metrics("toy", [BOOK])
    found = [Reading("book_findings", 2, ("account_differs",)), Reading("of_a_later_release", 1)]
    metrics.set_watched({"book": Kept(12.5, found)})
    assert told(metrics)["holdfast_book_findings"] == {("account_differs",): 2}
    assert told(metrics)["holdfast_watch_age_seconds"] == {("book",): 12.5}
    metrics.set_watched({"book": Kept(0.5, [])})
    assert "holdfast_book_findings" not in told(metrics)


def test_series_have_the_names_and_labels_that_queries_use() -> None:
    labels = Metrics("toy", [BOOK]).labels()
    assert labels["holdfast_batch_seconds_bucket"] == {"service", "le"}
    assert labels["holdfast_messages_total"] == {"service", "origin", "result"}
    assert labels["holdfast_book_findings"] == {"service", "code"}
    assert "holdfast_messages" not in labels


STATES = {"parcels": lambda state: list(state)}


def test_a_batch_writes_down_what_it_moved_netted() -> None:
    before = {Ref("parcels", "a"): Versioned(["packed", "packed"], 1), Ref("parcels", "b"): Versioned(["sent"], 4)}
    after = {
        Ref("parcels", "a"): Versioned(["packed", "sent"], 2),
        Ref("parcels", "b"): Versioned(["lost"], 5),
        Ref("parcels", "new"): Versioned(["packed"], 1),
        Ref("people", "p"): Versioned(["asleep"], 1),
    }
    # then one left "packed" and one entered it; one entered "sent" and one left it; nobody counts people
    assert moves(STATES, before, after) == {("parcels", "lost"): 1}


def test_a_step_within_a_state_moves_nothing() -> None:
    ref = Ref("parcels", "a")
    assert moves(STATES, {ref: Versioned(["packed"], 1)}, {ref: Versioned(["packed"], 2)}) == {}
    assert census.moves({}, {}, {ref: Versioned(["packed"], 1)}) == {}


IDLE = Seen(now=1000, pump_since=None, relay_at=999.9, timers_at=999.8, lag_seconds=0, handled_at=0)


def test_an_idle_service_and_one_far_behind_that_works_do_not_stand_still() -> None:
    assert stalled(IDLE, 30) == {}
    assert stalled(replace(IDLE, lag_seconds=86_400, handled_at=999, pump_since=999.5), 30) == {}


@pytest.mark.parametrize(
    ("seen", "part"),
    [
        (replace(IDLE, pump_since=960, lag_seconds=40), Moving.PUMP),
        (replace(IDLE, relay_at=960), Moving.RELAY),
        (replace(IDLE, timers_at=960), Moving.TIMERS),
        (replace(IDLE, lag_seconds=40, handled_at=900), Moving.CONSUMER),
    ],
)
def test_what_moves_nothing_for_longer_than_allowed_stands_still(seen: Seen, part: Moving) -> None:
    assert stalled(seen, 30).keys() == {part}
    assert stalled(seen, 300) == {}
