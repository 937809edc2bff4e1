"""How the lines of an order walk through the table: each takes the row of its own state, and those that take the same
row in one message go as a group."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from contracts.message import Command, Message
from contracts.registry import REGISTRY
from escrow.process import Ask, Branch, Decided, Later, Move, No, Process, Resume, Skip
from escrow.questions import remaining
from escrow.state import Escrow, Kept, Paused, State, Tranche, change, tranches_of
from ledger.postings import Posting
from runtime.decision import Refused


@dataclass(frozen=True, slots=True)
class Walked:
    """The order so far, with everything to publish and book, and notes on what had no effect."""

    order: Escrow
    messages: tuple[Message, ...] = ()
    postings: tuple[Posting, ...] = ()
    notes: tuple[str, ...] = ()


def walk(process: Process[State], so_far: Walked, message: Any, lines: Iterable[int], now: datetime) -> Walked:
    """Every line takes its row. `Refused` when all lines refuse the message, or one refuses a command: then nothing
    has happened. Postponed messages of lines that moved are decided again, until none moves any more."""
    groups = _groups(process, so_far.order, message, lines, now)
    refused = [decided for decided, _ in groups if isinstance(decided, No)]
    if refused and (isinstance(message, Command) or len(refused) == len(groups)):
        raise Refused(refused[0].code, refused[0].because)
    moved: list[int] = []
    for decided, taking in groups:
        so_far = _take(process, so_far, decided, taking, message, now)
        if isinstance(decided, Move | Resume):
            moved += taking
    return _again(process, so_far, moved, now) if moved and so_far.order.kept else so_far


def resolve(branch: Branch, order: Escrow, tranche: Tranche, message: Any, now: datetime) -> Decided:
    """What a branch comes to for this line: its questions answered."""
    while isinstance(branch, Ask):
        branch = branch.answers[branch.by(order, tranche, message, now)]
    return branch


def _groups(
    process: Process[State], order: Escrow, message: Any, lines: Iterable[int], now: datetime
) -> list[tuple[Decided, list[int]]]:
    groups: dict[Decided, list[int]] = {}
    for tranche in tranches_of(order, lines):
        decided = resolve(process.branch(tranche.state, type(message)), order, tranche, message, now)
        groups.setdefault(decided, []).append(tranche.line_no)
    return list(groups.items())


def _take(
    process: Process[State], so_far: Walked, decided: Decided, lines: Sequence[int], message: Any, now: datetime
) -> Walked:
    match decided:
        case Move():
            order = change(so_far.order, lines, lambda tranche: _moved(so_far.order, tranche, decided, now))
            return _act(_with(so_far, order), decided.do, lines, message, now)
        case Resume():
            order = change(so_far.order, lines, lambda tranche: _resumed(process, so_far.order, tranche, decided, now))
            return _act(_with(so_far, order), decided.do, lines, message, now)
        case Later(because):
            return _noted(_with(so_far, _keep(so_far.order, message, lines)), f"postponed: {because}")
        case Skip(because):
            return _noted(so_far, because)
        case No(code, because):
            return _noted(so_far, f"refused by some lines: {code}, {because}")


def _act(so_far: Walked, do: Sequence[Any], lines: Sequence[int], message: Any, now: datetime) -> Walked:
    for action in do:
        effects = action.run(so_far.order, tranches_of(so_far.order, lines), message, now)
        so_far = Walked(
            effects.order,
            (*so_far.messages, *effects.messages),
            (*so_far.postings, *effects.postings),
            so_far.notes,
        )
    return so_far


def _moved(order: Escrow, tranche: Tranche, move: Move[State], now: datetime) -> Tranche:
    if move.to is None and move.within is None:
        return tranche
    deadline = now + move.within(order, tranche) if move.within else None
    remind = deadline - move.remind(order, tranche) if deadline and move.remind else None
    paused = tranche.paused if move.to is None else ()
    if move.pauses:
        paused = (*tranche.paused, Paused(tranche.state, remaining(tranche, now)))
    return replace(
        tranche,
        state=move.to or tranche.state,
        deadline_at=deadline,
        remind_at=remind if remind and remind > now else None,
        paused=paused,
    )


def _resumed(process: Process[State], order: Escrow, tranche: Tranche, resume: Resume, now: datetime) -> Tranche:
    *below, top = tranche.paused
    deadline = now + max(timedelta(seconds=top.left), resume.at_least(order, tranche))
    reminder = process.reminders.get(top.state)
    remind = deadline - reminder(order, tranche) if reminder else None
    return replace(
        tranche,
        state=top.state,
        deadline_at=deadline,
        remind_at=remind if remind and remind > now else None,
        paused=tuple(below),
    )


def _keep(order: Escrow, message: Message, lines: Sequence[int]) -> Escrow:
    body = message.model_dump_json()
    same = next((kept for kept in order.kept if kept.type == message.CE_TYPE and kept.body == body), None)
    if same is None:
        return replace(order, kept=(*order.kept, Kept(message.CE_TYPE, message.key, body, tuple(lines))))
    more = replace(same, lines=tuple(sorted({*same.lines, *lines})))
    return replace(order, kept=tuple(more if kept is same else kept for kept in order.kept))


def _again(process: Process[State], so_far: Walked, moved: Iterable[int], now: datetime) -> Walked:
    """Postponed messages in the order in which they came, from the first again whenever one moves a line. It ends
    because a message that moves a line is no longer kept for it."""
    eligible, position = frozenset(moved), 0
    while position < len(so_far.order.kept):
        kept = so_far.order.kept[position]
        message = REGISTRY[kept.type].model_validate_json(kept.body)
        ready = [
            (decided, lines)
            for decided, lines in _groups(process, so_far.order, message, eligible & set(kept.lines), now)
            if not isinstance(decided, Later)
        ]
        for decided, lines in ready:
            so_far = _take(process, _with(so_far, _let_go(so_far.order, kept, lines)), decided, lines, message, now)
        position = 0 if ready else position + 1
    return so_far


def _let_go(order: Escrow, kept: Kept, lines: Sequence[int]) -> Escrow:
    def less(each: Kept) -> Kept:
        if (each.type, each.body) != (kept.type, kept.body):
            return each
        return replace(each, lines=tuple(line for line in each.lines if line not in lines))

    return replace(order, kept=tuple(each for each in map(less, order.kept) if each.lines))


def _with(so_far: Walked, order: Escrow) -> Walked:
    return Walked(order, so_far.messages, so_far.postings, so_far.notes)


def _noted(so_far: Walked, note: str) -> Walked:
    return Walked(so_far.order, so_far.messages, so_far.postings, (*so_far.notes, note))
