"""Cursors of lists that are ordered by time: `MOMENT,ID` of the last row that was shown. Callers send them back as they
came and read nothing into them."""

from datetime import UTC, datetime

from runtime.decision import Refused


def write_cursor(moment: datetime, id: str) -> str:
    """The cursor behind this row, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ},{id}"


def read_cursor(after: str | None) -> tuple[datetime, str] | None:
    """The row that a list goes on behind; None where it begins. Raises `Refused`: invalid_cursor."""
    if after is None:
        return None
    text, _, id = after.partition(",")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo and id:
            return moment.astimezone(UTC), id
    except (ValueError, OverflowError):
        pass
    raise Refused("invalid_cursor", "send `next` of the page before as `after`")
