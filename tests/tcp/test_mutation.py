"""What a mutation does to an answer, and to which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FinwaitError
from harness.tcp.mutation import KINDS, Mutation, MutationChoice
from harness.tcp.segment import ACK, FIN, RST, SYN, Segment
from harness.tcp.timing import RTO_INIT

AT = 5_000
segments = st.builds(
    Segment,
    flags=st.sampled_from([ACK, FIN | ACK, RST, RST | ACK, SYN | ACK]),
    seq=st.integers(0, 2**32 - 1),
    ack=st.integers(0, 2**32 - 1),
    data=st.binary(max_size=3),
)


@given(segments, st.sampled_from(sorted(KINDS)))
def test_every_mutation_is_one(segment: Segment, kind: str) -> None:
    assert Mutation(kind, 1).apply(1, AT, segment) != [(AT, segment)]


@given(segments, st.sampled_from(sorted(KINDS)), st.integers(1, 9))
def test_all_other_answers_pass_as_they_are(segment: Segment, kind: str, number: int) -> None:
    assert Mutation(kind, number).apply(number + 1, AT, segment) == [(AT, segment)]


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("drop", []),
        ("duplicate", [". 1:1(0) ack 2 win 65535"] * 2),
        ("delay", [". 1:1(0) ack 2 win 65535"]),
        ("seq", [". 100004:100004(0) ack 2 win 65535"]),
        ("ack", [". 1:1(0) ack 100005 win 65535"]),
        ("fin", ["F. 1:1(0) ack 2 win 65535"]),
        ("rst", ["R. 1:1(0) ack 2 win 65535"]),
    ],
)
def test_kinds_do_what_they_are_called(kind: str, seen: list[str]) -> None:
    found = Mutation(kind, 3).apply(3, AT, Segment(flags=ACK, seq=1, ack=2))
    assert [str(segment) for _, segment in found] == seen


def test_delayed_answer_is_later_than_any_bound() -> None:
    ((at, _),) = Mutation("delay", 1).apply(1, AT, Segment(flags=ACK))
    assert at - AT > 2 * RTO_INIT.ns


@pytest.mark.parametrize("text", ["drop", "drop:", "drop:0", "drop:-1", "drop:x", "lose:1", "", ":1", "last:last"])
def test_what_is_no_mutation_is_told(text: str) -> None:
    with pytest.raises(FinwaitError, match=r"is not a mutation; .* try: drop:1 or "):
        Mutation.parse(text)


def test_plan_without_a_text_has_none() -> None:
    assert MutationChoice(None, {"a": 3}).of("a") is None


def test_plan_with_a_number_is_the_same_everywhere() -> None:
    plan = MutationChoice("ack:2", {"a": 3})
    assert plan.of("a") == plan.of("b") == Mutation("ack", 2)


def test_plan_for_the_last_is_where_each_scenario_had_its_last() -> None:
    plan = MutationChoice("ack:last", {"a": 3, "silent": 0})
    assert [plan.of(name) for name in ("a", "silent", "new")] == [
        Mutation("ack", 3),
        Mutation("ack", 1),
        Mutation("ack", 1),
    ]


@pytest.mark.parametrize("text", ["lose:last", "lose:1", "drop:0"])
def test_plan_tells_what_is_no_mutation_before_anything_runs(text: str) -> None:
    with pytest.raises(FinwaitError, match="is not a mutation"):
        MutationChoice(text, {"a": 1})


def test_plan_for_the_last_needs_to_know_which_that_is() -> None:
    with pytest.raises(FinwaitError, match=r"finwait does not know which answer is the last; .*--mutate-after"):
        MutationChoice("drop:last", {})
