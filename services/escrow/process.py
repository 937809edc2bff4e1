"""A process as one table: state × message → what to do. The words the table is written in, and the checks it passes.

`Process(…)` refuses a table (`BrokenTable`) in which a pair is handled twice or not at all, a state cannot be reached,
a state waits without a deadline, or a question has an answer without a branch. It knows nothing of what moves.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Any, Generic, TypeVar, get_type_hints

from runtime.decision import TimeUp

S = TypeVar("S", bound=StrEnum)

Span = Callable[[Any, Any], timedelta]
"""`span(order, tranche)`: how long. Its docstring says what for."""

Messages = type | Sequence[type]


class BrokenTable(Exception):
    """The table contradicts itself; the text names the pair of message and state."""


@dataclass(frozen=True, slots=True)
class ReminderDue:
    """Some lines are to be reminded of their deadline. `due_at` is when that was to be."""

    due_at: datetime


@dataclass(frozen=True, slots=True)
class Act:
    """Something done when a row is taken: `run(order, group, message, now)`, and the words for it in documents."""

    run: Callable[..., Any]
    words: str


@dataclass(frozen=True, eq=False, slots=True)
class Move(Generic[S]):
    """To a state (None: stays where it is), with a new deadline if `within` is given. With `pauses` the state it comes
    from is remembered together with the time its clock had left. Compared by identity: lines that take the same
    `Move` in one message are a group."""

    to: S | None
    do: tuple[Act, ...] = ()
    within: Span | None = None
    remind: Span | None = None
    pauses: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Resume:
    """Back to the state that was paused, its clock going on with what was left, or `at_least`."""

    at_least: Span
    do: tuple[Act, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Skip:
    """Expected, and without effect."""

    because: str


@dataclass(frozen=True, eq=False, slots=True)
class Later:
    """Kept, and decided again as soon as the line has taken another row."""

    because: str


@dataclass(frozen=True, eq=False, slots=True)
class No:
    """Refused with a stable code: it should not have come, or must not be done now."""

    code: str
    because: str


@dataclass(frozen=True, eq=False, slots=True)
class Ask:
    """`by(order, tranche, message, now)` answers with a bool or a member of an enum; each answer has its branch."""

    by: Callable[..., Any]
    answers: Mapping[Any, "Branch"]


Branch = Move[Any] | Resume | Skip | Later | No | Ask
Decided = Move[Any] | Resume | Skip | Later | No


@dataclass(frozen=True, slots=True)
class Row:
    """Some messages in some states, and what then."""

    messages: tuple[type, ...]
    states: tuple[StrEnum, ...]
    branch: Branch


def go(
    to: S, *, do: Sequence[Act] = (), within: Span | None = None, remind: Span | None = None, pauses: bool = False
) -> Move[S]:
    """To a state; `within` is the deadline of the wait there, `remind` how long before it someone is reminded."""
    return Move(to, tuple(do), within, remind, pauses)


def stay(*, do: Sequence[Act] = (), within: Span | None = None) -> Move[Any]:
    """In the same state, with the same deadline unless `within` sets a new one."""
    return Move(None, tuple(do), within)


def back(*, at_least: Span, do: Sequence[Act] = ()) -> Resume:
    """To where the line was when it was paused."""
    return Resume(at_least, tuple(do))


def skip(because: str) -> Skip:
    """A branch without effect."""
    return Skip(because)


def later(because: str) -> Later:
    """A branch that postpones."""
    return Later(because)


def no(code: str, because: str) -> No:
    """A branch that refuses."""
    return No(code, because)


def either(by: Callable[..., Any], answers: Mapping[Any, Branch]) -> Ask:
    """A question, and a branch for each of its answers."""
    return Ask(by, dict(answers))


def on(
    messages: Messages,
    *states: StrEnum,
    to: StrEnum | None = None,
    do: Sequence[Act] = (),
    within: Span | None = None,
    remind: Span | None = None,
    pauses: bool = False,
    then: Branch | None = None,
) -> Row:
    """A row: in these states, these messages do this. Without `to` the line stays; with `then` a branch decides."""
    return _row(messages, states, then if then is not None else Move(to, tuple(do), within, remind, pauses))


def ignore(messages: Messages, *states: StrEnum, because: str) -> Row:
    """In these states these messages are expected and change nothing."""
    return _row(messages, states, Skip(because))


def postpone(messages: Messages, *states: StrEnum, because: str) -> Row:
    """In these states these messages wait until the line has moved, and are decided then."""
    return _row(messages, states, Later(because))


def refuse(messages: Messages, *states: StrEnum, code: str, because: str) -> Row:
    """In these states these messages are refused."""
    return _row(messages, states, No(code, because))


def _row(messages: Messages, states: tuple[StrEnum, ...], branch: Branch) -> Row:
    return Row((messages,) if isinstance(messages, type) else tuple(messages), states, branch)


def ends(branch: Branch) -> Iterator[Decided]:
    """What a branch can come to, questions followed."""
    if isinstance(branch, Ask):
        for answer in branch.answers.values():
            yield from ends(answer)
    else:
        yield branch


def words(thing: Callable[..., Any]) -> str:
    """The first line of a question's or a span's docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0].rstrip(".")


