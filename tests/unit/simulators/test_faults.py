"""Faults by seed: the same every time, about as many as asked for, and a SPEC that says what it does not understand."""

import pytest

from simulators.faults import ALL, NONE, WORDS, Faults, UnknownFault, parse

IDS = [f"pay-o{number}-1" for number in range(4000)]


def test_a_seed_decides_and_the_share_is_kept() -> None:
    tenth = Faults("a", {"decline": 1_000})
    chosen = [id for id in IDS if tenth.hits("decline", id)]
    assert chosen == [id for id in IDS if Faults("a", {"decline": 1_000}).hits("decline", id)]
    assert chosen != [id for id in IDS if Faults("b", {"decline": 1_000}).hits("decline", id)]
    assert 300 < len(chosen) < 500
    assert not any(NONE.hits("decline", id) for id in IDS)
    assert all(Faults("a", {"decline": 10_000}).hits("decline", id) for id in IDS)


def test_faults_of_different_kinds_meet_different_names() -> None:
    faults = Faults("a", {"delay": 1_000, "duplicate": 1_000})
    delayed, doubled = ({id for id in IDS if faults.hits(word, id)} for word in ("delay", "duplicate"))
    assert len(delayed & doubled) < len(delayed) / 4


def test_a_spec_names_shares_and_a_seed() -> None:
    assert parse("") == NONE and not parse("")
    assert parse("seed=7, decline=200,duplicate=0") == Faults("7", {"decline": 200, "duplicate": 0})
    assert not parse("seed=7,decline=0")


def test_all_is_every_fault_and_can_be_adjusted() -> None:
    assert dict(parse("all").shares) == dict(ALL) and ALL.keys() == WORDS.keys()
    adjusted = parse("delay=0,all,seed=x")
    assert adjusted.seed == "x" and adjusted.shares["delay"] == 0 and adjusted.shares["forge"] == ALL["forge"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("declne=200", "no fault 'declne=200'"),
        ("earthquake", "no fault 'earthquake'"),
        ("all,,", "no fault ''"),
        ("seed=", "no fault 'seed='"),
        ("decline", "basis points"),
        ("decline=", "basis points"),
        ("decline=-1", "basis points"),
        ("decline=10001", "basis points"),
        ("decline=many", "basis points"),
        ("decline=٣", "basis points"),
        (f"decline={'9' * 5000}", "basis points"),
    ],
)
def test_what_a_spec_may_not_hold_is_named(spec: str, said: str) -> None:
    with pytest.raises(UnknownFault, match=said):
        parse(spec)
