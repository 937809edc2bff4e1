"""Operations that are carried to the provider, each command of theirs written down once."""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from contracts.message import Message
from contracts.payments import CollectPayment, PayOut, QueryOperation, RefundPayment
from runtime.decision import Look, Outcome, TimeUp
from simulators.payments.operations import only_services


class Call(msgspec.Struct, frozen=True):
    """An operation that was carried to the provider, so many times."""

    operation_id: str
    times: int = 0


def decide(state: Call | None, message: Message | TimeUp, now: datetime, look: Look) -> Outcome[Call]:
    """Carries a command on as it is. Refuses forbidden: the key that opens the provider is lent to services alone."""
    assert isinstance(message, CollectPayment | RefundPayment | PayOut | QueryOperation)
    only_services(message)
    call = state or Call(message.operation_id)
    return Outcome(replace(call, times=call.times + 1), [message])
