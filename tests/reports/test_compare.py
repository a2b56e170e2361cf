from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, PSH, SYN, Segment
from harness.tcp.timing import MS, VIRTUAL, TimingProfile
from harness.trace import runs
from harness.trace.events import Event, Forwarded, Received
from harness.trace.records import Result
from reports import behaviour
from reports.compare import Comparison, compare, lines, render
from reports.lines import plain

DATA = Path(__file__).parents[1] / "data"
FIN = "scenarios/closing/test_disorder.py::test_fin_overtaken_by_its_ack_is_acknowledged[shutdown_wr-IPv4-noTS]"

GOOD = Result(
    scenario=FIN, outcome="conforms", answer="accepted", answer_ns=140_000, digest="d1", fixed_by="795a7dfbc3d9"
)
BAD = msgspec.structs.replace(
    GOOD,
    outcome="deviates",
    answer="challenged",
    counters={"TcpExtTCPChallengeACK": 1, "TcpInSegs": 6, "TcpExtTCPPureAcks": 3},
    message="expected  > . 2:2(0) ack 2   within 40 ms\nobserved  > . 2:2(0) ack 1   at +0.2 ms   (ack: 1, not 2)\n"
    "kernel    FIN-WAIT-1 -> FIN-WAIT-2 at +0.1 ms\nso far    > F. 1:1(0) ack 1   +0.0 ms",
)

MakeRun = Callable[..., Path]
Disorder = Callable[..., tuple[Event, ...]]


def _compare(make_run: MakeRun, before: list[Result], after: list[Result], **fields: object) -> Comparison:
    kept = fields.pop("timelines", {})
    assert isinstance(kept, dict)
    first = make_run(*before, name="first", timelines=kept.get("first"), kernel_name="uml:6.1", kernel="6.1.176 #1")
    second = make_run(*after, name="second", timelines=kept.get("second"), **fields)
    return compare(runs.load(first), runs.load(second))


def _counts(found: Comparison) -> tuple[int, ...]:
    kinds = (found.regressions, found.fixes, found.changed)
    return (*map(len, kinds), found.same, len(found.uncompared), found.exit_status)


def test_the_same_is_the_same(make_run: MakeRun, disorder: Disorder) -> None:
    kept = {"first": {FIN: disorder()}, "second": {FIN: disorder(delay=10**9)}}
    assert _counts(_compare(make_run, [GOOD], [GOOD], timelines=kept)) == (0, 0, 0, 1, 0, 0)


def test_a_regression_is_shown_with_both_timelines(make_run: MakeRun, disorder: Disorder, tmp_path: Path) -> None:
    kept = {"first": {FIN: disorder(timestamps=False)}, "second": {FIN: disorder(False, timestamps=False)}}
    found = _compare(make_run, [GOOD], [BAD], timelines=kept, kernel_name="uml:5.10", kernel="5.10.46 #1")
    assert _counts(found) == (1, 0, 0, 0, 0, 1)
    shown = plain(lines(found, 100)).replace(str(tmp_path), "TMP")
    assert shown + "\n" == (DATA / "compare-regression.txt").read_text()


def test_timelines_stand_beside_each_other_where_there_is_room(
    make_run: MakeRun, disorder: Disorder, tmp_path: Path
) -> None:
    kept = {"first": {FIN: disorder(timestamps=False)}, "second": {FIN: disorder(False, timestamps=False)}}
    found = _compare(make_run, [GOOD], [BAD], timelines=kept, kernel_name="uml:5.10", kernel="5.10.46 #1")
    shown = plain(lines(found, 190)).replace(str(tmp_path), "TMP")
    assert shown + "\n" == (DATA / "compare-beside.txt").read_text()


def test_a_fix_is_no_regression(make_run: MakeRun) -> None:
    assert _counts(_compare(make_run, [BAD], [GOOD])) == (0, 1, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("after", "what"),
    [
        ({"answer": "reset"}, "answer reset, was accepted"),
        ({"answer_ns": 200 * MS}, "answer later: after 200 ms, was 0.140 ms"),
        ({"counters": {"TcpExtTCPChallengeACK": 2}}, "TCPChallengeACK +2, was +0"),
        ({"counters": {"TcpOutRsts": 1}}, "OutRsts +1, was +0"),
    ],
)
def test_other_behaviour_with_the_same_verdict_is_shown_and_passes(
    make_run: MakeRun, after: dict[str, object], what: str
) -> None:
    found = _compare(make_run, [GOOD], [msgspec.structs.replace(GOOD, **after)])
    assert _counts(found) == (0, 0, 1, 0, 0, 0)
    assert found.changed[0].what == (what,)


@pytest.mark.parametrize(
    "after",
    [
        {"answer_ns": 20 * MS},  # within the slack of a real machine
        {"answer_ns": -1},
        {"counters": {"IpExtInOctets": 12, "TcpExtTCPPureAcks": 3, "TcpExtTCPBacklogCoalesce": 1}},
        {"seconds": 9.0, "costs": {"lab": 1}, "message": "x"},
        {"digest": ""},
    ],
)
def test_what_is_the_machines_and_not_the_kernels_is_no_change(make_run: MakeRun, after: dict[str, object]) -> None:
    assert _counts(_compare(make_run, [GOOD], [msgspec.structs.replace(GOOD, **after)])) == (0, 0, 0, 1, 0, 0)


