"""How a batch is gathered from what the consumer fetched."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from runtime.delivery import RawRecord
from runtime.intake import A_FEW, LONGEST_REST, Intake

FULL = 500

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


async def gathered(
    consumer: Fetched, *, before: int, took: float = 0.0
) -> tuple[Sequence[tuple[int, int]], dict[int, int], int]:
    """Places of records and ends of partitions of the batch behind one of `before` messages that took so many seconds,
    and of how many messages the next one will know."""
    at = asyncio.get_running_loop().time() - took
    intake: Any = SimpleNamespace(_gathered=before, _gathered_at=at, _batch_max=FULL, _shares=1)
    records = await Intake._gather(intake, consumer)
    ends = {place.partition: end for place, end in intake._ends_at.items()}
    return [(record.partition, record.offset) for record in records], ends, intake._gathered


async def test_at_rest_what_comes_first_is_the_batch() -> None:
    assert await gathered(Fetched(fetched(3, [7])), before=0) == ([(3, 7)], {3: 8}, 1)


async def test_under_load_what_came_meanwhile_belongs_to_it() -> None:
    records, ends, number = await gathered(Fetched(fetched(3, range(30)), fetched(5, [1, 4])), before=A_FEW)
    assert records == [*((3, offset) for offset in range(30)), (5, 1), (5, 4)]
    assert ends == {3: 30, 5: 5}
    assert number == 32


async def test_a_partition_that_had_more_ends_behind_that() -> None:
    _, ends, _ = await gathered(Fetched(fetched(3, [1, 2]), fetched(3, [3])), before=A_FEW)
    assert ends == {3: 4}


@pytest.mark.parametrize(
    ("before", "took", "least", "most"),
    [
        (0, 5.0, None, None),
        (FULL, 5.0, None, None),
        (1, 5.0, LONGEST_REST, LONGEST_REST),
        (FULL - 1, 5.0, LONGEST_REST, LONGEST_REST),
        (1, LONGEST_REST / 2, LONGEST_REST / 2, LONGEST_REST),
    ],
    ids=[
        "after nothing",
        "after a full batch",
        "after a slow one",
        "after a slow one, almost full",
        "after a quick one",
    ],
)
async def test_it_rests_as_long_as_the_last_batch_took(
    monkeypatch: pytest.MonkeyPatch, before: int, took: float, least: float | None, most: float | None
) -> None:
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", rest)
    await gathered(Fetched(fetched(3, [7]), fetched(3, [8])), before=before, took=took)
    if least is None or most is None:
        assert not rests
    else:
        (rested,) = rests
        assert least <= rested <= most


@pytest.mark.parametrize("error", [KafkaError(), OSError("reset")])
async def test_what_was_gathered_is_handed_over_though_the_next_fetch_fails(error: Exception) -> None:
    """It is behind the consumer's position already: nobody would hand it out again before a restart."""
    records, ends, _ = await gathered(Fetched(fetched(3, [7, 8]), error), before=A_FEW)
    assert records == [(3, 7), (3, 8)]
    assert ends == {3: 9}
