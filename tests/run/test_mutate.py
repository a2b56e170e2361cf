"""Which answers are mutated, and when a mutation counts as noticed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.mutation.runner import MutationRunner, read_plan
from harness.run.jobs import backend_of
from harness.run.mutate import (
    ALLOWS_AN_EXCHANGE,
    JUDGES_NOTHING,
    Mutations,
    Mutator,
    judge,
    left_out,
    mutations_of,
    numbers,
    parts_of,
    present,
)
from harness.run.request import VIRTUAL_LIMIT
from harness.run.workers import on_this_machine
from harness.tcp.mutation import KINDS, Mutation
from harness.tcp.segment import ACK, FIN, SYN, Flags, Segment
from harness.trace.events import Event, Forwarded, Received, Sent
from harness.trace.folder import RESULTS, RUN, RunFolder
from harness.trace.records import Result, TimelineRecord
from harness.trace.runs import LoadedRun
from netns import privilege
from tests.conftest import run_record

CHECKOUT = Path(__file__).parents[2]


def answered(*flags: Flags) -> list[Event]:
    sent: list[Event] = [Sent(0, Segment(flags=SYN), "")]
    return sent + [Received(number, Segment(flags=each)) for number, each in enumerate(flags, 1)]


def result(outcome: str = "conforms", answer: str = "", *, received: int = 0, mutated: bool = True) -> Result:
    return Result(scenario="a", outcome=outcome, answer=answer, received=received, mutated=mutated)


@pytest.mark.parametrize(
    ("flags", "judged", "mutated"),
    [
        ([SYN | ACK, FIN | ACK, ACK], 3, [2, 3]),
        ([SYN | ACK, FIN | ACK, ACK], 2, [2]),  # what nothing judged is judged by nobody
        ([SYN, ACK, FIN | ACK], 3, [2, 3]),
        ([SYN | ACK], 1, [1]),  # the handshake is all that it is about
        ([], 0, []),
    ],
)
def test_answers_after_the_handshake_are_mutated(flags: list[Flags], judged: int, mutated: list[int]) -> None:
    assert list(numbers(result(received=judged), answered(*flags))) == mutated


def test_what_is_allowed_is_altered_in_its_fields_alone() -> None:
    judged, allowed = Received(1, Segment(flags=FIN | ACK), "1: expect"), Received(2, Segment(flags=ACK))
    found = set(mutations_of(result(received=2), [judged, allowed]))
    assert found == {f"{kind}:1" for kind in KINDS} | {"seq:2", "ack:2", "fin:2", "rst:2"}


def test_what_came_to_a_path_is_mutated_whichever_kernel_sent_it() -> None:
    flags = (SYN, SYN | ACK, ACK, FIN | ACK, FIN | ACK)
    sides = ("client", "server", "client", "client", "server")
    events: list[Event] = [
        Forwarded(at, Segment(flags=each), side, step=f"{at}: expect")
        for at, (each, side) in enumerate(zip(flags, sides, strict=True), 1)
    ]
    assert list(numbers(result(received=4), events)) == [3, 4]
    assert set(mutations_of(result(received=4), events)) == {f"{kind}:{number}" for kind in KINDS for number in (3, 4)}


def test_what_a_path_may_carry_whatever_its_numbers_is_not_mutated() -> None:
    allowed, judged = (
        Forwarded(at, Segment(flags=ACK), "client", step=step) for at, step in ((1, ""), (2, "1: expect"))
    )
    assert set(mutations_of(result(received=2), [allowed, judged])) == {f"{kind}:2" for kind in KINDS}


def test_what_is_left_out_is_named_by_its_reason(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path)
    events = (Forwarded(1, Segment(flags=ACK), "client"), Forwarded(2, Segment(flags=FIN), "client", step="1: expect"))
    timeline = folder.write_timeline(TimelineRecord(scenario="exchange", events=events))
    results = {
        "judges": result(received=1),
        "looks": result(),
        "fails": result("deviates", received=1),
        "exchange": msgspec.structs.replace(result(received=2), timeline=timeline),
    }
    assert left_out(LoadedRun(folder.path, run_record(), results)) == {
        JUDGES_NOTHING: ("looks",),
        "deviates without a mutation": ("fails",),
        ALLOWS_AN_EXCHANGE: ("exchange",),
    }


@pytest.mark.parametrize(
    ("after", "unnoticed", "missing"),
    [
        (result("deviates"), 0, 0),
        (result("lost"), 0, 0),
        (result(answer="other"), 0, 0),
        (result(answer="one"), 1, 0),
        (result(answer="one", mutated=False), 0, 1),
        (None, 0, 1),
    ],
)
def test_a_mutation_is_noticed_by_another_outcome_or_answer(after: Result | None, unnoticed: int, missing: int) -> None:
    results = {"a ~drop:2": after} if after else {}
    found = judge({"a": ("drop:2",)}, {"a": result(answer="one"), "b": result("deviates")}, results)
    assert (len(found.unnoticed), len(found.missing)) == (unnoticed, missing)
    assert found.exit_status == (1 if unnoticed or missing else 0)


def test_nothing_to_mutate_is_no_success() -> None:
    assert judge({}, {"a": result("deviates")}, {}).exit_status == 1


plans = st.dictionaries(
    st.text("abcdef", min_size=1),
    st.lists(st.sampled_from(["drop:1", "seq:1", "ack:2", "delay:3"]), min_size=1, unique=True).map(tuple),
)


@given(plan=plans, seconds=st.floats(0, VIRTUAL_LIMIT), workers=st.integers(1, 8))
def test_the_parts_of_a_plan_are_all_of_it_and_none_too_long(
    plan: dict[str, tuple[str, ...]], seconds: float, workers: int
) -> None:
    before = {scenario: msgspec.structs.replace(result(), seconds=seconds) for scenario in plan}
    parts = parts_of(plan, before, workers)
    assert sorted((name, text) for part in parts for name in part for text in part[name]) == sorted(
        (name, text) for name in plan for text in plan[name]
    )
    lengths = [sum(map(len, part.values())) for part in parts]
    assert all(length * seconds <= VIRTUAL_LIMIT for length in lengths)
    assert max(lengths, default=0) <= -(-sum(lengths) // workers)


def test_the_parts_of_a_plan_cost_alike() -> None:
    before = {name: msgspec.structs.replace(result(), host_seconds=cost) for name, cost in (("dear", 9.0), ("a", 1.0))}
    parts = parts_of({"dear": ("drop:1", "drop:2"), "a": tuple(f"drop:{at}" for at in range(18))}, before, 2)
    assert [{name: len(part[name]) for name in part} for part in parts] == [{"dear": 2}, {"a": 18}]


def test_the_altered_id_says_the_mutation() -> None:
    rounds = MutationRunner({"a": ("drop:2",)}, lambda item, _: item)
    assert rounds.of("a ~drop:2") == Mutation("drop", 2)
    assert rounds.of("a") is None


@pytest.mark.parametrize("content", ["[1]", "{", '{"a": ["drop:0"]}', '{"a": ["melt:1"]}'])
def test_a_faulty_plan_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(FinwaitError):
        read_plan(tmp_path / "plan.json")


WATCHFUL = """
from harness import ACK, FIN

