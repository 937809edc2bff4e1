"""The provider, whole: its aggregates and where each message goes."""

from dataclasses import replace
from functools import partial

from contracts.payments import CollectPayment, CommandRefused, PayOut, QueryOperation, RefundPayment
from runtime.decision import Aggregate, Column, Service, to
from simulators.faults import NONE, Faults
from simulators.payments import calls, chargebacks, operations, scripts
from simulators.payments.chargebacks import Chargebacks
from simulators.payments.control import ClearScript, ReportChargeback, ReverseChargeback, ScriptOperation
from simulators.payments.operations import Asked, Operation, Status, scripts_for
from simulators.payments.scripts import Script

_MOVED_AT = Column("timestamptz", lambda operation: operation.done_at if operation.status is Status.SUCCEEDED else None)


def service(faults: Faults = NONE) -> Service:
    """The provider to which this happens where no script says otherwise, asked by the commands of its port."""
    asked = to("operations", "operation_id", reads=scripts_for)
    return Service(
        name="payments",
        aggregates=(
            Aggregate("operations", Operation, partial(operations.decide, faults), {"moved_at": _MOVED_AT}),
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


def over_http(faults: Faults = NONE) -> Service:
    """The same provider asked over HTTP, and the adapter that carries the commands of the port there."""
    direct = service(faults)
    carried = to("calls", "operation_id")
    return replace(
        direct,
        aggregates=(*direct.aggregates, Aggregate("calls", calls.Call, calls.decide)),
        routes={
            **direct.routes,
            **dict.fromkeys((CollectPayment, RefundPayment, PayOut, QueryOperation), carried),
            Asked: to("operations", "operation_id", reads=lambda asked: scripts_for(asked.request)),
        },
    )


SERVICE = service()
