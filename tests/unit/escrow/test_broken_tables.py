"""A table that contradicts itself is refused when it is made, with the pair named."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest

from escrow.process import (
    BrokenTable,
    Process,
    ReminderDue,
    Row,
    back,
    either,
    go,
    ignore,
    later,
    no,
    on,
    postpone,
    refuse,
    skip,
    stay,
)
from escrow.saga import ESCROW
from runtime.decision import TimeUp


class Light(StrEnum):
    OFF = "off"
    RED = "red"
    GREEN = "green"
    BROKEN = "broken"
    GONE = "gone"


OFF, RED, GREEN, BROKEN, GONE = Light


@dataclass(frozen=True)
class Switch:
    pass


@dataclass(frozen=True)
class Repair:
    pass


@dataclass(frozen=True)
class Leave:
    pass


def minute(order: Any, tranche: Any) -> timedelta:
    """a minute"""
    return timedelta(minutes=1)


def second(order: Any, tranche: Any) -> timedelta:
    """a second"""
    return timedelta(seconds=1)


def at_night(order: Any, tranche: Any, message: Any, now: datetime) -> bool:
    """is it night?"""
    return now.hour < 6


def colour(order: Any, tranche: Any, message: Any, now: datetime) -> Light:
    """which colour?"""
    return RED


def careless(order: Any, tranche: Any, message: Any, now: datetime):  # type: ignore[no-untyped-def]
    """whatever"""
    return 1


SOUND = (
    on(Switch, OFF, to=RED, within=minute),
    on(Switch, RED, then=either(at_night, {True: go(GONE), False: go(GREEN, within=minute, remind=second)})),
    on(TimeUp, RED, to=GREEN, within=minute, remind=second),
    on(ReminderDue, GREEN),
    on(TimeUp, GREEN, to=BROKEN),
    on(Repair, GREEN, then=stay(within=minute)),
    on(Repair, BROKEN, to=GONE),
    ignore(Switch, GREEN, BROKEN, GONE, because="once is enough"),
    refuse(Repair, OFF, RED, GONE, code="sound", because="it is not broken"),
)


LEAVE = (on(Leave, OFF, to=GONE), ignore(Leave, RED, GREEN, BROKEN, GONE, because="too late"))


def table(*rows: Row) -> Process[Light]:
    return Process(OFF, resting=(GONE,), by_hand=(BROKEN,), rows=rows)


def without(*numbers: int) -> list[Row]:
    return [row for number, row in enumerate(SOUND) if number not in numbers]


def test_a_sound_table_is_taken() -> None:
    assert table(*SOUND).waiting == {RED, GREEN}
    assert table(*SOUND).reminders == {GREEN: second}


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([*SOUND, on(Switch, RED, to=GONE)], "Switch × RED is handled twice"),
        (without(7), "Switch × GREEN is not handled: say on, ignore, postpone or refuse"),
        (without(8), "Repair × OFF is not handled"),
        (without(2), "TimeUp × RED is not handled"),
        (without(3), "ReminderDue × GREEN is not handled"),
        ([*SOUND, on(TimeUp, GONE, to=GONE)], "TimeUp × GONE cannot happen: GONE sets no such timer"),
        ([*SOUND, on(ReminderDue, RED)], "ReminderDue × RED cannot happen"),
        ([*without(0), on(Switch, OFF, to=RED)], "Switch × OFF waits in RED without a deadline: say within="),
        ([*without(4), on(TimeUp, GREEN)], "TimeUp × GREEN waits in GREEN without a deadline"),
        ([*without(6), on(Repair, BROKEN, to=GONE, within=minute)], "Repair × BROKEN sets a deadline in GONE"),
        ([*without(2), on(TimeUp, RED, then=skip("nothing"))], "TimeUp × RED has no consequence"),
        ([*without(2), on(TimeUp, RED, then=later("later"))], "TimeUp × RED has no consequence"),
        ([*without(7), ignore(Switch, GREEN, BROKEN, GONE, because="")], "gives no reason"),
        ([*without(8), refuse(Repair, OFF, RED, GONE, code="", because="no")], "gives no reason"),
        ([*without(8), on(Repair, OFF, RED, GONE, then=no("code", ""))], "gives no reason"),
        ([*without(7), postpone(Switch, GREEN, BROKEN, GONE, because="so")], "GONE is postponed, but GONE waits"),
        ([*without(8), on(Repair, OFF)], "Repair × OFF stays in OFF, where nothing is known yet"),
        (
            [*without(1), on(Switch, RED, then=either(at_night, {True: go(GONE)}))],
            "Switch × RED: at_night may answer False, and there is no branch for it",
        ),
        (
            [*without(1), on(Switch, RED, then=either(at_night, {True: go(GONE), False: skip("x"), GONE: go(GONE)}))],
            "Switch × RED: at_night never answers gone",
        ),
        (
            [*without(1), on(Switch, RED, then=either(colour, {RED: go(GONE)}))],
            "Switch × RED: colour may answer",
        ),
        (
            [*without(1), on(Switch, RED, then=either(careless, {1: go(GONE)}))],
            "Switch × RED: careless must be declared to return a bool or an enum",
        ),
        ([*without(6), on(Repair, BROKEN, then=back(at_least=minute))], "BROKEN goes back, but nothing pauses into"),
        ([*without(6), on(Repair, BROKEN, to=RED, within=minute, pauses=True)], "pauses BROKEN, which has no clock"),
        ([*without(5), on(Repair, GREEN, to=GREEN, within=minute, remind=minute)], "GREEN has another reminder"),
        ([*without(6), on(Repair, BROKEN, to=GONE, remind=second)], "reminds of a deadline it does not set"),
        ([*without(0), on(Switch, OFF, to=GREEN, within=minute)], "RED cannot be reached from OFF"),
        ([*without(1, 6), on(Repair, BROKEN), ignore(Switch, RED, because="so"), *LEAVE], "RED never comes to rest"),
        ([on(Switch, "red")], "not a state of this process"),  # type: ignore[arg-type]
    ],
)
def test_a_broken_table_is_refused_with_the_pair_that_breaks_it(rows: list[Row], text: str) -> None:
    with pytest.raises(BrokenTable) as refused:
        table(*rows)
    assert text in str(refused.value)


def test_escrows_table_handles_every_pair() -> None:
    for state in ESCROW.states:
        for message in ESCROW.messages:
            if message not in (TimeUp, ReminderDue):
                assert (state, message) in ESCROW.table
