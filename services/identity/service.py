"""The identity service, whole: its aggregate and where each message goes."""

from collections.abc import Callable

from contracts.identity import CommandRefused, OpenAccount, RejectAppeal, ScreenOrder, SubmitAppeal, VerifyAppeal
from identity.domain import Account, StopStatus, decide
from runtime.decision import Aggregate, Column, Service, to


def _count(status: StopStatus) -> Callable[[Account], int]:
    return lambda account: [stop.status for stop in account.stops].count(status) if account.stops else 0


APPEAL_COLUMNS = {
    status.value: Column("integer", _count(status))
    for status in (StopStatus.SUBMITTED, StopStatus.VERIFIED, StopStatus.REJECTED)
}
"""How many appeals of each status an account has. The list of appeals finds accounts by them; they seldom change, so
the many updates by screening touch no index."""

SERVICE = Service(
    name="identity",
    aggregates=(Aggregate("accounts", Account, decide, APPEAL_COLUMNS),),
    routes={
        OpenAccount: to("accounts", "person_id"),
        ScreenOrder: to("accounts", "person_id"),
        SubmitAppeal: to("accounts", "person_id"),
        VerifyAppeal: to("accounts", "person_id"),
        RejectAppeal: to("accounts", "person_id"),
    },
    refusal=CommandRefused,
)
