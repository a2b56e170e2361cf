"""The rules of a path, fed by hand: what they do, and what they say when they could not do it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.path.engine import Engine, Step
from harness.path.rules import (
    AnyRule,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Hold,
    Limit,
    Lose,
    Match,
    Reorder,
    Side,
)
from harness.path.working import Arrived
from harness.tcp.pattern import Pattern
from harness.tcp.segment import ACK, FIN, Flags, Segment

CLIENT, SERVER = Side.CLIENT, Side.SERVER
MS = 1_000_000


def fin(number: int, side: Side = CLIENT, at: int = 0) -> Arrived:
    return arrived(number, FIN | ACK, 1, 1, side, at)


def ack(number: int, side: Side = CLIENT, seq: int = 2, at: int = 0) -> Arrived:
    return arrived(number, ACK, seq, 2, side, at)


def arrived(number: int, flags: Flags, seq: int, ack: int, side: Side = CLIENT, at: int = 0) -> Arrived:
    return Arrived(number, at, side, 1, Segment(flags=flags, seq=seq, ack=ack), 60)


def about(flags: Flags, side: Side = CLIENT, seq: int | None = None, connection: int = 0) -> Match:
    return Match(side, Pattern(flags, seq=seq), connection)


def goes(steps: list[Step]) -> list[int]:
    return [step.number for step in steps if step.goes]


FINS, ACKS = about(FIN | ACK), about(ACK)


def test_without_rules_everything_is_forwarded() -> None:
    engine = Engine()
    assert engine.feed(fin(1)) == [Step(1, "forwarded", True)]
    assert engine.idle
    assert engine.complaints() == []


def test_held_segment_follows_what_it_waits_for() -> None:
    engine = Engine([Hold(match=FINS, until=about(ACK, seq=2))])
    assert engine.feed(fin(1)) == [Step(1, "held", False, 1)]
    assert goes(engine.feed(ack(2, seq=1))) == [2]
    assert goes(engine.feed(ack(3, side=SERVER))) == [3]
    assert engine.feed(ack(4)) == [Step(4, "forwarded", True), Step(1, "released", True, 1)]
    assert goes(engine.feed(fin(5))) == [5]  # once
    assert engine.complaints() == []
    assert engine.idle


def test_what_passed_before_anything_was_held_does_not_count() -> None:
    engine = Engine([Hold(match=FINS, until=ACKS)])
    engine.feed(ack(1))
    assert goes(engine.feed(fin(2))) == []
    (complaint,) = engine.complaints()
    assert "one came, but before there was anything to release" in complaint


def test_a_held_segment_releases_another_by_its_arrival() -> None:
    engine = Engine(
        [
            Hold(match=about(FIN | ACK, SERVER), until=FINS, arrived=True),
            Hold(match=FINS, until=ACKS),
        ]
    )
    assert goes(engine.feed(fin(1, SERVER))) == []
    assert goes(engine.feed(fin(2))) == [1]
    assert goes(engine.feed(ack(3))) == [3, 2]
    assert engine.complaints() == []


def test_an_arrival_that_has_been_needs_no_hold() -> None:
    engine = Engine([Hold(match=about(FIN | ACK, SERVER), until=FINS, arrived=True)])
    engine.feed(fin(1))
    assert goes(engine.feed(fin(2, SERVER))) == [2]


def test_scenario_lets_go_what_is_held_and_what_would_be() -> None:
    engine = Engine([Hold(match=FINS, times=2)])
    engine.feed(fin(1))
    assert goes(engine.release(1)) == [1]
    assert goes(engine.feed(fin(2))) == [2]
    assert engine.complaints() == []


def test_dropped_duplicated_and_corrupted_in_the_order_of_the_rules() -> None:
    engine = Engine([Drop(match=FINS), Duplicate(match=FINS), Corrupt(match=FINS)])
    assert [engine.feed(fin(number)) for number in (1, 2, 3, 4)] == [
        [Step(1, "dropped", False, 1)],
        [Step(2, "duplicated", True, 2), Step(2, "duplicated", True, 2)],
        [Step(3, "corrupted", True, 3)],
        [Step(4, "forwarded", True)],
    ]


def test_delayed_segment_is_overtaken_and_due_in_time() -> None:
    engine = Engine([Delay(match=FINS, ns=5 * MS)])
    assert goes(engine.feed(fin(1, at=MS))) == []
    assert goes(engine.feed(ack(2, at=2 * MS))) == [2]
    assert engine.next_due == 6 * MS
    assert engine.due(6 * MS - 1) == []
    assert engine.due(6 * MS) == [Step(1, "released", True, 1)]
    assert engine.next_due is None


def test_a_delayed_segment_that_passes_releases_what_waits_for_it() -> None:
    engine = Engine([Delay(match=FINS, ns=MS), Hold(match=ACKS, until=FINS)])
    engine.feed(ack(1))
    engine.feed(fin(2))
    assert goes(engine.due(MS)) == [2, 1]


def test_rule_of_one_connection_leaves_the_others_alone() -> None:
    engine = Engine([Drop(match=about(FIN | ACK, connection=2))])
    assert goes(engine.feed(fin(1))) == [1]
    assert goes(engine.feed(fin(2)._replace(connection=2))) == []


def test_limit_spaces_frames_and_drops_what_does_not_fit() -> None:
    engine = Engine([Limit(match=Match(CLIENT), times=None, bytes_per_second=60_000, queue=120)])
    fates = [engine.feed(ack(number))[0].fate for number in (1, 2, 3)]
    assert fates == ["limited", "limited", "dropped"]
    assert (goes(engine.due(MS - 1)), goes(engine.due(MS)), goes(engine.due(2 * MS))) == ([], [1], [2])
    assert engine.feed(ack(4, at=2 * MS))[0].fate == "limited"


@given(seed=st.integers(0, 2**32), count=st.integers(1, 60), depth=st.integers(1, 5), chance=st.floats(0, 1))
def test_reordering_loses_nothing_and_repeats_itself(seed: int, count: int, depth: int, chance: float) -> None:
    def run() -> list[int]:
        rule = Reorder(match=Match(CLIENT), times=None, seed=seed, chance=chance, depth=depth, ns=MS)
        engine = Engine([rule])
        out = [number for i in range(count) for number in goes(engine.feed(ack(i, at=i)))]
        return out + goes(engine.due(count + MS))

    assert sorted(run()) == list(range(count))
    assert run() == run()


@given(seed=st.integers(0, 2**32), count=st.integers(1, 60))
def test_loss_is_the_same_for_the_same_seed(seed: int, count: int) -> None:
    def run() -> list[int]:
        engine = Engine([Lose(match=Match(CLIENT), times=None, seed=seed, chance=0.5)])
        return [number for i in range(count) for number in goes(engine.feed(ack(i)))]

    assert run() == run()
    assert set(run()) <= set(range(count))


segments = st.builds(
    arrived,
    st.just(0),
    st.sampled_from([FIN | ACK, ACK]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(list(Side)),
)
matches = st.builds(about, st.sampled_from([FIN | ACK, ACK]), st.sampled_from(list(Side)), st.integers(1, 3))
rules: st.SearchStrategy[AnyRule] = st.one_of(
    st.builds(Drop, match=matches, times=st.sampled_from([1, 2, None])),
    st.builds(Duplicate, match=matches),
    st.builds(Delay, match=matches, ns=st.integers(0, MS)),
    st.builds(Hold, match=matches, until=st.one_of(st.none(), matches), arrived=st.booleans()),
)


@given(st.lists(rules, max_size=5), st.lists(segments, max_size=25))
def test_whatever_the_rules_nothing_is_forwarded_twice_or_out_of_nothing(
    stated: list[AnyRule], seen: list[Arrived]
) -> None:
    engine, gone, fates = Engine(stated), Counter[int](), {}
    for number, segment in enumerate(seen):
        steps = engine.feed(segment._replace(number=number, at=number))
        assert steps[0].number == number
        fates[number] = steps[0].fate
        gone.update(goes(steps))
    gone.update(goes(engine.due(len(seen) + MS)))
    for number, fate in fates.items():
        most = {"dropped": 0, "duplicated": 2}.get(fate, 1)
        least = 0 if fate == "held" else most
        assert least <= gone[number] <= most
    held = sum(fate == "held" for fate in fates.values()) - sum(gone[n] for n, fate in fates.items() if fate == "held")
    assert sum("held and never released" in complaint for complaint in engine.complaints()) == held


COMPLAINTS: list[tuple[list[AnyRule], list[Arrived], list[str]]] = [
    ([Hold(match=FINS)], [fin(1)], ["held and never released; say until when, with .until(...) or .release()"]),
    (
        [Hold(match=FINS, until=about(ACK, seq=7))],
        [fin(1), ack(2)],
        ["it waited for . 7:7(0) from the client; the nearest was . 2:2(0) ack 2 win 65535 (seq: 2, not 7)"],
    ),
    ([Drop(match=FINS)], [], ["nothing matched; no other segment came from there"]),
    ([Drop(match=FINS)], [ack(1)], ["nothing matched; the nearest was . 2:2(0) ack 2 win 65535 (flags: ., not F.)"]),
    ([Drop(match=FINS, times=3)], [fin(1)], ["only 1 of 3 came"]),
    (
        [Drop(match=FINS, times=None), Duplicate(match=FINS)],
        [fin(1)],
        ["rule 2, duplicate F. *(0) from the client: nothing matched, for rule 1 took what would have"],
    ),
    (
        [Hold(match=FINS, until=ACKS), Hold(match=ACKS, until=FINS)],
        [fin(1), ack(2)],
        ["and rule 2 holds that one: the rules contradict", "and rule 1 holds that one: the rules contradict"],
    ),
    ([Hold(match=FINS, until=FINS)], [fin(1)], ["this rule holds that one too: the rules contradict each other"]),
    ([Delay(match=FINS, ns=MS)], [fin(1)], ["1 still delayed when the scenario ended"]),
    (
        [Drop(match=Match(CLIENT, Pattern(ACK, options="TS", without="TS")))],
        [ack(1)],
        ["no segment can match it: TS cannot be both present and absent"],
    ),
]


@pytest.mark.parametrize(("stated", "seen", "expected"), COMPLAINTS)
def test_bad_rules_say_what_they_waited_for(stated: list[AnyRule], seen: list[Arrived], expected: list[str]) -> None:
    engine = Engine(stated)
    for segment in seen:
        engine.feed(segment)
    complaints = engine.complaints()
    assert len(complaints) == len(expected), complaints
    for complaint, part in zip(complaints, expected, strict=True):
        assert part in complaint
