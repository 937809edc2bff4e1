"""The provider, whole: its aggregates and where each message goes."""

from functools import partial

from contracts.payments import CollectPayment, CommandRefused, PayOut, QueryOperation, RefundPayment
from runtime.decision import Aggregate, Column, Service, to
from simulators.payments import chargebacks, operations, scripts
from simulators.payments.chargebacks import Chargebacks
from simulators.payments.control import ClearScript, ReportChargeback, ReverseChargeback, ScriptOperation
from simulators.payments.operations import Behaviour, Operation, Status, scripts_for
from simulators.payments.scripts import Script

_MOVED_AT = Column("timestamptz", lambda operation: operation.done_at if operation.status is Status.SUCCEEDED else None)


def service(behaviour: Behaviour) -> Service:
    """The provider that behaves like this where no script says otherwise."""
    asked = to("operations", "operation_id", reads=scripts_for)
    return Service(
        name="payments",
        aggregates=(
            Aggregate("operations", Operation, partial(operations.decide, behaviour), {"moved_at": _MOVED_AT}),
            Aggregate("scripts", Script, scripts.decide),
            Aggregate("chargebacks", Chargebacks, chargebacks.decide),
        ),
        routes={
            CollectPayment: asked,
            RefundPayment: asked,
            PayOut: asked,
            QueryOperation: to("operations", "operation_id"),
            ScriptOperation: to("scripts", "target"),
            ClearScript: to("scripts", "target"),
            ReportChargeback: to("chargebacks", "reference"),
            ReverseChargeback: to("chargebacks", "reference"),
        },
        refusal=CommandRefused,
    )


SERVICE = service(Behaviour())
