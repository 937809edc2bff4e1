"""A key's partition is the one that every Kafka client works out."""

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as reference
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.message import PARTITIONS
from contracts.partition import murmur2, partition_of


@given(st.binary(max_size=200))
@example(b"")
@example(b"21")
@example(b"foobar")
@example(b"\xff\xff\xff")
def test_it_is_the_partition_of_the_default_partitioner(key: bytes) -> None:
    every = list(range(PARTITIONS))
    assert murmur2(key) == reference(key)
    assert partition_of(key) == DefaultPartitioner()(key, every, every)


def test_the_hashes_that_kafka_tests_its_own_client_with() -> None:
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
    assert {key: murmur2(key) for key in known} == {key: value & 0xFFFFFFFF for key, value in known.items()}
