"""Cycles are collected between batches, never within one.

A batch of 500 messages makes more than a hundred thousand objects that die with it, without a cycle among them. A
collection in its midst finds them all alive, and that is most of what collections cost.
"""

import gc
import itertools

SAFETY_NET = 500_000
"""Objects made and not freed after which Python collects by itself, wherever it stands: no batch makes so many."""
MANY = 100_000
"""Objects left over from batches that are worth a look; there are that few cycles that most of them are in use."""
OLDER_EVERY, ALL_EVERY = 4, 16
"""Looks, of which one goes on to what earlier looks left, or to everything."""

_looks = itertools.count(1)


def begin() -> None:
    """What was imported lives as long as the process; without this every full collection walks it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(SAFETY_NET, 20, 50)


def between_batches() -> None:
    """Collects if there is something to be found."""
    if gc.get_count()[0] < MANY:
        return
    look = next(_looks)
    gc.collect(2 if look % ALL_EVERY == 0 else 1 if look % OLDER_EVERY == 0 else 0)
