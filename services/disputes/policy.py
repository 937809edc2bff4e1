"""Dated numbers of disputes. A case keeps the version it was opened under; a change is a new version, never an edit.

Escrow owns the money's clock. The parties' periods here end `TRAVEL` before escrow's for the same step, so that a step
taken here at the last moment still reaches escrow in time, and none is taken for which escrow has stopped waiting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TRAVEL = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """Each period is counted from the step before it."""

    version: str
    valid_from: datetime
    rule_within: timedelta
    """By when a mediator must have ruled; the desk is ordered by it. After it escrow lets the case lapse."""
    ship_return_within: timedelta
    confirm_return_within: timedelta
    ship_replacement_within: timedelta


POLICIES: Sequence[Policy] = (
    Policy(
        version="2010_01",
        valid_from=datetime(2010, 1, 1, tzinfo=UTC),
        rule_within=timedelta(days=30),
        ship_return_within=timedelta(days=10) - TRAVEL,
        confirm_return_within=timedelta(days=20) - TRAVEL,
        ship_replacement_within=timedelta(days=10) - TRAVEL,
    ),
)
"""Oldest first."""


def policy_at(moment: datetime, policies: Sequence[Policy] = POLICIES) -> Policy:
    """The version valid at `moment`; before the first version, the first."""
    return next((policy for policy in reversed(policies) if policy.valid_from <= moment), policies[0])


def policy_of(version: str, policies: Sequence[Policy] = POLICIES) -> Policy:
    """The version a case was opened under; KeyError if there never was one."""
    for policy in policies:
        if policy.version == version:
            return policy
    raise KeyError(version)
