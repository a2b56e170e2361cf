from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from harness.tcp.options import parse_options
from harness.tcp.pattern import Difference
from harness.tcp.segment import ACK, RST, Segment
from harness.tcp.timing import MS, PROMPT
from harness.tcp.verdict import Due, Evidence
from harness.trace import runs
from harness.trace.events import Event, Received
from harness.trace.records import Result
from reports.behaviour import partings
from reports.compare import Comparison, compare, lines, render
from reports.lines import plain

DATA = Path(__file__).parents[1] / "data"
FIN = "scenarios/closing/test_disorder.py::test_fin_overtaken_by_its_ack_is_acknowledged[shutdown_wr-IPv4-noTS]"

GOOD = Result(
    scenario=FIN,
    outcome="conforms",
    answer="accepted",
    answer_ns=140_000,
    requirements=("RFC9293-3.10.7.4",),
    digest="d1",
    fixed_by="795a7dfbc3d9",
)
BAD = msgspec.structs.replace(
    GOOD,
    outcome="deviates",
    answer="challenged",
    counters={"TcpExtTCPChallengeACK": 1, "TcpInSegs": 6, "TcpExtTCPPureAcks": 3},
    message="whatever it says",
    evidence=Evidence(
        expected=(Due("> . 2:2(0) ack 2"),),
        within=PROMPT,
        observed="> . 2:2(0) ack 1",
        elapsed_ns=200_000,
        differences=(Difference("ack", "2", "1"),),
        so_far=("> F. 1:1(0) ack 1   +0.0 ms",),
        where="test_disorder.py:12",
    ),
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


@pytest.mark.parametrize("keeping", [(), ("first",), ("second",), ("first", "second")])
def test_runs_without_timelines_say_that_their_segments_were_not_compared(
    make_run: MakeRun, disorder: Disorder, keeping: tuple[str, ...]
) -> None:
    found = _compare(make_run, [GOOD], [GOOD], timelines={name: {FIN: disorder()} for name in keeping})
    unseen = 0 if len(keeping) == 2 else 1
    assert (found.same, found.unseen) == (1, unseen)
    assert ("of 1 the segments were not kept" in "".join(plain(lines(found, 200)))) == bool(unseen)


def test_a_fix_tells_what_it_mended(make_run: MakeRun) -> None:
    told = "".join(plain(lines(_compare(make_run, [BAD], [GOOD]), 200)))
    assert "before    expected  > . 2:2(0) ack 2   within 40 ms (PROMPT)" in told
    assert "before    observed  > . 2:2(0) ack 1" in told
    assert "so far" not in told


def test_a_failure_without_evidence_is_shown_whole(make_run: MakeRun) -> None:
    found = _compare(make_run, [GOOD], [msgspec.structs.replace(BAD, evidence=None, message="kernel 7\nis not 8")])
    assert "    kernel 7\n    is not 8" in plain(lines(found, 200))


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
    text = plain(lines(found, 120))
    assert why in text
    assert FIN in text


def test_reasons_that_differ_in_where_things_lie_are_one_reason(make_run: MakeRun) -> None:
    skipped = [
        Result(scenario=f"a.py::test_{name}", outcome="unsupported", message=f"/run/{name}/ss: <Lab at 0x7f{name}00>")
        for name in ("abc1", "def2")
    ]
    assert {one.why for one in _compare(make_run, skipped, skipped).uncompared} == {
        "unsupported in the second run: .../ss: <Lab at 0x...>"
    }


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


def _numbered(test: str, result: Result, count: int) -> list[Result]:
    return [msgspec.structs.replace(result, scenario=f"a.py::test_{test}[{number}]") for number in range(count)]


def test_one_change_stands_once_with_its_cases_and_the_most_common_first(make_run: MakeRun) -> None:
    rare = msgspec.structs.replace(GOOD, answer="reset")
    before = [*_numbered("a", GOOD, 2), *_numbered("b", GOOD, 30)]
    after = [*_numbered("a", rare, 2), *_numbered("b", BAD, 20), *_numbered("b", rare, 30)[20:]]
    after[5] = msgspec.structs.replace(after[5], answer_ns=7)
    text = plain(lines(_compare(make_run, before, after), 100))
    assert "regressions: conformed, deviate now (20 cases, 1 change)" in text
    assert "same verdict, other behaviour (12 cases, 1 change)" in text
    assert "  12 cases: answer reset, was accepted" in text
    assert "    and 10 more of a.py::test_b\n    and 1 more of a.py::test_a" in text
    assert text.count("answer challenged, was accepted") == 1
    assert text.splitlines()[-1] == "20 regressed, 0 fixed, 12 behaved otherwise, 0 same, 0 not compared"


@pytest.mark.parametrize(
    ("after", "what"),
    [
        ({"flags": RST}, "the kernel sends R, was ACK"),
        ({"ack": 9}, "the kernel's ACK has another ack"),
        ({"ack": 9, "seq": 9}, "the kernel's ACK has another seq and another ack"),
        ({"options": parse_options("sackOK")}, "the kernel's ACK has other options"),
        (None, "the kernel sends no ACK"),
    ],
)
def test_a_change_of_segments_is_told_without_numbers(after: dict[str, Any] | None, what: str) -> None:
    def received(**fields: Any) -> list[Event]:  # noqa: ANN401  (fields of a segment)
        segment = Segment(**{"flags": ACK, "seq": 1, "ack": 2, "window": 5} | fields)
        return [Received(1, segment, "1: expect", connection=1)]

    (parted,) = partings(received(), received(**after) if after is not None else [])
    assert parted.shape == what
