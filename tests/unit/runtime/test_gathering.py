"""How a batch is gathered from what the consumer fetched."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from runtime.delivery import RawRecord
from runtime.intake import A_FEW, Intake

Found = dict[TopicPartition, list[RawRecord]]


class Fetched:
    """A consumer that hands over what it is given, one after the other; an exception is raised."""

    def __init__(self, *found: Found | Exception) -> None:
        self._found = list(found)

    async def getmany(self, *, timeout_ms: float, max_records: int) -> Found:
        found = self._found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def fetched(partition: int, offsets: Sequence[int]) -> Found:
    return {
        TopicPartition("toy.commands.v1", partition): [
            RawRecord("toy.commands.v1", partition, offset, b"key", (), b"{}") for offset in offsets
        ]
    }


async def gathered(consumer: Fetched, *, busy: bool) -> tuple[Sequence[tuple[int, int]], dict[int, int], Any]:
    intake: Any = SimpleNamespace(_busy=busy, _batch_max=500, _shares=1)
    records = await Intake._gather(intake, consumer)
    ends = {place.partition: end for place, end in intake._ends_at.items()}
    return [(record.partition, record.offset) for record in records], ends, intake._busy


async def test_at_rest_what_comes_first_is_the_batch() -> None:
    assert await gathered(Fetched(fetched(3, [7])), busy=False) == ([(3, 7)], {3: 8}, False)


async def test_under_load_what_came_meanwhile_belongs_to_it() -> None:
    records, ends, busy = await gathered(Fetched(fetched(3, range(A_FEW)), fetched(5, [1, 4])), busy=True)
    assert records == [*((3, offset) for offset in range(A_FEW)), (5, 1), (5, 4)]
    assert ends == {3: A_FEW, 5: 5}
    assert busy


async def test_a_partition_that_had_more_ends_behind_that() -> None:
    _, ends, _ = await gathered(Fetched(fetched(3, [1, 2]), fetched(3, [3])), busy=True)
    assert ends == {3: 4}


@pytest.mark.parametrize("error", [KafkaError(), OSError("reset")])
async def test_what_was_gathered_is_handed_over_though_the_next_fetch_fails(error: Exception) -> None:
    """It is behind the consumer's position already: nobody would hand it out again before a restart."""
    records, ends, _ = await gathered(Fetched(fetched(3, [7, 8]), error), busy=True)
    assert records == [(3, 7), (3, 8)]
    assert ends == {3: 9}