def test_another_segment_is_a_change_even_if_nothing_declared_it(make_run: MakeRun, disorder: Disorder) -> None:
    kept = {"first": {FIN: disorder()}, "second": {FIN: disorder()[:-2]}}
    found = _compare(make_run, [GOOD], [GOOD], timelines=kept)
    assert found.changed[0].what == ("segment 3 of the kernel's: none, was . 2:2(0) ack 2 <nop,nop,TS>",)


def test_windows_times_and_pushes_are_no_other_segment() -> None:
    def received(**fields: int) -> list[Event]:
        segment = Segment(flags=fields.pop("flags", ACK), seq=1, ack=1, window=fields.pop("window", 1))
        return [Received(fields.pop("at", 0), segment)]

    assert behaviour.segment_changes(received(), received(flags=ACK | PSH, window=9, at=7)) == []


def test_cookie_of_another_key_is_no_other_segment() -> None:
    def answered(cookie: str) -> list[Event]:
        return [Received(0, Segment(flags=SYN | ACK, ack=1, options=parse_options(f"mss 1460,opt 34 {cookie}")))]

    assert behaviour.segment_changes(answered("0102030405060708"), answered("1112131415161718")) == []
    assert behaviour.segment_changes(answered("0102030405060708"), answered("0102")) != []


def test_each_side_of_a_path_is_compared_by_itself() -> None:
    client, server = (Forwarded(0, Segment(flags=ACK, seq=1, ack=1), side, step="1") for side in ("client", "server"))
    assert behaviour.segment_changes([client, server], [server]) == [
        "segment 1 of the client's: none, was . 1:1(0) ack 1"
    ]


def test_what_one_kernel_counts_apart_all_count_together() -> None:
    together, apart = (
        msgspec.structs.replace(GOOD, counters={f"TcpExt{name}": 1}) for name in ("PAWSEstab", "PAWSTimewait")
    )
    assert behaviour.counter_changes(together, apart) == []


def test_what_a_scenario_leaves_to_the_applications_is_no_change() -> None:
    def on_the_path(*, step: str, length: int) -> list[Event]:
        said = Segment(flags=ACK, seq=1, ack=1, data=b"x" * length)
        return [Forwarded(0, said, "client", step=step)]

    assert behaviour.segment_changes(on_the_path(step="", length=3), on_the_path(step="", length=4)) == []
    judged = on_the_path(step="2: expect", length=3), on_the_path(step="2: expect", length=4)
    assert behaviour.segment_changes(*judged) != []


@pytest.mark.parametrize("keeping", [(), ("first",), ("second",), ("first", "second")])
def test_runs_without_timelines_say_that_their_segments_were_not_compared(
    make_run: MakeRun, disorder: Disorder, keeping: tuple[str, ...]
) -> None:
    found = _compare(make_run, [GOOD], [GOOD], timelines={name: {FIN: disorder()} for name in keeping})
    unseen = 0 if len(keeping) == 2 else 1
    assert (found.same, found.unseen) == (1, unseen)
    assert ("of 1 the segments were not kept" in "".join(plain(lines(found, 200)))) == bool(unseen)


def test_a_fix_tells_what_it_mended(make_run: MakeRun) -> None:
    before = msgspec.structs.replace(BAD, message="expected  > nothing\nobserved  > .\nso far  x")
    told = "".join(plain(lines(_compare(make_run, [before], [GOOD]), 200)))
    assert "before    expected  > nothing" in told
    assert "before    observed  > ." in told
    assert "so far" not in told


@pytest.mark.parametrize(
    ("before", "after", "why", "status"),
    [
        ([GOOD], [msgspec.structs.replace(BAD, digest="d2")], "made by different versions of the scenario", 2),
        (
            [GOOD],
            [msgspec.structs.replace(GOOD, outcome="lost", message="panic\nlong")],
            "lost in the second run: panic",
            2,
        ),
        ([msgspec.structs.replace(GOOD, outcome="lost")], [BAD], "lost in the first run", 2),
        ([GOOD], [], "only in the first run", 2),
        (
            [GOOD],
            [msgspec.structs.replace(GOOD, outcome="unsupported", message="no MD5")],
            "unsupported in the second run: no",
            2,
        ),
    ],
)
def test_what_cannot_be_compared_says_why(
    make_run: MakeRun, before: list[Result], after: list[Result], why: str, status: int
) -> None:
    found = _compare(make_run, before, after)
    assert _counts(found) == (0, 0, 0, 0, 1, status)
    assert why in found.uncompared[0].why
    text = plain(lines(found, 100))
    assert why in text
    assert FIN in text