@dataclass(frozen=True)
class Process(Generic[S]):
    """The checked table. `resting` states are final for all but rows that say otherwise, `by_hand` states wait for a
    person without a deadline; every other state but `start` waits with one."""

    start: S
    resting: tuple[S, ...]
    by_hand: tuple[S, ...]
    rows: Sequence[Row]
    table: Mapping[tuple[S, type], Branch] = field(init=False, repr=False)
    reminders: Mapping[S, Span] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _table(self))
        object.__setattr__(self, "reminders", _reminders(self))
        _check(self)

    @property
    def states(self) -> tuple[S, ...]:
        """All states there are."""
        return tuple(type(self.start))

    @property
    def messages(self) -> tuple[type, ...]:
        """Every type of message a row names, in the order of the table."""
        return tuple(dict.fromkeys(message for row in self.rows for message in row.messages))

    @property
    def waiting(self) -> frozenset[S]:
        """The states with a deadline."""
        return frozenset(self.states) - {self.start, *self.resting, *self.by_hand}

    def branch(self, state: S, message: type) -> Branch:
        """What the table says; KeyError for a type of message no row names."""
        return self.table[state, message]

    def moves(self) -> Iterator[tuple[S, type, Move[Any] | Resume]]:
        """Every (from, message, move) there is."""
        for (state, message), branch in self.table.items():
            for end in ends(branch):
                if isinstance(end, Move | Resume):
                    yield state, message, end


def _table(process: Process[S]) -> dict[tuple[S, type], Branch]:
    table: dict[tuple[S, type], Branch] = {}
    for row in process.rows:
        for message in row.messages:
            for state in row.states:
                pair = _known(process, state, message), message
                if pair in table:
                    raise BrokenTable(f"{message.__name__} × {state.name} is handled twice")
                table[pair] = row.branch
    return table


def _known(process: Process[S], state: StrEnum, message: type) -> S:
    if not isinstance(state, type(process.start)):
        raise BrokenTable(f"{message.__name__} × {state!r}: not a state of this process")
    return state


def _reminders(process: Process[S]) -> dict[S, Span]:
    reminders: dict[S, Span] = {}
    for state, message, move in process.moves():
        if isinstance(move, Move) and move.remind is not None:
            target = move.to if move.to is not None else state
            if reminders.setdefault(target, move.remind) is not move.remind:
                raise BrokenTable(f"{message.__name__} × {state.name}: {target.name} has another reminder already")
    return reminders


def _check(process: Process[S]) -> None:
    for (state, message), branch in process.table.items():
        _check_branch(process, f"{message.__name__} × {state.name}", state, message, branch)
    _check_complete(process)
    _check_reachable(process)


