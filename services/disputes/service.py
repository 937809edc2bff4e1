"""The disputes service, whole: its aggregates and where each message goes."""

from contracts.disputes import (
    CommandRefused,
    ConfirmReturn,
    OpenDispute,
    RuleDispute,
    ShipReplacement,
    ShipReturn,
    WithdrawDispute,
)
from contracts.escrow import DisputeLapsed, DisputeNotAdmitted, FundsHeld
from disputes.case import Case, HeldOrder
from disputes.domain import decide, hold
from runtime.decision import Aggregate, Column, Ref, Service, to


def _disputed_order(command: OpenDispute) -> tuple[Ref, ...]:
    return (Ref("held_orders", command.order_id),)


SERVICE = Service(
    name="disputes",
    aggregates=(
        Aggregate("held_orders", HeldOrder, hold),
        Aggregate(
            "disputes",
            Case,
            decide,
            columns={
                "order_id": Column("text", lambda case: case.order_id),
                "buyer_id": Column("text", lambda case: case.buyer_id),
                "seller_id": Column("text", lambda case: case.seller_id),
                "status": Column("text", lambda case: case.status.value),
                "rule_by": Column("timestamptz", lambda case: case.rule_by),
            },
        ),
    ),
    routes={
        FundsHeld: to("held_orders", "order_id"),
        OpenDispute: to("disputes", "dispute_id", _disputed_order),
        WithdrawDispute: to("disputes", "dispute_id"),
        RuleDispute: to("disputes", "dispute_id"),
        ShipReturn: to("disputes", "dispute_id"),
        ConfirmReturn: to("disputes", "dispute_id"),
        ShipReplacement: to("disputes", "dispute_id"),
        DisputeNotAdmitted: to("disputes", "dispute_id"),
        DisputeLapsed: to("disputes", "dispute_id"),
    },
    refusal=CommandRefused,
)
