"""What a run has seen: the rows of the saga's table that were taken, and the codes with which orders refused.

A simulation that silently stops simulating is found by this: what it used to reach, it does not reach any more.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import escrow.walk
import orders.addresses
from escrow.process import Ask, Branch, Decided, Later, Move, No, Resume, Skip
from escrow.saga import ESCROW
from escrow.state import State
from orders.rules import REASONS
from runtime.decision import TimeUp
from runtime.fold import Done, Refusal
from tests.simulation.database import Change
from tests.simulation.node import Node


class Ending(NamedTuple):
    """What a row of the table comes to by one set of answers to its questions."""

    row: str
    words: str

    def __str__(self) -> str:
        return f"{self.row} {self.words}"


@dataclass
class Seen:
    """A watcher that counts; `refused` by service and code."""

    saga: Counter[Ending] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)

    def committed(self, node: Node, change: Change) -> None:
        for delivery, answer in zip(change.deliveries, change.answers, strict=True):
            if isinstance(answer, Refusal):
                self.refused[node.name, answer.code] += 1
            if node.name == "escrow" and delivery.item and isinstance(answer, Done | Refusal):
                ref, message = delivery.item.ref, type(delivery.item.message)
                if ref not in change.before and ref not in change.states and message is not TimeUp:
                    self.saga[_BY_IDENTITY[State.START, message, id(ESCROW.branch(State.START, message))]] += 1

    def quiet(self) -> None:
        pass

    def over(self) -> None:
        pass

    def add(self, other: "Seen") -> None:
        self.saga += other.saga
        self.refused += other.refused


def _endings(branch: Branch, by: str = "") -> Iterator[tuple[Decided, str]]:
    if isinstance(branch, Ask):
        for answer, below in branch.answers.items():
            yield from _endings(below, f"{by}{branch.by.__name__}={answer} ")
        return
    match branch:
        case Move(to=to):
            words = f"to {to.name}" if to else "stays"
        case Resume():
            words = "resumes"
        case Skip(because):
            words = f"ignored, {because}"
        case Later(because):
            words = f"postponed, {because}"
        case No(code, _):
            words = f"refused, {code}"
    yield branch, f"{by}→ {words}"


def _endings_of_all_rows() -> dict[tuple[Any, type, int], Ending]:
    """Every ending of every row, by state, message and its identity."""
    found = {}
    for number, row in enumerate(ESCROW.rows, 1):
        messages = "|".join(message.__name__ for message in row.messages)
        states = "|".join(state.name for state in row.states)
        for ending, words in _endings(row.branch):
            for message in row.messages:
                for state in row.states:
                    found[state, message, id(ending)] = Ending(f"row {number}: {messages} × {states}", words)
    return found


_BY_IDENTITY = _endings_of_all_rows()
ENDINGS = frozenset(_BY_IDENTITY.values())
"""One row has as many as its questions have answers."""


@contextmanager
def recording(seen: Seen) -> Iterator[None]:
    """Counts every row of the table that a line takes meanwhile."""
    resolve: Callable[..., Decided] = escrow.walk.resolve

    def counted(branch: Branch, order: Any, tranche: Any, message: Any, now: Any) -> Decided:
        decided = resolve(branch, order, tranche, message, now)
        seen.saga[_BY_IDENTITY[tranche.state, type(message), id(decided)]] += 1
        return decided

    escrow.walk.resolve = counted
    try:
        yield
    finally:
        escrow.walk.resolve = resolve


def refusals_of_orders() -> set[str]:
    """Every code that the decisions of orders name: found in their source, so that a new one is not forgotten. Not
    among them are those about addresses, which come by HTTP only and never by a topic, and the one for money that is on
    its way back already: no provider of these worlds collects what it was not asked for."""
    codes = {*REASONS}
    for source in set(Path(next(iter(orders.__path__))).glob("*.py")) - {Path(orders.addresses.__file__)}:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refused":
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    codes.add(first.value)
    return codes - {"not_stopped"}
