"""Time as a port."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from runtime.clock import RealClock, VirtualClock, clock_from

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_real_clock_goes_by_itself_and_is_in_utc() -> None:
    clock = clock_from("real")
    first, second = clock.now(), clock.now()
    assert isinstance(clock, RealClock) and not clock.virtual
    assert first <= second and first.tzinfo is UTC


def test_a_virtual_clock_stands_still_until_it_is_moved(tmp_path: Path) -> None:
    clock = VirtualClock.create(tmp_path / "clock", START)
    assert (clock.now(), clock.now(), clock.virtual) == (START, START, True)
    clock.advance_to(START + timedelta(days=60, microseconds=1))
    assert clock.now() == START + timedelta(days=60, microseconds=1)


def test_all_who_share_the_file_see_the_same_time(tmp_path: Path) -> None:
    driver = VirtualClock.create(tmp_path / "clock", START)
    follower = clock_from(f"virtual:{tmp_path / 'clock'}")
    driver.advance_to(START + timedelta(hours=1))
    assert follower.now() == driver.now() == START + timedelta(hours=1)


def test_time_never_runs_back(tmp_path: Path) -> None:
    clock = VirtualClock.create(tmp_path / "clock", START)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance_to(START - timedelta(microseconds=1))
    clock.advance_to(START)
    assert clock.now() == START


@pytest.mark.parametrize("moment", [datetime(1969, 12, 31, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)])
def test_a_virtual_clock_shows_any_time_of_the_calendar(tmp_path: Path, moment: datetime) -> None:
    assert VirtualClock.create(tmp_path / "clock", moment).now() == moment


def test_a_moment_of_another_offset_is_the_same_moment(tmp_path: Path) -> None:
    clock = VirtualClock.create(tmp_path / "clock", START)
    clock.advance_to((START + timedelta(hours=1)).astimezone(timezone(timedelta(hours=8))))
    assert clock.now() == START + timedelta(hours=1) and clock.now().tzinfo is UTC


@pytest.mark.parametrize("setting", ["", "virtual", "virtual:", "sundial", "real time"])
def test_other_clocks_are_refused(setting: str) -> None:
    with pytest.raises(ValueError, match="'real' or 'virtual:PATH'"):
        clock_from(setting)


def test_a_virtual_clock_needs_its_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        clock_from(f"virtual:{tmp_path / 'none'}")
