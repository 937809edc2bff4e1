"""Draws the saga out of its table: `python -m escrow.diagram` writes docs/saga.md, with `--check` it only compares."""

import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from escrow import policy
from escrow.policy import Policy
from escrow.process import Act, Ask, Branch, Later, Move, No, ReminderDue, Resume, Skip, Span, words
from escrow.saga import ESCROW
from escrow.state import MEANING, RESTING, Escrow, State, Tranche
from runtime.decision import TimeUp

DOCUMENT = Path(__file__).parents[2] / "docs" / "saga.md"

ASIDE = frozenset({State.CHARGEBACK, State.CHARGED_BACK, State.WITH_OPERATOR, State.AFTER_RELEASE, State.RECOVERING})
"""States off the usual way, which have a picture of their own."""

NAMES = {TimeUp: "deadline", ReminderDue: "reminder"}


def document() -> str:
    """docs/saga.md, whole."""
    return "\n".join([*_intro(), *_pictures(), *_deadlines(), *_states(), *_reasons()]) + "\n"


def _intro() -> Iterator[str]:
    yield "# The life of a paid order's money"
    yield ""
    yield "Drawn from `services/escrow/saga.py` by `python -m escrow.diagram`; do not edit."
    yield ""
    yield "Every line of an order walks this table by itself. Lines that take the same row by the same message go as"
    yield "a group: one event, one refund or payout for their sum. A message that is *postponed* is decided again as"
    yield "soon as the line has taken another row; what is *ignored* comes late or twice; what is *refused* is logged"
    yield "and counted, and a refused command is answered."
    yield ""


def _pictures() -> Iterator[str]:
    yield "## The usual way"
    yield ""
    yield from _picture(edge for edge in _edges() if ASIDE.isdisjoint(edge[:2]))
    yield "## Off the usual way: after the release, chargebacks, operators"
    yield ""
    yield from _picture(edge for edge in _edges() if not ASIDE.isdisjoint(edge[:2]))


def _edges() -> Iterator[tuple[State, State, str]]:
    """(from, to, message); back to a paused state is an edge to each state that can be paused there."""
    paused: dict[State, list[State]] = {}
    for state, _, move in ESCROW.moves():
        if isinstance(move, Move) and move.pauses and move.to is not None:
            paused.setdefault(move.to, []).append(state)
    for state, message, move in ESCROW.moves():
        if isinstance(move, Resume):
            for before in dict.fromkeys(paused[state]):
                yield state, before, _name(message)
        elif move.to is not None:
            yield state, move.to, _name(message)


def _picture(edges: Iterable[tuple[State, State, str]]) -> Iterator[str]:
    labels: dict[tuple[State, State], dict[str, None]] = {}
    for before, after, message in edges:
        labels.setdefault((before, after), {})[message] = None
    yield "```mermaid"
    yield "stateDiagram-v2"
    if any(before is State.START for before, _ in labels):
        yield "    [*] --> start"
    for (before, after), messages in labels.items():
        yield f"    {before.value} --> {after.value}: {' | '.join(messages)}"
    for state in RESTING:
        if any(state in pair for pair in labels):
            yield f"    {state.value} --> [*]"
    yield "```"
    yield ""


def _deadlines() -> Iterator[str]:
    newest = policy.POLICIES[-1]
    yield f"## How long everyone has (policy {newest.version})"
    yield ""
    yield "An order keeps the policy version that was valid when it was paid. Where a span depends on the countries of"
    yield "seller and buyer, the longest and shortest are given."
    yield ""
    yield "| span | until | how long |"
    yield "|---|---|---|"
    for span in policy.SPANS:
        yield f"| {_name(span)} | {words(span)} | {_length(span, newest)} |"
    yield ""


def _length(span: Span, version: Policy) -> str:
    if span is policy.back_off:
        waits = ", ".join(_text(each) for each in version.back_off)
        return f"{waits}; then an operator"
    if span is policy.answer:
        return f"{_text(version.answer)}; asked {version.queries} times; then an operator"
    countries = [("CN", "FR"), ("CN", "CN"), *version.lanes]
    lengths = sorted({span(_order(version, seller, buyer), _LINE) for seller, buyer in countries})
    return " to ".join(dict.fromkeys((_text(lengths[0]), _text(lengths[-1]))))


_LINE = Tranche(line_no=1, category="any", price=1, presented=1, tries=1)


def _order(version: Policy, seller: str, buyer: str) -> Escrow:
    return Escrow(
        order_id="any",
        buyer_id="any",
        seller_id="any",
        buyer_country=buyer,
        seller_country=seller,
        method="any",
        settlement="EUR",
        presentment="EUR",
        policy=version.version,
        tranches=(_LINE,),
    )


def _text(span: timedelta) -> str:
    days, hours = span // timedelta(days=1), span % timedelta(days=1) // timedelta(hours=1)
    return " ".join(f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in ((days, "day"), (hours, "hour")) if n)


def _states() -> Iterator[str]:
    yield "## State by state"
    yield ""
    for state in ESCROW.states:
        yield f"### {state.value}"
        yield ""
        yield MEANING[state] + _wait(state)
        yield ""
        yield "| message | then |"
        yield "|---|---|"
        for message in (*ESCROW.messages, TimeUp, ReminderDue):
            branch = ESCROW.table.get((state, message))
            if branch is not None and not isinstance(branch, Skip | Later | No):
                yield f"| {_name(message)} | {_told(branch)} |"
        yield ""
        for verb, kind in (("Postponed", Later), ("Ignored", Skip), ("Refused", No)):
            told = _passive(state, kind)
            if told:
                yield f"{verb}: {told}."
                yield ""


