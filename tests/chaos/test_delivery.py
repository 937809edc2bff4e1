"""Messages delivered twice, in another order, to keys that several writers write, and too large to be told on."""

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.message import PARTITIONS
from tests.chaos.check import members
from tests.chaos.conftest import World, tallies
from tests.chaos.load import Publisher, calling, publishing
from tests.waiting import eventually


async def test_what_is_published_twice_and_in_another_order_has_one_effect(world: World) -> None:
    """“a message delivered twice, or out of order across keys, has one effect”"""
    await world.started("toy", "mirror")
    async with publishing(world.kafka.bootstrap, world.written, tallies(), a_tick=100) as publisher:
        await world.more_handled(1500)
    try:
        await publisher.publish_again()
    finally:
        await publisher.close()
    await world.settles()


async def test_topics_delivered_again_from_the_beginning_have_one_effect(world: World) -> None:
    """“a message delivered twice … has one effect”"""
    toy, mirror = await world.started("toy", "mirror")
    async with publishing(world.kafka.bootstrap, world.written, tallies(), a_tick=100):
        await world.more_handled(1500)
    await world.settles()
    # given both services stopped, and their place in the topics forgotten
    await toy.terminate()
    await mirror.terminate()
    await _back_to_the_beginning(world, "toy", "toy.commands.v1")
    await _back_to_the_beginning(world, "mirror", "toy.events.v1")
    # when they start, they get everything again, and news behind it
    toy, mirror = await world.started("toy", "mirror")
    old = world.written.count
    publisher = Publisher(world.kafka.bootstrap, world.written, tallies())
    publisher.begin_at(1_000_000)
    await publisher.publish(300)
    await publisher.close()
    # then only the news have an effect
    await world.settles()
    assert (await toy.handled("duplicate"), await mirror.handled("duplicate")) == (old, old)


async def _back_to_the_beginning(world: World, group: str, topic: str) -> None:
    async def empty() -> bool:
        return not await members(world.kafka.bootstrap, group)

    await eventually(empty)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=world.kafka.bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="none"
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.commit(dict.fromkeys(places, 0))
    finally:
        await consumer.stop()


async def test_several_writers_on_a_key_and_a_long_transaction_elsewhere_keep_the_order_of_versions(
    world: World,
) -> None:
    """“order within a key is kept from outbox to handler, with several writers on one key and a long-running
    transaction open elsewhere”"""
    first, second, _ = await world.started("toy", "toy", "mirror")
    # given a transaction that holds back every horizon that a relay could go by
    long = await asyncpg.connect(world.databases["toy"])
    async with long.transaction():
        await long.execute("CREATE TEMPORARY TABLE held (id int); INSERT INTO held VALUES (1)")
        # when Kafka and callers at both replicas write the same few keys
        hot = tallies(3)
        async with (
            publishing(world.kafka.bootstrap, world.written, hot, a_tick=10),
            calling([first.url, second.url], world.written, hot, writers=4),
        ):
            await world.more_handled(1500)
        # then mirror is told everything in the order of the versions, while that transaction is open
        await world.settles()
        assert await long.fetchval("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
    await long.close()
