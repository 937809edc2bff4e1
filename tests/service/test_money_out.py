"""Escrow pays out and refunds, on real servers under a virtual clock; the test is the payment provider."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import escrow
import ledger
import runtime
from contracts.escrow import OperationResult, RecordOperationResult, RetryOperation
from contracts.message import Message
from contracts.payments import PayOut, PayoutFailed, PayoutSucceeded, QueryOperation, RefundPayment, RefundSucceeded
from contracts.registry import REGISTRY
from escrow.repository import operator_queue
from escrow.service import SERVICE as ESCROW
from escrow.state import Escrow, State
from holdfast.topics import ALL
from ledger.proof import prove
from runtime.app import Running
from runtime.clock import VirtualClock
from runtime.decision import Ref
from runtime.fold import Done, Refusal
from tests.servers import Kafka
from tests.toy.parts import Client, client, fresh_topics, settings_for
from tests.unit.escrow.language import (
    ID,
    OPERATOR,
    T0,
    TWO,
    cleared,
    confirmed,
    days,
    delivered,
    disputed,
    hours,
    paid,
    ruled,
    shipped,
)
from tests.waiting import eventually

WAY = (cleared(), shipped(), delivered())


class Scene:
    """A running escrow service, and everybody else."""

    def __init__(self, service: Running, other: Client, clock: VirtualClock) -> None:
        self.service = service
        self.other = other
        self.clock = clock

    async def order(self) -> Escrow | None:
        found = await self.service.repository.get(self.service.pool, Ref("escrow", ID))
        return found.state if found else None

    async def say(self, *messages: Message, until: dict[int, State]) -> None:
        """Publishes each when the one before is handled, and waits for where the lines stand in the end."""
        for number, message in enumerate(messages):
            before = await self.order()
            await self.other.send(message)
            if number < len(messages) - 1:

                async def moved(before: Escrow | None = before) -> bool:
                    return await self.order() != before

                await eventually(moved)
        await self.stands(until)

    async def stands(self, lines: dict[int, State]) -> None:
        """Waits until the lines stand there."""

        async def there() -> bool:
            order = await self.order()
            return order is not None and {each.line_no: each.state for each in order.tranches} == lines

        await eventually(there, within=30)

    async def asked(self, *wanted: tuple[type[Message], str]) -> list[Any]:
        """Waits until exactly these commands, by operation id, stand in the provider's topic, in any order."""

        async def commands() -> list[Any]:
            found = await self.other.everything("payments.commands.v1")
            return [REGISTRY[each.type].model_validate_json(each.data) for each in found]

        async def there() -> list[Any] | None:
            found = await commands()
            names = sorted((type(each).__name__, each.operation_id) for each in found)
            return found if names == sorted((kind.__name__, id) for kind, id in wanted) else None

        found = await eventually(there, within=30)
        assert found is not None
        return found

    async def until(self, moment: datetime) -> None:
        self.clock.advance_to(moment)

    async def decide(self, command: Message) -> Any:
        return await self.service.accept(uuid4(), command)  # type: ignore[arg-type]


@pytest.fixture
async def scene(kafka: Kafka, database: str, tmp_path: Path) -> AsyncIterator[Scene]:
    await fresh_topics(kafka.bootstrap, sorted(ALL))
    clock = VirtualClock.create(tmp_path / "clock", T0)
    migrations = (runtime.MIGRATIONS, ledger.MIGRATIONS, Path(escrow.__file__).parent / "migrations")
    settings = settings_for(database, kafka.bootstrap, clock=f"virtual:{tmp_path / 'clock'}")
    service = Running(ESCROW, settings, migrations)
    service.begin()
    try:
        await eventually(lambda: service.starting == "" and service.intake and service.intake.assigned(), within=60)
        async with client(kafka.bootstrap) as other:
            yield Scene(service, other, clock)
    finally:
        await service.stop()


