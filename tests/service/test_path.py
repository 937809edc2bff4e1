"""The one path on real servers: order, one effect each, refusals, parked keys, timers."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from runtime.app import Running
from runtime.decision import Ref
from tests.servers import Kafka
from tests.toy import toy
from tests.toy.parts import Client, add, client, fresh_topics, numbers, running
from tests.waiting import eventually


@pytest.fixture
async def other(kafka: Kafka) -> AsyncIterator[Client]:
    await fresh_topics(kafka.bootstrap)
    async with client(kafka.bootstrap) as one:
        yield one


@pytest.fixture
async def service(other: Client, database: str, kafka: Kafka) -> AsyncIterator[Running]:
    async with running(toy.TOY, database, kafka.bootstrap) as one:
        yield one


async def test_commands_of_a_key_are_handled_in_order_and_their_events_published_in_order(
    other: Client, service: Running, database: str
) -> None:
    await other.send(*(add(f"t{number % 7}", number) for number in range(600)))

    async def all_published() -> bool:
        return len(await other.everything("toy.events.v1")) == 600

    await eventually(all_published)
    for tally in range(7):
        expected = list(range(tally, 600, 7))
        assert await numbers(database, f"t{tally}") == expected
        events = [event for event in await other.everything("toy.events.v1") if event.subject == f"t{tally}"]
        assert [event.sequence for event in events] == list(range(1, len(expected) + 1))
        assert [toy.Added.model_validate_json(event.data).number for event in events] == expected


async def test_a_message_delivered_twice_has_one_effect(other: Client, service: Running, database: str) -> None:
    ids = await other.send(add("a", 1), add("a", 2))
    await other.send(add("a", 1), add("a", 2), ids=ids)
    await other.send(add("a", 3))
    await eventually(lambda: _is(numbers(database, "a"), [1, 2, 3]))

    async def last_published() -> bool:
        return any(event.sequence == 3 for event in await other.everything("toy.events.v1"))

    await eventually(last_published)
    assert len(await other.everything("toy.events.v1")) == 3


async def test_a_refused_command_is_answered_with_code_reason_and_cause(other: Client, service: Running) -> None:
    (id,) = await other.send(add("a", -1))

    async def answer() -> toy.CommandRefused | None:
        events = await other.everything("toy.events.v1")
        if not events:
            return None
        assert events[0].causation_id == id
        assert events[0].type == "toy.command_refused.v1"
        return toy.CommandRefused.model_validate_json(events[0].data)

    refused = await eventually(answer)
    assert refused and (refused.code, refused.command_id, refused.subject) == ("negative", id, "a")


@pytest.mark.parametrize(
    ("type", "value", "code"),
    [
        ("toy.unheard_of.v1", b"{}", "unknown_command"),
        ("orders.place_order.v1", b"{}", "wrong_topic"),
        ("toy.add.v1", b"not json", "invalid_data"),
        ("toy.add.v1", b'{"tally": "a"}', "invalid_data"),
        ("toy.add.v1", b'{"tally":"other","number":1,"actor":{"id":"x","role":"service"}}', "key_mismatch"),
    ],
)
async def test_commands_that_mean_nothing_are_refused_not_parked(
    other: Client, service: Running, database: str, type: str, value: bytes, code: str
) -> None:
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"x-1"), ("ce_source", b"s"), ("ce_type", type.encode())]
    await other.send_raw("toy.commands.v1", b"a", value, headers)
    await other.send(add("a", 5))
    await eventually(lambda: _is(numbers(database, "a"), [5]))

    async def refused() -> bool:
        events = await other.everything("toy.events.v1")
        return bool(events) and toy.CommandRefused.model_validate_json(events[0].data).code == code

    await eventually(refused)


async def test_an_unknown_event_is_counted_and_passed_over(other: Client, service: Running, database: str) -> None:
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"s"), ("ce_type", b"mars.landed.v1")]
    deliveries = service.reader.record
    from runtime.delivery import RawRecord

    delivery = deliveries(RawRecord("mars.events.v1", 0, 0, b"k", headers, b"{}"))
    (answer,) = await service.deliver([delivery])
    assert type(answer).__name__ == "Passed"
    counted = service.metrics.registry.get_sample_value(
        "holdfast_messages_total", {"service": "toy", "origin": "kafka", "result": "passed"}
    )
    assert counted == 1


async def test_a_decision_that_raises_parks_its_key_only_and_replay_goes_on_in_order(
    other: Client, service: Running, database: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a message whose decision raises, with others of its key behind it
    await other.send(add("a", 1), add("a", toy.POISON), add("a", 2), add("b", 1), add("a", 3))
    await eventually(lambda: _is(numbers(database, "b"), [1]))
    await eventually(lambda: _statuses(database, ["failed", "waiting", "waiting"]))
    assert await numbers(database, "a") == [1]
    assert service.dead_letters
    letters = await service.dead_letters.listing()
    assert (letters[0].code, letters[0].key) == ("decision_raised", "a")

    async def copied() -> bool:
        copies = await other.everything("toy.dead_letters.v1")
        return [copy.type for copy in copies] == ["toy.add.v1"] * 3

    await eventually(copied)

    # when it is replayed before the fix, it stays; a dry run after the fix changes nothing
    before = await service.dead_letters.replay("a", "op-1", "try again", dry_run=False)
    assert before.letters[-1]["code"] == "decision_raised" and before.left == 3
    (tmp_path / "cure").touch()
    monkeypatch.setattr(toy, "cured", tmp_path / "cure")
    dry = await service.dead_letters.replay("a", "op-1", "look first", dry_run=True)
    assert [letter["result"] for letter in dry.letters] == ["done", "done", "done"]
    assert dry.letters[0]["publishes"] == ["toy.added.v1"]
    assert await numbers(database, "a") == [1]

    # then a real one goes on in order, and new messages follow
    done = await service.dead_letters.replay("a", "op-1", "fixed in 1.2", dry_run=False)
    assert done.left == 0
    await other.send(add("a", 4))
    await eventually(lambda: _is(numbers(database, "a"), [1, toy.POISON, 2, 3, 4]))
    assert await _value(database, "SELECT count(*) FROM parked_keys") == 0
    assert await _value(database, "SELECT min(resolved_by) FROM dead_letters") == "op-1"


async def test_replay_never_bypasses_the_inbox(other: Client, service: Running, database: str) -> None:
    # given a parked message that was handled meanwhile, as if another replica had done it
    await other.send(add("a", toy.POISON))
    await eventually(lambda: _statuses(database, ["failed"]))
    await _value(database, "INSERT INTO inbox (id) SELECT message_id FROM dead_letters RETURNING 1")
    assert service.dead_letters
    done = await service.dead_letters.replay("a", "op-1", "try again", dry_run=False)
    assert [letter["result"] for letter in done.letters] == ["duplicate"]
    assert await numbers(database, "a") == []


async def test_a_discarded_message_never_comes_back_and_the_rest_goes_on(
    other: Client, service: Running, database: str
) -> None:
    ids = await other.send(add("a", toy.POISON), add("a", 2))
    await eventually(lambda: _statuses(database, ["failed", "waiting"]))
    assert service.dead_letters
    first = (await service.dead_letters.listing())[0]
    assert await service.dead_letters.discard("a", first.seq, "op-1", "was a test") == 1
    assert (await service.dead_letters.replay("a", "op-1", "the rest", dry_run=False)).left == 0
    await other.send(add("a", toy.POISON), ids=ids[:1])
    await other.send(add("a", 3))
    await eventually(lambda: _is(numbers(database, "a"), [2, 3]))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], "missing_header"),
        ([("ce_specversion", b"0.3"), ("ce_id", b"1"), ("ce_source", b"s"), ("ce_type", b"t")], "wrong_specversion"),
        ([("ce_specversion", b"1.0"), ("ce_id", b"\xff\xfe"), ("ce_source", b"s"), ("ce_type", b"t")], "not_utf8"),
        ([("ce_specversion", b"1.0"), ("ce_id", b""), ("ce_source", b"s"), ("ce_type", b"t")], "empty_header"),
    ],
)
async def test_an_undecodable_message_parks_its_key_only(
    other: Client, service: Running, database: str, headers: list[tuple[str, bytes]], code: str
) -> None:
    await other.send_raw("toy.commands.v1", b"a", b"{}", headers)
    await other.send(add("a", 1), add("b", 1))
    await eventually(lambda: _is(numbers(database, "b"), [1]))
    await eventually(lambda: _statuses(database, ["failed", "waiting"]))
    assert await _value(database, "SELECT code FROM dead_letters ORDER BY seq LIMIT 1") == code
    assert await numbers(database, "a") == []


async def test_what_the_database_refuses_parks_its_key_and_spares_the_batch(
    other: Client, service: Running, database: str
) -> None:
    messages = [add(f"t{number}", 777 if number == 33 else number) for number in range(100)]
    await other.send(*messages)
    await eventually(lambda: _value_is(database, "SELECT count(*) FROM tallies", 99))
    await eventually(lambda: _statuses(database, ["failed"]))
    assert "not_777" in await _value(database, "SELECT error FROM dead_letters")
    assert await _value(database, "SELECT key FROM parked_keys") == "t33"


async def test_keys_that_no_column_takes_are_parked_all_the_same(
    other: Client, service: Running, database: str
) -> None:
    await other.send_raw("toy.commands.v1", b"nul\x00key", b"{}", [])
    await other.send_raw("toy.commands.v1", b"k" * 50_000, b"{}", [])
    await other.send_raw("toy.commands.v1", b"\xff\xfe", b"{}", [])
    await other.send_raw("toy.commands.v1", None, b"{}", [])
    await other.send(add("b", 1))
    await eventually(lambda: _is(numbers(database, "b"), [1]))
    await eventually(lambda: _statuses(database, ["failed"] * 4))


async def test_a_timer_fires_once_and_a_parked_key_holds_it_back(
    other: Client, service: Running, database: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = toy.RingLater.model_validate({"actor": {"id": "x", "role": "service"}, "tally": "a", "seconds": 0.05})
    await other.send(ring)
    await eventually(lambda: _value_is(database, "SELECT (state->>'rings')::int FROM tallies WHERE id = 'a'", 1))
    assert await _value(database, "SELECT count(*) FROM timers") == 0

    await other.send(ring.model_copy(update={"tally": "b", "seconds": 0.5}), add("b", toy.POISON))
    await eventually(lambda: _statuses(database, ["failed", "waiting"]))
    assert await _value(database, "SELECT topic FROM dead_letters ORDER BY seq DESC LIMIT 1") == "timer"
    (tmp_path / "cure").touch()
    monkeypatch.setattr(toy, "cured", tmp_path / "cure")
    assert service.dead_letters
    await service.dead_letters.replay("b", "op-1", "fixed", dry_run=False)
    await eventually(lambda: _value_is(database, "SELECT (state->>'rings')::int FROM tallies WHERE id = 'b'", 1))


async def test_a_stale_version_is_refused(other: Client, service: Running, database: str) -> None:
    await other.send(add("a", 1))
    await eventually(lambda: _is(numbers(database, "a"), [1]))
    stale = add("a", 2).model_copy(update={"expected_version": 7})
    fits = add("a", 3).model_copy(update={"expected_version": 1})
    await other.send(stale, fits)
    await eventually(lambda: _is(numbers(database, "a"), [1, 3]))


async def test_two_writers_on_one_key_and_a_long_transaction_elsewhere_keep_the_order_of_versions(
    other: Client, database: str, kafka: Kafka, service: Running
) -> None:
    """The traps of outbox relays: rows that commit late are lost by cursors, held-back snapshots turn order round."""
    blocker = await asyncpg.connect(database)
    async with running(toy.TOY, database, kafka.bootstrap) as second:
        async with blocker.transaction():
            await blocker.execute("SELECT pg_current_xact_id()")  # holds back every snapshot horizon
            import asyncio
            from uuid import UUID

            from runtime.ids import new_id

            async def writer(one: Running) -> None:
                for number in range(150):
                    await one.accept(UUID(new_id()), add("hot", number))

            await asyncio.gather(writer(service), writer(second))

            async def all_out() -> bool:
                return len(await other.everything("toy.events.v1")) == 300

            await eventually(all_out)
        events = await other.everything("toy.events.v1")
        assert [event.sequence for event in events] == list(range(1, 301))
    await blocker.close()


async def test_http_commands_and_kafka_commands_meet_in_one_order(
    other: Client, service: Running, database: str
) -> None:
    from uuid import UUID

    from runtime.ids import new_id

    answer = await service.accept(UUID(new_id()), add("a", 1))
    assert answer.version == 1  # type: ignore[union-attr]
    again = UUID(new_id())
    await service.accept(again, add("a", 2))
    assert type(await service.accept(again, add("a", 2))).__name__ == "Duplicate"
    refused = await service.accept(again_refused := UUID(new_id()), add("a", -1))
    assert type(refused).__name__ == "Refusal"
    # nothing happened, so the same request may be corrected and sent again under its key
    assert type(await service.accept(again_refused, add("a", 3))).__name__ == "Done"
    assert service.pool
    found = await service.repository.get(service.pool, Ref("tallies", "a"))
    assert found and found.state.numbers == (1, 2, 3)


async def _is(reading, expected: object) -> bool:
    found = await reading
    assert found == expected, found
    return True


async def _statuses(database: str, expected: list[str]) -> bool:
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch("SELECT status FROM dead_letters ORDER BY seq")
    finally:
        await connection.close()
    assert [row[0] for row in rows] == expected, rows
    return True


async def _value(database: str, sql: str):
    connection = await asyncpg.connect(database)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def _value_is(database: str, sql: str, expected: object) -> bool:
    found = await _value(database, sql)
    assert found == expected, found
    return True


async def test_a_service_started_again_knows_what_it_handled_before(other: Client, database: str, kafka: Kafka) -> None:
    # given messages that a service handled and acknowledged
    async with running(toy.TOY, database, kafka.bootstrap) as before:
        await other.send(*(add(f"t{number}", number) for number in range(50)))

        async def all_handled() -> bool:
            return len(await other.everything("toy.events.v1")) == 50

        await eventually(all_handled)
    # when it is started again and nothing new comes
    async with running(toy.TOY, database, kafka.bootstrap) as again:
        # then it tells as much as it told when it stopped
        await eventually(lambda: again.intake and again.intake.handled == before.intake.handled)
        assert sum(before.intake.handled.values()) == 50