def _wait(state: State) -> str:
    if state in ESCROW.by_hand:
        return " It waits in the operators' queue, without a deadline."
    if state in RESTING:
        return " It rests."
    spans = {
        move.within: None
        for before, _, move in ESCROW.moves()
        if isinstance(move, Move) and move.within and (move.to or before) is state
    }
    if not spans:
        return ""
    reminder = ESCROW.reminders.get(state)
    reminded = f", a reminder comes {_name(reminder)} before" if reminder else ""
    return f" It waits for: {', '.join(_name(span) for span in spans)}{reminded}."


def _passive(state: State, kind: type[Any]) -> str:
    reasons: dict[str, list[str]] = {}
    for message in ESCROW.messages:
        branch = ESCROW.table.get((state, message))
        if isinstance(branch, kind):
            code = f"`{branch.code}`, " if isinstance(branch, No) else ""
            reasons.setdefault(f"{code}{branch.because}", []).append(_name(message))
    return "; ".join(f"{', '.join(messages)} ({reason})" for reason, messages in reasons.items())


def _told(branch: Branch) -> str:
    match branch:
        case Ask(by, answers):
            told = "; ".join(f"**{_answer(each)}**: {_told(then)}" for each, then in answers.items())
            return f"*{words(by)}* {told}"
        case Move(to, do, within, _, pauses):
            where = f"→ **{to.value}**" if to is not None else "stays"
            clock = " (the clock is paused)" if pauses else ""
            again = f" (again: {_name(within)})" if to is None and within else ""
            return f"{where}{clock}{again}{_done(do)}"
        case Resume(at_least, do):
            return f"→ **where it was**, with what was left or {_name(at_least)}{_done(do)}"
        case No(code, because):
            return f"refused, `{code}`: {because}"
        case Later(because):
            return f"postponed: {because}"
        case Skip(because):
            return f"ignored: {because}"


def _done(do: Iterable[Act]) -> str:
    told = " · ".join(action.words for action in do)
    return f": {told}" if told else ""


def _answer(answer: Any) -> str:
    return {True: "yes", False: "no"}.get(answer, str(getattr(answer, "value", answer)).replace("_", " "))


def _name(thing: Any) -> str:
    name = NAMES.get(thing, getattr(thing, "__name__", str(thing)))
    return name.replace("_", " ")


def _reasons() -> Iterator[str]:
    yield "## What was decided, and why"
    yield ""
    yield from (f"- {reason}" for reason in REASONS)


REASONS = (
    "A buyer who confirms receipt after opening a case gives it up: the line is released and the case is closed. A"
    " confirmation from before the case is postponed, and counts when the case is withdrawn.",
    "A case opened while a payout is under way is postponed until it is known whether the seller has the money. Where"
    " the payout failed, the money is still here and serves the buyer first; where it went out, deposit and fund pay"
    " (P8).",
    "A ruling `return` or `replace` after the release works like one before it: the refund at its end comes from"
    " wherever the money is. Nothing can be kept back for a replacement sent after the release; it ends the case.",
    "A ruling names the lines it is about; the other lines of the case stay disputed. A case that nobody rules is"
    " decided for the buyer, before and after the release.",
    "A split gives the buyer the ruled part of what was paid, rounded down in presentment currency, and the seller the"
    " same part of the price that the rest is of the payment, rounded down in settlement currency, less the fee. What"
    " rounding leaves stays in the platform's currency position; the hold ends at exactly zero. A split that rounds to"
    " nothing for the buyer is a release.",
    "Fees are rounded down. They are not taken from refunds, and not given back when a case is won after the payout.",
    "A chargeback takes from the provider exactly what the bank took, and sets the held lines against it on the order's"
    " own chargeback account. Where the two differ (part of the payment, lines released or refunded before) the rest"
    " stays on that account and an operator is asked. A line that was released or refunded before is not touched.",
    "While the bank decides, everything else about the line is postponed: after a reversal it is decided in the order"
    " in which it came; after a loss nothing moves any more, and nothing is refunded twice.",
    "No refund is sent while a bank holds money of the order back, whoever asks for it. A refund that was under way"
    " when the bank took the money goes its way, but one that failed, or never arrived, is not sent again: an operator"
    " waits for a reversal and retries, or records `by_bank`, and what stood ready for the refund is set against what"
    " the bank took.",
    "What a deposit pays for a line that the bank took meanwhile is set against the chargeback, not refunded.",
    "An operation without an answer is asked for and never sent under a new id. A failed one is, after a wait, and"
    " beyond its tries only by an operator. An answer that comes late, in any state that still waits for it, counts.",
)


def main(arguments: list[str]) -> int:
    """Writes the document, or with `--check` says whether it is up to date: exit status 0, or 1."""
    if arguments == ["--check"]:
        if DOCUMENT.exists() and DOCUMENT.read_text(encoding="utf-8") == document():
            return 0
        print(f"{DOCUMENT.name} does not agree with the table: run python -m escrow.diagram")
        return 1
    DOCUMENT.write_text(document(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
