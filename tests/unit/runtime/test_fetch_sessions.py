"""Fetch sessions: what is named in a request, and that requests and answers are written as aiokafka itself does."""

from io import BytesIO
from typing import Any

from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v11, FetchResponse_v11
from hypothesis import given
from hypothesis import strategies as st

from runtime.fetch_sessions import Session, SessionRequest, read_answer

A, B, C = ("orders.events.v1", 0), ("orders.events.v1", 1), ("escrow.events.v1", 0)
ALL = {A: (0, 1000), B: (5, 1000), C: (7, 1000)}


def answered(session: Session, id: int = 9, error: int = 0) -> None:
    session.answered(session.epoch, id, error)


def test_the_first_request_names_everything_and_the_next_what_has_changed() -> None:
    session = Session()
    assert session.ask(ALL) == (ALL, [])
    answered(session)
    assert (session.id, session.epoch) == (9, 1)

    moved = {**ALL, B: (6, 1000)}
    assert session.ask(moved) == ({B: (6, 1000)}, [])
    answered(session)
    assert session.epoch == 2


def test_what_is_not_wanted_any_more_is_forgotten_and_named_again_when_it_is_wanted_again() -> None:
    session = Session()
    session.ask(ALL)
    answered(session)
    assert session.ask({A: ALL[A], B: ALL[B]}) == ({}, [C])
    answered(session)
    assert session.ask(ALL) == ({C: ALL[C]}, [])


def test_a_lost_answer_begins_a_new_session() -> None:
    session = Session()
    session.ask(ALL)
    answered(session)
    session.ask(ALL)  # and nothing comes back
    assert session.ask(ALL) == (ALL, [])
    assert (session.id, session.epoch) == (0, 0)


def test_a_session_that_the_broker_has_forgotten_begins_anew() -> None:
    for error, id in ((70, 0), (71, 0), (0, 0)):  # not found, wrong epoch, no room for sessions
        session = Session()
        session.ask(ALL)
        answered(session)
        session.ask(ALL)
        answered(session, id, error)
        assert session.ask(ALL) == (ALL, [])
        assert (session.id, session.epoch) == (0, 0)


def test_an_answer_to_a_request_that_was_given_up_changes_nothing() -> None:
    session = Session()
    session.ask(ALL)
    answered(session)
    session.ask(ALL)
    given_up = session.epoch
    session.ask(ALL)
    session.answered(given_up, 9, 0)
    assert (session.id, session.epoch, session.in_doubt) == (0, 0, True)


def test_the_epoch_goes_round_past_the_one_that_begins_a_session() -> None:
    session = Session()
    session.ask(ALL)
    answered(session)
    session.epoch = 2**31 - 1
    session.ask(ALL)
    answered(session)
    assert session.epoch == 1


offsets = st.integers(min_value=0, max_value=2**62)
partitions = st.lists(
    st.tuples(st.integers(0, 500), offsets, st.integers(1, 2**30)), max_size=5, unique_by=lambda p: p[0]
)
topics = st.dictionaries(st.text(min_size=1, max_size=20), partitions.filter(bool), max_size=4)


@given(topics=topics, rack=st.text(max_size=5))
def test_a_request_is_written_as_aiokafka_writes_it(topics: dict[str, list[tuple[int, int, int]]], rack: str) -> None:
    given = (250, 1, 4_000_000, 0, list(topics.items()), rack)
    ours = SessionRequest(*given)
    ours.session = Session()

    theirs: Any = FetchRequest(*given).build(FetchRequest_v11)
    theirs.session_epoch = 0  # a session is begun, where aiokafka asks for none

    assert ours.build(FetchRequest_v11).encode() == theirs.encode()


answers = st.lists(
    st.tuples(
        st.text(min_size=1, max_size=20),
        st.lists(
            st.tuples(
                st.integers(0, 500),
                st.integers(-1, 100),
                offsets,
                offsets,
                offsets,
                st.lists(st.tuples(offsets, offsets), max_size=2),
                st.integers(-1, 3),
                st.binary(max_size=30),
            ),
            max_size=4,
        ),
    ),
    max_size=4,
)


@given(topics=answers, error=st.integers(0, 71), session=st.integers(0, 2**31 - 1))
def test_an_answer_is_read_as_aiokafka_reads_it(topics: list[Any], error: int, session: int) -> None:
    data = FetchResponse_v11(0, error, session, topics).encode()

    theirs = FetchResponse_v11.decode(BytesIO(data))
    ours = read_answer(data)

    assert ours.topics == theirs.topics == topics
    assert (ours.error_code, ours.session_id) == (error, session)


def test_nothing_to_read_is_read_as_no_records() -> None:
    data = FetchResponse_v11(0, 0, 1, [("t", [(0, 0, 5, 5, 0, None, -1, None)])]).encode()
    assert read_answer(data).topics == [("t", [(0, 0, 5, 5, 0, [], -1, b"")])]


def test_brokers_without_sessions_are_asked_as_before() -> None:
    request = SessionRequest(250, 1, 1000, 0, [("t", [(0, 5, 100)])])
    request.session = Session()
    assert type(request.build(FetchRequest._CLASSES[3])) is FetchRequest._CLASSES[3]
    assert not request.session.in_doubt
