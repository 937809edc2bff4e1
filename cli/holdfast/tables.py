"""The tables of all services: what each reads, by its routes."""

from collections.abc import Mapping

from contracts.message import Message
from contracts.registry import REGISTRY
from deposits.service import SERVICE as DEPOSITS
from disputes.service import SERVICE as DISPUTES
from escrow.service import SERVICE as ESCROW
from identity.service import SERVICE as IDENTITY
from orders.service import SERVICE as ORDERS
from simulators.carrier.service import SERVICE as CARRIER
from simulators.payments.service import SERVICE as PAYMENTS

SERVICES = (ORDERS, ESCROW, DEPOSITS, DISPUTES, IDENTITY, PAYMENTS, CARRIER)


def readers() -> Mapping[str, frozenset[type[Message]]]:
    """Each service, the simulators of payments and carrier included, with the messages it reads. Commands by which
    tests move a simulator are no part of the contracts."""
    known = frozenset(REGISTRY.values())
    return {service.name: known & service.routes.keys() for service in SERVICES}
