"""How often a caller may ask: a burst, then as much as time brings, each for themselves."""

import pytest

from contracts.message import Actor, Role
from runtime import limits
from runtime.decision import Refused
from runtime.limits import Limits
from runtime.problems import RETRY, problem, status_of


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


BUYER = Actor(id="b-1", role=Role.BUYER)


def admitted(limit: Limits, actor: Actor, tries: int) -> int:
    """How many of so many tries were admitted."""
    done = 0
    for _ in range(tries):
        try:
            limit.admit(actor)
            done += 1
        except Refused as refused:
            assert refused.code == "rate_limited"
    return done


def test_a_burst_and_then_what_time_brings() -> None:
    clock = Clock()
    limit = Limits(2, 5, clock)
    assert admitted(limit, BUYER, 20) == 5
    clock.seconds += 1.5
    assert admitted(limit, BUYER, 20) == 3
    # a long silence brings no more than a burst
    clock.seconds += 3600
    assert admitted(limit, BUYER, 20) == 5


def test_who_is_refused_does_not_wait_longer_for_it() -> None:
    clock = Clock()
    limit = Limits(1, 1, clock)
    assert admitted(limit, BUYER, 1) == 1
    for _ in range(10):
        clock.seconds += 0.1
        last = admitted(limit, BUYER, 1)
    assert last == 1


def test_each_has_a_bucket_of_their_own_and_services_have_none() -> None:
    limit = Limits(1, 3, Clock())
    for actor in (BUYER, Actor(id="b-2", role=Role.BUYER), Actor(id="b-1", role=Role.SELLER)):
        assert admitted(limit, actor, 10) == 3
    assert admitted(limit, Actor(id="escrow", role=Role.SERVICE), 10) == 10


def test_nothing_a_second_is_no_limit() -> None:
    assert admitted(Limits(0, 1, Clock()), BUYER, 100) == 100


def test_callers_are_forgotten_before_memory_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REMEMBERED", 10)
    limit = Limits(1, 1, Clock())
    for number in range(100):
        assert admitted(limit, Actor(id=f"b-{number}", role=Role.BUYER), 1) == 1
    assert len(limit._buckets) == 10
    assert admitted(limit, Actor(id="b-99", role=Role.BUYER), 1) == 0


def test_whoever_shall_come_again_is_told_when() -> None:
    for code, status in (("rate_limited", 429), ("unavailable", 503), ("overloaded", 503), ("request_in_flight", 409)):
        answer = problem(code, "why")
        assert (answer.status_code, status_of(code)) == (status, status)
        assert RETRY.items() <= dict(answer.headers).items()
    assert "retry-after" not in problem("already_open", "why").headers