def _check_branch(process: Process[S], pair: str, state: S, message: type, branch: Branch) -> None:
    match branch:
        case Ask():
            for answer in _answers(pair, branch):
                _check_branch(process, pair, state, message, branch.answers[answer])
        case Move():
            _check_deadline(process, pair, state, message, branch)
        case Resume():
            if not any(isinstance(move, Move) and move.pauses and move.to is state for _, _, move in process.moves()):
                raise BrokenTable(f"{pair} goes back, but nothing pauses into {state.name}")
        case Later() if state is process.start or state in process.resting:
            raise BrokenTable(f"{pair} is postponed, but {state.name} waits for nothing")
        case Skip() | Later() if message is TimeUp:
            raise BrokenTable(f"{pair} has no consequence: the line would wait for ever")
        case No(code="") | No(because="") | Skip(because="") | Later(because=""):
            raise BrokenTable(f"{pair} gives no reason")


def _answers(pair: str, ask: Ask) -> Iterable[Any]:
    name = getattr(ask.by, "__name__", repr(ask.by))
    answer = get_type_hints(ask.by).get("return")
    if answer is bool:
        possible: set[Any] = {True, False}
    elif isinstance(answer, type) and issubclass(answer, Enum):
        possible = set(answer)
    else:
        raise BrokenTable(f"{pair}: {name} must be declared to return a bool or an enum, so that no answer is missed")
    for missing in possible - ask.answers.keys():
        raise BrokenTable(f"{pair}: {name} may answer {missing}, and there is no branch for it")
    for foreign in ask.answers.keys() - possible:
        raise BrokenTable(f"{pair}: {name} never answers {foreign}")
    return ask.answers


def _check_deadline(process: Process[S], pair: str, state: S, message: type, move: Move[Any]) -> None:
    target: S = move.to if move.to is not None else _known(process, state, message)
    if target in process.waiting:
        if move.within is None and (move.to is not None or message is TimeUp):
            raise BrokenTable(f"{pair} waits in {target.name} without a deadline: say within=…")
    elif move.within is not None:
        raise BrokenTable(f"{pair} sets a deadline in {target.name}, which has none")
    if move.remind is not None and move.within is None:
        raise BrokenTable(f"{pair} reminds of a deadline it does not set")
    if move.pauses and state not in process.waiting:
        raise BrokenTable(f"{pair} pauses {state.name}, which has no clock")
    if target is process.start:
        raise BrokenTable(f"{pair} stays in {target.name}, where nothing is known yet")


def _check_complete(process: Process[S]) -> None:
    for state in process.states:
        for message in (*process.messages, TimeUp, ReminderDue):
            handled = (state, message) in process.table
            due = {TimeUp: state in process.waiting, ReminderDue: state in process.reminders}.get(message, True)
            if due and not handled:
                raise BrokenTable(
                    f"{message.__name__} × {state.name} is not handled: say on, ignore, postpone or refuse"
                )
            if handled and not due:
                raise BrokenTable(f"{message.__name__} × {state.name} cannot happen: {state.name} sets no such timer")


def _check_reachable(process: Process[S]) -> None:
    edges: dict[S, set[S]] = {state: set() for state in process.states}
    for state, _, move in process.moves():
        if isinstance(move, Move) and move.to is not None:
            edges[state].add(move.to)
    for state in set(process.states) - _closure(edges, process.start):
        raise BrokenTable(f"{state.name} cannot be reached from {process.start.name}")
    for state in process.states:
        if not _closure(edges, state) & set(process.resting):
            raise BrokenTable(f"{state.name} never comes to rest")


def _closure(edges: Mapping[S, set[S]], start: S) -> set[S]:
    found, frontier = {start}, [start]
    while frontier:
        new = edges[frontier.pop()] - found
        found |= new
        frontier.extend(new)
    return found
