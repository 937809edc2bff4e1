"""A batch decided in memory: order within a key, one message's failure its own, timers that are no more."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from contracts.message import Command, Event, Id, Refusal
from runtime.decision import Aggregate, Look, Outcome, Ref, Refused, Service, Timer, TimeUp, to
from runtime.fold import Behind, Done, Failed, Folded, Item, Versioned, fold
from runtime.fold import Refusal as Answer

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ACTOR = {"id": "tests", "role": "service"}


class Do(Command, key="thing"):
    """Does `what`: a word to note, or one of those below."""

    thing: Id
    what: str
    other: Id = "none"


class Did(Event, key="thing"):
    """What was done."""

    thing: Id
    what: str


class CommandRefused(Refusal, key="subject"):
    """Not done."""


class Notes(msgspec.Struct, frozen=True):
    words: tuple[str, ...] = ()


def decide(state: Notes | None, message: Do | TimeUp, now: datetime, look: Look) -> Outcome[Notes]:
    words = (state or Notes()).words
    if isinstance(message, TimeUp):
        return Outcome(Notes((*words, f"{message.name} at {message.due_at:%H:%M}")))
    match message.what:
        case "nothing":
            return Outcome(note="nothing_to_do")
        case "no":
            raise Refused("no", "ask for something else")
        case "bug":
            raise ZeroDivisionError
        case "set" | "set again":
            return Outcome(Notes(words), timers=[Timer("alarm", NOW if message.what == "set" else later(1))])
        case "cancel":
            return Outcome(Notes(words), timers=[Timer("alarm", None)])
        case "look":
            seen = look("things", message.other)
            return Outcome(Notes((*words, "saw " + ",".join(seen.words if seen else ["nothing"]))))
    return Outcome(
        Notes((*words, message.what)), [Did(thing=message.thing, what=message.what)], postings=[message.what]
    )


SERVICE = Service("tests", (Aggregate("things", Notes, decide),), {Do: to("things", "thing")}, CommandRefused)


def later(hours: int) -> datetime:
    return NOW + timedelta(hours=hours)


def do(thing: str, what: str, *, other: str = "none", version: int | None = None, parks: bool = True) -> Item:
    message = Do.model_validate({"actor": ACTOR, "thing": thing, "what": what, "other": other})
    message = message.model_copy(update={"expected_version": version})
    return Item(f"{thing}-{what}", Ref("things", thing), message, thing, parks=parks)


def alarm(thing: str, due_at: datetime = NOW) -> Item:
    return Item(f"timer-{thing}", Ref("things", thing), TimeUp("alarm", due_at), thing)


def folded(items: Sequence[Item], **before: Versioned) -> Folded:
    return fold(SERVICE, items, {Ref("things", thing): state for thing, state in before.items()}, NOW)


def words(result: Folded, thing: str) -> Any:
    return result.states[Ref("things", thing)].state.words


def kinds(result: Folded) -> list[type]:
    return [type(one) for one in result.results]


def test_messages_of_a_key_see_each_others_effects_in_order() -> None:
    result = folded([do("a", "one"), do("b", "uno"), do("a", "two"), do("a", "three")])
    assert words(result, "a") == ("one", "two", "three")
    assert result.states[Ref("things", "a")].version == 3
    assert [(one.message.what, one.sequence) for one in result.produced] == [
        ("one", 1), ("uno", 1), ("two", 2), ("three", 3),
    ]  # fmt: skip


def test_what_stood_before_is_gone_on_with() -> None:
    result = folded([do("a", "two")], a=Versioned(Notes(("one",)), 7))
    assert (words(result, "a"), result.states[Ref("things", "a")].version) == (("one", "two"), 8)


def test_effects_name_their_cause() -> None:
    result = folded([do("a", "one")])
    assert [(one.causation_id, one.correlation_id) for one in result.produced] == [("a-one", "a")]
    assert result.postings == [("a-one", "one")]


def test_what_changes_nothing_is_done_with_a_note_and_no_version() -> None:
    result = folded([do("a", "nothing")], a=Versioned(Notes(("one",)), 7))
    (answer,) = result.results
    assert isinstance(answer, Done) and (answer.version, answer.note) == (7, "nothing_to_do")
    assert (result.states, result.produced) == ({}, [])


def test_a_refusal_is_an_answer_and_holds_nothing_up() -> None:
    result = folded([do("a", "one"), do("a", "no"), do("a", "two")])
    assert result.results[1] == Answer("no", "ask for something else")
    assert words(result, "a") == ("one", "two")


def test_a_decision_that_raises_keeps_back_what_follows_for_its_key_and_nothing_else() -> None:
    result = folded([do("a", "one"), do("a", "bug"), do("b", "uno"), do("a", "two"), alarm("a"), do("b", "due")])
    assert kinds(result) == [Done, Failed, Done, Behind, Behind, Done]
    assert (words(result, "a"), words(result, "b")) == (("one",), ("uno", "due"))


def test_a_callers_failure_keeps_nothing_back() -> None:
    result = folded([do("a", "bug", parks=False), do("a", "one")])
    assert kinds(result) == [Failed, Done]
    assert words(result, "a") == ("one",)


@pytest.mark.parametrize(("version", "fits"), [(None, True), (0, False), (1, True), (2, False)])
def test_a_command_for_another_version_is_refused(version: int | None, fits: bool) -> None:
    result = folded([do("a", "two", version=version)], a=Versioned(Notes(("one",)), 1))
    (answer,) = result.results
    assert isinstance(answer, Done) if fits else isinstance(answer, Answer) and answer.code == "stale_version"


def test_the_version_compared_is_the_one_within_the_batch() -> None:
    result = folded([do("a", "one", version=0), do("a", "again", version=0), do("a", "two", version=1)])
    assert kinds(result) == [Done, Answer, Done]
    assert words(result, "a") == ("one", "two")


def test_a_look_shows_others_as_of_this_message() -> None:
    items = [do("a", "look", other="b"), do("b", "uno"), do("a", "look", other="b"), do("a", "look", other="c")]
    result = folded(items, c=Versioned(Notes(("old",)), 3))
    assert words(result, "a") == ("saw nothing", "saw uno", "saw old")


def test_the_last_word_on_a_timer_counts() -> None:
    alarms = (Ref("things", "a"), "alarm")
    assert folded([do("a", "set"), do("a", "set again")]).timers == {alarms: later(1)}
    assert folded([do("a", "set"), do("a", "cancel")]).timers == {alarms: None}
    assert folded([do("a", "cancel"), do("a", "set")]).timers == {alarms: NOW}


def test_a_timer_fires_with_the_time_it_was_set_to() -> None:
    assert words(folded([alarm("a")]), "a") == ("alarm at 12:00",)


@pytest.mark.parametrize("change", ["set again", "cancel"])
def test_a_timer_that_a_message_before_it_moved_or_cancelled_does_not_fire(change: str) -> None:
    # given a timer that was due when the batch was made, and a message of the same batch that changes it
    result = folded([do("a", change), alarm("a")])
    # then what the message wanted stands
    assert words(result, "a") == ()
    assert result.timers == {(Ref("things", "a"), "alarm"): later(1) if change == "set again" else None}
    last = result.results[-1]
    assert isinstance(last, Done) and (last.note, list(last.produced)) == ("timer_moved", [])


def test_a_timer_set_to_what_it_was_fires_once() -> None:
    result = folded([do("a", "set"), alarm("a")])
    assert words(result, "a") == ("alarm at 12:00",)
    assert result.timers == {}


def test_a_timer_may_set_itself_again_and_a_message_after_it_may_cancel_it() -> None:
    result = folded([alarm("a"), do("a", "set again"), do("a", "cancel")])
    assert result.timers == {(Ref("things", "a"), "alarm"): None}
    assert words(result, "a") == ("alarm at 12:00",)


def test_a_route_to_nowhere_is_found_when_the_service_is_made() -> None:
    with pytest.raises(ValueError, match="unknown aggregate"):
        Service("tests", (), {Do: to("nowhere", "thing")}, CommandRefused)


def test_an_empty_batch_comes_to_nothing() -> None:
    assert folded([]) == Folded()