def test_watchful(established):
    server, peer = established
    server.close()
    peer.expect(FIN, seq=1, ack=1)
"""
CARELESS = """
from harness import ACK, FIN, Pattern

def test_careless(established):
    server, peer = established
    server.close()
    peer.expect_one_of(anything=Pattern(FIN | ACK))
"""


@pytest.mark.parametrize("kernel", ["host", "uml-virtual:7.2"])
def test_each_answer_is_mutated_in_each_way_and_the_careless_scenario_is_told(tmp_path: Path, kernel: str) -> None:
    if not privilege.has_capabilities():
        pytest.skip("network namespaces need root or a user namespace")
    folder = tmp_path / "with a space"
    folder.mkdir()
    (folder / "test_watchful.py").write_text(WATCHFUL)
    (folder / "test_careless.py").write_text(CARELESS)
    mutator = Mutator(parse(kernel), CHECKOUT, on_this_machine(CHECKOUT, Console(file=io.StringIO())))
    missing = backend_of(mutator.spec, Cache.of_user()).available()
    if missing:
        pytest.skip(missing)
    found = mutator.mutate([str(folder)], tmp_path / "runs" / "mutate")
    assert found.planned == 2 * len(KINDS)
    assert found.missing == ()
    told = [mutated.rpartition("::")[2] for mutated in found.unnoticed]
    # it names no numbers
    assert sorted(told) == ["test_careless ~ack:2", "test_careless ~seq:2"]
    half, *others = (tmp_path / "runs" / "mutate").glob("mutated-*[0-9]")
    lines = (half / RESULTS).read_bytes().splitlines(keepends=True)
    (half / RESULTS).write_bytes(b"".join(lines[:-3]) + lines[-3][:50])  # died in mid-write
    for other in others:
        (other / RUN).unlink()  # and these before anything was written
    assert mutator.mutate([str(folder)], tmp_path / "runs" / "mutate", resume=True) == found


def test_a_plan_leaves_out_what_it_does_not_name(tmp_path: Path) -> None:
    if not privilege.has_capabilities():
        pytest.skip("network namespaces need root or a user namespace")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["harness.plugin.hooks", "harness.plugin.fixtures"]\n')
    (tmp_path / "test_it.py").write_text(WATCHFUL + WATCHFUL.replace("watchful", "other"))
    (tmp_path / "plan.json").write_text('{"test_it.py::test_watchful": ["drop:2", "seq:2"]}')
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--mutations", "plan.json"]
    subprocess.run(
        [*command, "--run-dir", "runs", "--run-name", "x", "--captures", "none"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        check=False,
    )
    lines = (tmp_path / "runs" / "x" / "results.jsonl").read_bytes().splitlines()
    results = [msgspec.json.decode(line, type=Result) for line in lines]
    assert {one.scenario.partition("::")[2]: (one.outcome, one.mutated, one.timeline) for one in results} == {
        "test_watchful ~drop:2": ("deviates", True, ""),
        "test_watchful ~seq:2": ("deviates", True, ""),
    }


def test_why_a_run_did_not_come_to_its_end_is_told() -> None:
    out = Console(file=io.StringIO(), width=80)
    present(Mutations(1, (), ("a ~drop:1",), lost=("mutated-0: hung: not done",)), out)
    told = out.file.getvalue()  # type: ignore[attr-defined]
    assert told.splitlines() == ["lost: mutated-0: hung: not done", "not made: a ~drop:1", "0 of 1 mutations noticed"]
