"""Sampled stacks are put down to the stage that they belong to."""

import pytest

from bench.stages import ENOUGH, LOOP, PUMP, UNKNOWN, shares, stage_of

ROOT = ["<module> (orders/__main__.py:5)", "serve (runtime/app.py:326)", "run_forever (loop.c:33397)"]
PUMPING = [*ROOT, "Pump.run (runtime/pump.py:149)", "Pump.apply (runtime/pump.py:262)"]


@pytest.mark.parametrize(
    ("frames", "stage"),
    [
        ([*PUMPING, "fold (runtime/fold.py:129)", "decide (orders/domain.py:416)"], "decide"),
        ([*PUMPING, "Repository.save (runtime/repository.py:60)", "execute (asyncpg/connection.py:350)"], "SQL client"),
        ([*ROOT, "data_received (protocol.c:900)", "0x7f37e7eaed90 (libc.so.6)"], "SQL client"),
        ([*PUMPING, "_Table.arrays (runtime/repository.py:98)", "encode (msgspec.so)"], "SQL arguments and states"),
        ([*PUMPING, "Pass._encode (runtime/batch.py:220)", "encode (contracts/envelope.py:88)"], "encode"),
        ([*ROOT, "Intake._handle (runtime/intake.py:101)", "read (contracts/envelope.py:111)"], "decode"),
        ([*ROOT, "Relay.run (runtime/relay.py:1)", "append (default_records.c:10283)"], "Kafka client"),
        ([*PUMPING, "decide (orders/domain.py:416)", "gc_collect_main (libpython3.11.so.1.0)"], "garbage collector"),
        (PUMPING, PUMP),
        ([*ROOT, "uv__io_read (core.c:11)", "read (libc.so.6)"], LOOP),
    ],
)
def test_the_innermost_frame_that_says_something_decides(frames: list[str], stage: str) -> None:
    assert stage_of(frames) == stage


@pytest.mark.parametrize("leaf", ["epoll_pwait (libc.so.6)", "pthread_cond_timedwait (libc.so.6)"])
def test_a_thread_that_waits_uses_nothing(leaf: str) -> None:
    assert stage_of([*ROOT, leaf, "0x7f37e7ea3f16 (libc.so.6)"]) is None


def test_shares_are_parts_of_what_worked() -> None:
    working, waiting = ";".join(PUMPING), ";".join([*ROOT, "epoll_pwait (libc.so.6)"])
    deciding = f"{working};decide (orders/domain.py:1)"

    found = shares([f"{working} 100", f"{deciding} 300", f"{waiting} 9600"])

    assert found == {"decide": 0.75, PUMP: 0.25}


def test_a_few_samples_say_nothing_of_shares() -> None:
    deciding = f"{';'.join(PUMPING)};decide (orders/domain.py:1)"

    assert shares([f"{deciding} {ENOUGH - 1}"]) == {UNKNOWN: 1.0}
    assert shares([f"{deciding} {ENOUGH}"]) == {"decide": 1.0}


def test_no_samples_have_no_shares() -> None:
    assert shares([]) == {}
