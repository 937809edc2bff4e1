"""Times as people write them on a command line: 30m, 6h, 10d."""

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta | None:
    """A number with a unit: s, m, h or d. None for anything else, and beyond what the calendar holds."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    try:
        return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    except OverflowError:
        return None
