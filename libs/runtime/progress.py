"""Whether work gets done, judged by what moved and when. A connection that stands proves nothing. Pure.

Each part of a service is asked one question: how long ago did you last bring something to its end, though there was
something to do? All times are of one monotonic clock, in seconds.
"""

from dataclasses import dataclass
from enum import StrEnum


class Moving(StrEnum):
    """What has to move."""

    PUMP = "pump"
    RELAY = "relay"
    TIMERS = "timers"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the parts at `now`. `pump_since` is since when nothing came of what the pump has in hand (None:
    it has nothing); `relay_at` and `timers_at` when these last ended a round, with or without something in it;
    `lag_seconds` how old the oldest message is that waits, and `handled_at` when a batch was last handled."""

    now: float
    pump_since: float | None
    relay_at: float
    timers_at: float
    lag_seconds: float
    handled_at: float


def stalled(seen: Seen, after: float) -> dict[Moving, str]:
    """The parts that made no progress for `after` seconds, each with what it looks like. A service far behind that
    works is not stalled, and neither is an idle one."""
    found = {}
    if seen.pump_since is not None and (silent := seen.now - seen.pump_since) > after:
        found[Moving.PUMP] = f"a batch has been under way for {silent:.0f} s, and nothing came of it"
    if (silent := seen.now - seen.relay_at) > after:
        found[Moving.RELAY] = f"nothing was published, and the outbox not found empty, for {silent:.0f} s"
    if (silent := seen.now - seen.timers_at) > after:
        found[Moving.TIMERS] = f"no due timers were looked for or fired for {silent:.0f} s"
    if Moving.PUMP not in found and seen.lag_seconds > after and (silent := seen.now - seen.handled_at) > after:
        found[Moving.CONSUMER] = f"messages wait, and none was handled for {silent:.0f} s"
    return found
