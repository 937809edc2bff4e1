"""Cursors of lists by time: what is written is read back, and what nobody wrote is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as some

from runtime.cursors import read_cursor, write_cursor
from runtime.decision import Refused

MOMENTS = some.datetimes(
    min_value=datetime(1970, 1, 2),
    max_value=datetime(9000, 1, 1),
    timezones=some.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@given(MOMENTS, some.text(min_size=1))
def test_what_is_written_is_read_back_whatever_the_id_holds(moment: datetime, id: str) -> None:
    assert read_cursor(write_cursor(moment, id)) == (moment, id)


def test_a_list_begins_without_a_cursor() -> None:
    assert read_cursor(None) is None


def test_a_cursor_is_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))

    assert write_cursor(datetime(2026, 1, 1, tzinfo=berlin), "o-1") == "2025-12-31T23:00:00.000000Z,o-1"
    assert read_cursor("2026-01-01T00:00:00+01:00,o-1") == (datetime(2025, 12, 31, 23, tzinfo=UTC), "o-1")


@pytest.mark.parametrize(
    "made_up",
    ["", ",", "o-1", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z,", "2026-01-01T00:00:00,o-1", "yesterday,o-1",
     "0001-01-01T00:00:00+14:00,o-1", "9999-12-31T23:59:59-14:00,o-1"],
)  # fmt: skip
def test_what_nobody_wrote_is_refused(made_up: str) -> None:
    with pytest.raises(Refused) as refused:
        read_cursor(made_up)

    assert refused.value.code == "invalid_cursor"
