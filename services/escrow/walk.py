"""How the lines of an order walk through the table: each takes the row of its own state, and those that take the same
row in one message go as a group."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from contracts.disputes import DisputeOpened
from contracts.message import Command, Message
from contracts.registry import REGISTRY
from escrow.process import Act, Ask, Branch, Decided, Later, Move, No, Process, Resume, Skip
from escrow.questions import owned, remaining
from escrow.state import Escrow, Kept, Paused, State, Tranche, change, tranches_of
from ledger.postings import Posting
from runtime.decision import Refused


class Walk(Struct):
    """One decision in the making: the order so far, everything to publish and book, and notes on what had no effect.
    It belongs to the decision that made it and is gone with it."""

    order: Escrow
    messages: list[Message] = []
    postings: list[Posting] = []
    notes: list[str] = []


_MOVES = frozenset({Move, Resume})


def walk(process: Process[State], so_far: Walk, message: Any, lines: Iterable[int], now: datetime) -> None:
    """Every line takes its row. `Refused` when all lines refuse the message, or one refuses a command: then nothing
    may come of the walk. Postponed messages of lines that moved are decided again, until none moves any more."""
    groups = _groups(process, so_far.order, message, lines, now)
    refused = [decided for decided, _ in groups if type(decided) is No]
    if refused and (len(refused) == len(groups) or isinstance(message, Command)):
        raise Refused(refused[0].code, refused[0].because)
    moved: list[int] = []
    for decided, taking in groups:
        _take(process, so_far, decided, taking, message, now)
        if type(decided) in _MOVES:
            moved += taking
    if moved and so_far.order.kept:
        _again(process, so_far, moved, now)


def resolve(branch: Branch, order: Escrow, tranche: Tranche, message: Any, now: datetime) -> Decided:
    """What a branch comes to for this line: its questions answered."""
    while isinstance(branch, Ask):
        branch = branch.answers[branch.by(order, tranche, message, now)]
    return branch


def _groups(
    process: Process[State], order: Escrow, message: Any, lines: Iterable[int], now: datetime
) -> list[tuple[Decided, list[int]]]:
    groups: dict[Decided, list[int]] = {}
    heard = type(message)
    for tranche in tranches_of(order, lines):
        decided = resolve(process.branch(tranche.state, heard), order, tranche, message, now)
        groups.setdefault(decided, []).append(tranche.line_no)
    return list(groups.items())


def _take(
    process: Process[State], so_far: Walk, decided: Decided, lines: Sequence[int], message: Any, now: datetime
) -> None:
    order = so_far.order
    match decided:
        case Move():
            if decided.to is not None or decided.within is not None:
                so_far.order = change(order, lines, lambda tranche: _moved(order, tranche, decided, now))
            _act(so_far, decided.do, lines, message, now)
        case Resume():
            so_far.order = change(order, lines, lambda tranche: _resumed(process, order, tranche, decided, now))
            _act(so_far, decided.do, lines, message, now)
        case Later(because):
            so_far.order = _keep(order, message, lines)
            so_far.notes.append(f"postponed: {because}")
        case Skip(because):
            so_far.notes.append(because)
        case No(code, because):
            so_far.notes.append(f"refused by some lines: {code}, {because}")


def _act(so_far: Walk, do: Sequence[Act], lines: Sequence[int], message: Any, now: datetime) -> None:
    for action in do:
        effects = action.run(so_far.order, tranches_of(so_far.order, lines), message, now)
        so_far.order = effects.order
        so_far.messages += effects.messages
        so_far.postings += effects.postings


def _moved(order: Escrow, tranche: Tranche, move: Move[State], now: datetime) -> Tranche:
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


def _again(process: Process[State], so_far: Walk, moved: Iterable[int], now: datetime) -> None:
    """Postponed messages in the order in which they came, from the first again whenever one is decided. It ends
    because a message that is decided for a line is no longer kept for it."""
    eligible, position = frozenset(moved), 0
    while position < len(so_far.order.kept):
        kept = so_far.order.kept[position]
        message = recalled(kept)
        waiting = eligible & set(kept.lines)
        concerned = _concerned(so_far.order, message, waiting)
        if concerned != waiting:
            so_far.order = _let_go(so_far.order, kept, waiting - concerned)
            so_far.notes.append("another case has taken the place of its own")
        ready = [
            (decided, lines)
            for decided, lines in _groups(process, so_far.order, message, concerned, now)
            if not isinstance(decided, Later)
        ]
        for decided, lines in ready:
            so_far.order = _let_go(so_far.order, kept, lines)
            _take(process, so_far, decided, lines, message, now)
        position = 0 if ready or concerned != waiting else position + 1


def recalled(kept: Kept) -> Message:
    """The message that was kept."""
    return REGISTRY[kept.type].model_validate_json(kept.body)


def _concerned(order: Escrow, message: Message, lines: frozenset[int]) -> frozenset[int]:
    """What is said in a case is for its own lines; meanwhile they may have come into another."""
    dispute_id = getattr(message, "dispute_id", None)
    if dispute_id is None or isinstance(message, DisputeOpened):
        return lines
    return frozenset(each.line_no for each in tranches_of(order, lines) if owned(order, each, dispute_id))


def _let_go(order: Escrow, kept: Kept, lines: Collection[int]) -> Escrow:
    def less(each: Kept) -> Kept:
        if (each.type, each.body) != (kept.type, kept.body):
            return each
        return replace(each, lines=tuple(line for line in each.lines if line not in lines))

    return replace(order, kept=tuple(each for each in map(less, order.kept) if each.lines))
