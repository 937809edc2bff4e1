"""Before anything is measured: buyers have accounts, sellers have paid their deposits."""

import asyncio
from typing import Any

from bench import messages
from bench.plan import Mix, buyer_id, seller_id
from bench.wire import Wire
from contracts.partition import partition_of

TOPICS = ("identity.events.v1", "deposits.events.v1", "payments.commands.v1")
AT_ONCE = 5_000
WITHIN = 120.0
"""Seconds."""


async def prepare(wire: Wire, mix: Mix) -> dict[str, Any]:
    """Opens every account and deposit of the mix; returns when all have been heard of. Raises TimeoutError."""
    wanted = {buyer_id(number).encode() for number in range(mix.buyers)}
    sellers = {seller_id(number).encode() for number in range(mix.sellers)}
    for seller in sellers:
        _add(wire, "deposits", seller, b"deposits.open_deposit.v1", messages.open_deposit(seller.decode()))
    buyers = sorted(wanted)
    wanted |= sellers
    async with asyncio.timeout(WITHIN):
        while buyers or wanted:
            some, buyers = buyers[:AT_ONCE], buyers[AT_ONCE:]
            for buyer in some:
                _add(wire, "identity", buyer, b"identity.open_account.v1", messages.open_account(buyer.decode()))
            await wire.flush()
            for record in await wire.receive(0.05):
                _hear(wire, record, wanted)
    return {"buyers": mix.buyers, "sellers": mix.sellers}


def _hear(wire: Wire, record: Any, wanted: set[bytes]) -> None:
    headers = dict(record.headers)
    id = messages.answer_id(headers["ce_id"])
    match headers["ce_type"]:
        case b"deposits.deposit_required.v1":
            value = messages.pay_deposit(record.key)
            wire.add("deposits.commands.v1", record.partition, record.key, b"deposits.pay_deposit.v1", id, value)
        case b"payments.collect_payment.v1":
            value = messages.provider_result(record.value)
            wire.add(
                "payments.events.v1", record.partition, record.key, b"payments.payment_succeeded.v1", id, value
            )  # fmt: skip
        case b"deposits.deposit_activated.v1" | b"identity.account_opened.v1":
            wanted.discard(record.key)


def _add(wire: Wire, service: str, key: bytes, type: bytes, value: bytes) -> None:
    wire.add(f"{service}.commands.v1", partition_of(key), key, type, messages.new_id(), value)