async def proved(scene: Scene) -> None:
    async with scene.service.pool.acquire() as connection:  # type: ignore[union-attr]
        proof = await prove(connection)
    assert proof.ok, proof.findings


async def test_e14_one_line_is_released_on_its_own_clock_while_the_other_is_held_and_shared(scene: Scene) -> None:
    # given an order of two lines, the second of them disputed
    await scene.say(paid(TWO), *WAY, disputed(2), until={1: State.INSPECTION, 2: State.DISPUTED})

    # when the first is confirmed, it is paid out alone
    await scene.say(confirmed(1), until={1: State.RELEASING, 2: State.DISPUTED})
    first = (PayOut, "payout-o-1-1")
    (payout,) = await scene.asked(first)
    assert payout.amount.amount == 9_500
    won = PayoutSucceeded(operation_id=payout.operation_id, reference=ID, amount=payout.amount)
    await scene.say(won, until={1: State.RELEASED, 2: State.DISPUTED})
    await proved(scene)

    # and when the second is ruled, each side has its part of that line
    await scene.say(ruled({2: 4_000}), until={1: State.RELEASED, 2: State.SETTLING})
    share, refund = (PayOut, "payout-o-1-2"), (RefundPayment, "refund-o-1-3")
    sent = {each.operation_id: each for each in await scene.asked(first, share, refund)}
    assert (sent["refund-o-1-3"].amount.amount, sent["payout-o-1-2"].amount.amount) == (1_200, 1_710)
    await scene.other.send(
        PayoutSucceeded(operation_id="payout-o-1-2", reference=ID, amount=sent["payout-o-1-2"].amount),
        RefundSucceeded(operation_id="refund-o-1-3", reference=ID, amount=sent["refund-o-1-3"].amount),
    )
    await scene.stands({1: State.RELEASED, 2: State.SETTLED})
    await proved(scene)


async def test_a_payout_that_fails_is_tried_again_later_and_one_without_an_answer_is_asked_about(scene: Scene) -> None:
    # given a payout that failed
    await scene.say(paid(), *WAY, confirmed(), until={1: State.RELEASING})
    first, second, third = ((PayOut, f"payout-o-1-{number}") for number in (1, 2, 3))
    await scene.asked(first)
    before = await scene.order()
    await scene.other.send(PayoutFailed(operation_id="payout-o-1-1", reference=ID, reason="account_closed"))

    async def heard() -> bool:
        return await scene.order() != before

    await eventually(heard)

    # when the wait is over, it is sent again under another id; that gets no answer and is asked about, never repeated
    await scene.until(T0 + hours(1))
    await scene.asked(first, second)
    questions: list[tuple[type[Message], str]] = []
    for day in range(1, 6):
        await scene.until(T0 + hours(1) + days(day))
        questions.append((QueryOperation, "payout-o-1-2"))
        await scene.asked(first, second, *questions)

    # then an operator has it, who may not send it again before it is known what became of it
    await scene.until(T0 + hours(1) + days(6))
    await scene.stands({1: State.WITH_OPERATOR})
    assert [order.order_id for order, _ in await operator_queue(scene.service.pool)] == [ID]
    retry = RetryOperation(actor=OPERATOR, order_id=ID, operation_id="payout-o-1-2")
    refused = await scene.decide(retry)
    assert isinstance(refused, Refusal) and refused.code == "operation_unanswered"
    about = {"actor": OPERATOR, "order_id": ID, "operation_id": "payout-o-1-2"}
    assert isinstance(await scene.decide(RecordOperationResult(**about, result=OperationResult.FAILED)), Done)
    assert isinstance(await scene.decide(retry), Done)
    sent = await scene.asked(first, second, third, *questions)
    amount = next(each.amount for each in sent if each.operation_id == "payout-o-1-3")
    await scene.say(
        PayoutSucceeded(operation_id="payout-o-1-3", reference=ID, amount=amount), until={1: State.RELEASED}
    )
    assert await operator_queue(scene.service.pool) == []
    await proved(scene)
