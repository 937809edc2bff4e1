"""A service in memory: messages and due timers folded one by one, as the pump would, with nothing real around it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from contracts.message import Message
from runtime.decision import Ref, Service, TimeUp
from runtime.fold import Done, Failed, Item, Refusal, Versioned, fold


@dataclass
class Folding:
    """A service's states, timers and postings so far. Every state goes through its JSON, as it would in the database,
    and a decision sees nothing but what its route declares."""

    service: Service
    now: datetime
    states: dict[Ref, Versioned] = field(default_factory=dict)
    timers: dict[tuple[Ref, str], datetime] = field(default_factory=dict)
    postings: list[Any] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    refused: Refusal | None = None
    """The last message's refusal, if it was refused."""
    note: str = ""
    """The last message's note."""

    def tell(self, *messages: Message) -> list[Message]:
        """Handles messages, each in a batch of its own; returns what they made the service send."""
        sent: list[Message] = []
        for message in messages:
            route = self.service.routes[type(message)]
            key = route.key(message)
            if key is None:
                self.refused, self.note = None, "passed"
                continue
            sent += self._fold(Ref(route.aggregate, key), message, tuple(route.reads(message)))
        return sent

    def refuses(self, message: Message) -> str:
        """Handles a message that must be refused; returns the code. Nothing may have changed."""
        states, timers, postings = dict(self.states), dict(self.timers), list(self.postings)
        sent = self.tell(message)
        assert self.refused is not None, f"{message!r} was not refused but sent {sent}"
        assert (sent, states, timers, postings) == ([], self.states, self.timers, self.postings)
        return self.refused.code

    def wait(self, span: timedelta) -> list[Message]:
        """Lets time pass; due timers fire in their order, each at its own time. Returns what that made it send."""
        until = self.now + span
        sent: list[Message] = []
        while due := [(at, *place) for place, at in self.timers.items() if at <= until]:
            at, ref, name = min(due)
            del self.timers[ref, name]
            self.now = max(self.now, at)
            sent += self._fold(ref, TimeUp(name, at), ())
        self.now = until
        return sent

    def state(self, aggregate: str, id: str) -> Any:
        """An aggregate's state, None if there is none."""
        found = self.states.get(Ref(aggregate, id))
        return found.state if found else None

    def _fold(self, ref: Ref, message: Message | TimeUp, reads: tuple[Ref, ...]) -> list[Message]:
        loaded = {known: self.states[known] for known in (ref, *reads) if known in self.states}
        folded = fold(self.service, [Item("cause", ref, message, ref.id, reads)], loaded, self.now)
        (result,) = folded.results
        if isinstance(result, Failed):
            raise result.error
        self.refused = result if isinstance(result, Refusal) else None
        self.note = result.note if isinstance(result, Done) else ""
        for changed, after in folded.states.items():
            document = msgspec.json.encode(after.state)
            stored = msgspec.json.decode(document, type=type(after.state))
            assert stored == after.state, "the state must survive its JSON"
            self.states[changed] = Versioned(stored, after.version)
        for (timed, name), due_at in folded.timers.items():
            self.timers.pop((timed, name), None)
            if due_at is not None:
                self.timers[timed, name] = due_at
        self.postings += [posting for _, posting in folded.postings]
        sent = [produced.message for produced in folded.produced]
        assert all(type(one).model_validate_json(one.model_dump_json()) == one for one in sent)
        self.sent += sent
        return sent