OTHER = Result(scenario="a.py::test_other", outcome="conforms")


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        ([GOOD, OTHER], [OTHER], 0),  # a smaller selection
        ([GOOD, OTHER], [msgspec.structs.replace(GOOD, outcome="unsupported"), OTHER], 0),
        ([msgspec.structs.replace(GOOD, outcome="lost"), OTHER], [GOOD, OTHER], 0),
        ([GOOD, OTHER], [msgspec.structs.replace(GOOD, outcome="lost"), OTHER], 2),
        ([GOOD, OTHER], [msgspec.structs.replace(GOOD, digest="d2"), OTHER], 2),
        (
            [msgspec.structs.replace(GOOD, outcome="lost"), OTHER],
            [msgspec.structs.replace(GOOD, outcome="lost"), OTHER],
            0,
        ),
        ([GOOD, OTHER], [BAD, msgspec.structs.replace(OTHER, outcome="lost")], 1),
        ([], [], 2),
    ],
)
def test_the_status_vouches_only_for_what_was_compared(
    make_run: MakeRun, before: list[Result], after: list[Result], status: int
) -> None:
    assert _compare(make_run, before, after).exit_status == status


def test_a_torn_timeline_hides_no_verdict(make_run: MakeRun, disorder: Disorder) -> None:
    kept = {"first": {FIN: disorder()}}
    for after, counts in [(BAD, (1, 0, 0, 0, 0, 1)), (GOOD, (0, 0, 0, 0, 1, 2))]:
        first = make_run(GOOD, name=f"first-{after.outcome}", timelines=kept["first"])
        second = make_run(after, name=f"second-{after.outcome}", timelines=kept["first"])
        for path in (second / "timelines").iterdir():
            path.write_text("{")
        assert _counts(compare(runs.load(first), runs.load(second))) == counts


def test_many_of_a_kind_are_counted_and_not_all_named(make_run: MakeRun) -> None:
    many = [Result(scenario=f"a.py::test_{number}", outcome="conforms") for number in range(30)]
    text = plain(lines(_compare(make_run, many, []), 100))
    assert "only in the first run (30)" in text
    assert "and 20 more" in text


def test_a_pipe_gets_plain_text(make_run: MakeRun) -> None:
    file = io.StringIO()
    render(_compare(make_run, [GOOD], [BAD]), Console(file=file, width=20))
    assert "\x1b" not in file.getvalue()
    assert re.search(r"^1 regressed, 0 fixed, 0 behaved otherwise, 0 same, 0 not compared$", file.getvalue(), re.M)


def test_an_output_without_line_drawing_characters_gets_none(make_run: MakeRun, disorder: Disorder) -> None:
    kept = {"first": {FIN: disorder()}, "second": {FIN: disorder(False)}}
    after = msgspec.structs.replace(BAD, message="observed  ü")
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding="ascii", write_through=True)
    render(_compare(make_run, [GOOD], [after], timelines=kept), Console(file=file))
    assert "|<--- . 2:2(0) ack 1 win 512" in buffer.getvalue().decode("ascii")


profiles = st.sampled_from([TimingProfile(), VIRTUAL, TimingProfile(slack_ns=50 * MS)])


@given(
    true=st.integers(0, 10_000 * MS),
    late=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    both=st.tuples(profiles, profiles),
)
def test_two_slow_machines_never_make_a_change_of_time(
    true: int, late: tuple[float, float], both: tuple[TimingProfile, TimingProfile]
) -> None:
    measured = [true + int(part * one.slack_ns) for part, one in zip(late, both, strict=True)]
    first, second = (msgspec.structs.replace(GOOD, answer_ns=ns) for ns in measured)
    assert behaviour.timing_changes(first, both[0], second, both[1]) == []


def test_what_was_not_timed_has_no_other_time() -> None:
    timed, untimed = (msgspec.structs.replace(GOOD, answer_ns=ns) for ns in (10_000 * MS, -1))
    for pair in ((timed, untimed), (untimed, timed)):
        assert behaviour.timing_changes(pair[0], TimingProfile(), pair[1], TimingProfile()) == []


@pytest.mark.parametrize(
    ("earlier", "later", "changed"),
    [
        (0, behaviour.REPEATABLE_NS, False),
        (0, behaviour.REPEATABLE_NS + 1, True),  # at once, and by a timer
        (12 * MS, 12 * MS + behaviour.REPEATABLE_NS + behaviour.TICK_NS, False),  # by the same timer
        (12 * MS, 12 * MS + behaviour.REPEATABLE_NS + behaviour.TICK_NS + 1, True),
    ],
)
def test_where_time_stands_still_little_is_enough(earlier: int, later: int, changed: bool) -> None:
    first, second = (msgspec.structs.replace(GOOD, answer_ns=ns) for ns in (earlier, later))
    found = behaviour.timing_changes(first, VIRTUAL, second, VIRTUAL)
    assert [text.partition(":")[0] for text in found] == (["answer later"] if changed else [])
    found = behaviour.timing_changes(second, VIRTUAL, first, VIRTUAL)
    assert [text.partition(":")[0] for text in found] == (["answer earlier"] if changed else [])
