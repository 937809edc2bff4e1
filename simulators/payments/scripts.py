"""What is to go wrong, by operation or reference."""

from datetime import datetime

import msgspec

from contracts.message import Message
from runtime.decision import Look, Outcome, TimeUp
from simulators.payments.control import ClearScript, Misbehaviour, ScriptOperation


class Rule(msgspec.Struct, frozen=True):
    """One thing that goes wrong: see `control.ScriptOperation`."""

    outcome: Misbehaviour
    reason: str | None
    attempts: int | None


class Script(msgspec.Struct, frozen=True):
    """Everything that goes wrong with a target, at most one rule an outcome."""

    target: str
    rules: tuple[Rule, ...] = ()


def decide(state: Script | None, message: Message | TimeUp, now: datetime, look: Look) -> Outcome[Script]:
    """Decides one message for one script; never refuses."""
    match message:
        case ScriptOperation():
            others = tuple(rule for rule in (state.rules if state else ()) if rule.outcome is not message.outcome)
            rule = Rule(message.outcome, message.reason, message.attempts)
            return Outcome(Script(message.target, (*others, rule)))
        case ClearScript():
            return Outcome(Script(message.target)) if state else Outcome(note="nothing_scripted")
    raise TypeError(f"a script does not decide {type(message).__name__}")
