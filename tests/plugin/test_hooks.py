"""What pytest makes of scenarios: run in a process of its own, as a user would, and read from its run folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]

HEAD = """
import os, pytest
from harness import *
from harness.errors import Unsupported

"""
FOUR = """
def test_conforms(established):
    server, peer = established
    server.send(b"x")
    peer.expect(ACK, seq=1, ack=1, data=b"x")

def test_deviates(established):
    server, peer = established
    server.send(b"x")
    peer.expect(ACK, seq=1, ack=1, data=b"y")

def test_unsupported(session):
    raise Unsupported("this kernel has no such thing", why="too old", hint="a newer one")

def test_lost(session):
    raise ZeroDivisionError("a bug in the scenario")
"""


@dataclass
class Ran:
    """What came of one pytest, and of its run folder."""

    status: int
    output: str
    folder: Path

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        lines = (self.folder / "results.jsonl").read_text().splitlines()
        return {result["scenario"].partition("::")[2]: result for result in map(json.loads, lines)}

    @property
    def outcomes(self) -> dict[str, str]:
        return {name: result["outcome"] for name, result in self.results.items()}

    @property
    def record(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return content


RunScenarios = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path) -> RunScenarios:
    """Write scenarios, run them with the options given, and give back what came of it."""

    def run_scenarios(text: str, *options: str, name: str = "run") -> Ran:
        (tmp_path / "test_s.py").write_text(HEAD + dedent(text))
        (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -ra --strict-markers -p no:cacheprovider\n")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
        environment |= {"PYTHONPATH": str(CHECKOUT), "COLUMNS": "200"}
        if not any(option.startswith("--run-dir") for option in options):
            options = (*options, f"--run-dir={tmp_path / 'a run'}")
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "harness.plugin.hooks", f"--run-name={name}", *options],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return Ran(ended.returncode, ended.stdout, tmp_path / "a run" / name)

    return run_scenarios


def test_four_outcomes_in_pytests_words_and_in_the_results(run: RunScenarios) -> None:
    ran = run(FOUR)
    assert "1 failed, 1 passed, 1 skipped, 1 error" in ran.output
    assert ran.status == 2  # one of them is a mistake in the scenario
    assert ran.outcomes == {
        "test_conforms": "conforms",
        "test_deviates": "deviates",
        "test_unsupported": "unsupported",
        "test_lost": "lost",
    }
    assert f"finwait: 1 conforms, 1 deviates, 1 unsupported, 1 lost; run folder {Path('a run/run')}" in ran.output
    assert ran.record["planned"] == [f"test_s.py::{name}" for name in ran.outcomes]
    assert "this kernel has no such thing; too old" in ran.results["test_unsupported"]["message"]
    where, _, what = ran.results["test_lost"]["message"].partition(": ")
    assert where.startswith("test_s.py:")
    assert what.startswith("mistake in the scenario: ZeroDivisionError: a bug in the scenario; in: raise ZeroDivision")


BUSY = """
def test_busy(session):
    from harness.errors import TooBusy
    raise TooBusy("the peer answered late")
"""


def test_summary_tells_what_was_lost_to_a_busy_machine_from_what_was_lost_otherwise(run: RunScenarios) -> None:
    ran = run(BUSY + FOUR, "-k", "busy or lost or conforms")
    assert ran.outcomes == {"test_busy": "lost", "test_conforms": "conforms", "test_lost": "lost"}
    assert "finwait: 1 conforms, 2 lost (1: the machine was too busy); run folder " in ran.output
    alone = run(BUSY, name="alone")
    assert alone.status == 2
    assert "finwait: 1 lost: the machine was too busy; run folder " in alone.output


def test_all_conform_is_status_zero(run: RunScenarios) -> None:
    ran = run(FOUR, "-k", "conforms")
    assert ran.status == 0
    assert ran.outcomes == {"test_conforms": "conforms"}


def test_what_is_unsupported_is_no_failure_and_says_why(run: RunScenarios) -> None:
    ran = run(FOUR, "-k", "unsupported")
    assert ran.status == 0
    assert "this kernel has no such thing; too old; try: a newer one" in ran.output
    assert ran.outcomes == {"test_unsupported": "unsupported"}


def test_packages_that_skips_name_are_added_up_in_one_line(run: RunScenarios) -> None:
    ran = run("""
        @pytest.mark.parametrize("program", ["nosuch-b", "nosuch-a"])
        def test_program(session, program):
            session.run(program)
        """)
    assert "finwait: 2 skips for want of packages; try: apt-get install nosuch-a nosuch-b\n" in ran.output


def test_deviation_shows_the_failure_text_and_no_traceback(run: RunScenarios) -> None:
    ran = run(FOUR, "-k", "deviates")
    assert ran.status == 1
    assert "expected  > . 1:2(1) ack 1   within 40 ms (PROMPT)\nobserved  > P. 1:2(1) ack 1 " in ran.output
    assert "(data: b'x', not b'y')" in ran.output
    assert "\nwhere     test_s.py:" in ran.output
    assert "Traceback" not in ran.output
    assert "harness/" not in ran.output


def test_deviation_keeps_its_timeline_and_its_capture_and_the_rest_its_timeline(run: RunScenarios) -> None:
    ran = run(FOUR, "-k", "deviates or conforms")
    results = ran.results
    assert (ran.folder / results["test_deviates"]["capture"]).stat().st_size > 500
    assert "capture" not in results["test_conforms"] or results["test_conforms"]["capture"] == ""
    events = json.loads((ran.folder / results["test_conforms"]["timeline"]).read_text())["events"]
    assert [event["type"] for event in events if event["type"] in ("sent", "received")] == [
        "sent",
        "received",
        "sent",
        "received",
    ]


def test_captures_of_all_are_kept_on_request(run: RunScenarios) -> None:
    ran = run(FOUR, "-k", "conforms", "--captures=all")
    assert (ran.folder / ran.results["test_conforms"]["capture"]).stat().st_size > 500


@pytest.mark.parametrize(
    ("step", "line"),
    [
        ("peer.send(ACK, seq=2**32)", "seq=4294967296 does not fit; the field has 32 bits; try: a whole number from"),
        ("peer.expect(ACK, options='tsval')", "there is no TCP option named 'tsval' in 'tsval'; options are named as"),
        ("server.set_option('TCP_NO', 1)", "there is no socket option named 'TCP_NO'; "),
        (
            "peer.expect(FIN, sequence=1)",
            "argument 'sequence'; in: peer.expect(FIN, sequence=1); try: ",
        ),
        ("peer.expect(FIN, sequence=1)", "try: flags, seq, ack, within, "),
        ("peer.send(FIN, sequence=1)", "try: flags, seq, ack, data, "),
        ("peer.expect(FIN, within='x')", "within='x' is no time; try: seconds such as 0.5, or a span such as RTO_MIN"),
        ("peer.expct(FIN)", "'Peer' object has no attribute 'expct'; in: peer.expct(FIN); try: expect"),
    ],
)
def test_misuse_in_a_scenario_is_one_line_and_status_two(run: RunScenarios, step: str, line: str) -> None:
    ran = run(
        f"def test_misused(established):\n    server, peer = established\n    {step}\n{FOUR}", "-k", "mis or conf"
    )
    assert ran.status == 2
    told, *summary = [text for text in ran.output.splitlines() if line in text]
    assert re.match(r"test_s.py:\d+: mistake in the scenario: ", told)
    # where CI is set, pytest's closing summary is not cut and says it again
    assert len(summary) <= 1
    assert "Traceback" not in ran.output
    assert "harness/" not in ran.output
    assert "def test_misused" not in ran.output
    assert ran.outcomes == {"test_misused": "lost", "test_conforms": "conforms"}


def test_misuse_in_a_fixture_is_one_line_and_status_two(run: RunScenarios) -> None:
    ran = run("def test_port(session):\n    session.listen(port=9)\n    session.listen(port=9)\n")
    assert ran.status == 2
    assert "port 9 of the kernel under test cannot be bound (EADDRINUSE); another socket of this lab" in ran.output
    assert "Traceback" not in ran.output


def test_a_requirement_without_parentheses_is_one_line(run: RunScenarios) -> None:
    ran = run("@requirement\ndef test_it(session):\n    pass\n")
    assert ran.status == 2
    (told,) = [text for text in ran.output.splitlines() if text.startswith("test_s.py:")]
    assert "'test_it' is no id of a requirement; " in told
    assert "Traceback" not in ran.output
    assert "harness/" not in ran.output


@pytest.mark.parametrize("step", ["assert established.peer.choices == [1]", "pytest.fail('not as I like it')"])
def test_any_failure_with_a_session_says_what_the_kernel_knew_and_what_went_before(
    run: RunScenarios, step: str
) -> None:
    ran = run(f"def test_it(established):\n    {step}\n")
    assert ran.status == 1
    assert ran.outcomes == {"test_it": "deviates"}
    message = ran.results["test_it"]["message"]
    assert message.startswith(f"expected  {step}\nobserved  ")
    assert message.endswith("\nwhere     test_s.py:7")
    for text in ("\nobserved  ", "\nkernel    ", "now ESTABLISHED", "\nso far    ", "accept() = "):
        assert text in message
        assert text in ran.output


OTHERS = """
@pytest.fixture
def session():
    return "a database's"

def test_others(session):
    assert session
"""


def test_fixture_of_another_that_is_called_session_makes_no_scenario(run: RunScenarios) -> None:
    ran = run(OTHERS)
    assert ran.status == 0
    assert not ran.folder.exists()


def test_fixture_that_goes_on_from_ours_makes_a_scenario_and_so_does_the_mark(run: RunScenarios) -> None:
    ran = run(
        OTHERS.replace("def session():", "def session(session):").replace("a database's", "ours")
        + "\n@pytest.mark.scenario\ndef test_marked():\n    pass\n"
        + "\ndef test_late(request):\n    request.getfixturevalue('session')\n"
    )
    assert ran.status == 0
    assert ran.outcomes == dict.fromkeys(("test_others", "test_marked", "test_late"), "conforms")
    assert ran.record["planned"] == ["test_s.py::test_others", "test_s.py::test_marked"]


def test_the_first_worker_that_opens_a_lab_describes_the_run(run: RunScenarios) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is missing")
    # of two tests each worker gets one, so that gw0 opens no lab
    ran = run("def test_plain():\n    pass\n\ndef test_it(session):\n    pass\n", "-n2")
    assert ran.outcomes == {"test_it": "conforms"}
    assert ran.record["preconditions"]
    assert ran.record["timing"]["rounds"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--mutate-answer=lose:1"], "'lose:1' is no mutation; "),
        (["--mutate-answer=drop:last"], "which answer is the last is not known; "),
        (["--mutate-answer=drop:last", "--mutate-after=nowhere"], "there is no run folder nowhere; "),
        (["--baseline=nowhere.toml"], "nowhere.toml"),
        (["--run-dir=/proc/finwait"], "the run folder /proc/finwait/run cannot be made ("),
        (["--run-dir=test_s.py"], "the run folder test_s.py/run cannot be made (Not a directory); "),
    ],
)
def test_options_that_cannot_be_met_are_one_line_and_leave_no_run_folder(
    run: RunScenarios, tmp_path: Path, options: list[str], line: str
) -> None:
    ran = run(FOUR, *options)
    assert ran.status == 4  # pytest's own status for a wrong command line
    (told,) = [text for text in ran.output.splitlines() if line in text]
    assert told.startswith("ERROR: ")
    assert "Traceback" not in ran.output
    assert not (tmp_path / "a run").exists() or not list((tmp_path / "a run").iterdir())


KNOWN = """
@requirement("RFC9293-3.6", fixed_by="0123456789ab")
def test_known(established):
    server, peer = established
    server.send(b"x")
    peer.expect(ACK, data=b"y")
"""


def test_known_deviation_is_reported_and_passes_only_when_asked(run: RunScenarios) -> None:
    tolerant = run(KNOWN, "--known-deviations", name="tolerant")
    assert tolerant.status == 0
    assert "1 xfailed" in tolerant.output
    assert "0123456789ab" in tolerant.output
    assert tolerant.results["test_known"]["known"] is True
    strict = run(KNOWN, name="strict")
    assert strict.status == 1
    assert not strict.results["test_known"]["known"]
    for ran in (tolerant, strict):
        assert ran.outcomes == {"test_known": "deviates"}
        assert ran.results["test_known"]["fixed_by"] == "0123456789ab"
        assert ran.results["test_known"]["requirements"] == ["RFC9293-3.6"]


def test_unknown_deviation_fails_also_among_known_ones(run: RunScenarios) -> None:
    ran = run(KNOWN + FOUR, "--known-deviations", "-k", "known or deviates")
    assert ran.status == 1
    assert ran.outcomes == {"test_known": "deviates", "test_deviates": "deviates"}
    assert [name for name, result in ran.results.items() if result.get("known")] == ["test_known"]


def test_segment_that_a_scenario_never_mentioned_fails_it(run: RunScenarios) -> None:
    ran = run("def test_silent(established):\n    established.endpoint.send(b'x')\n")
    assert ran.outcomes == {"test_silent": "deviates"}
    assert "expected  > nothing more" in ran.output


def test_what_uses_no_session_is_no_scenario(run: RunScenarios) -> None:
    ran = run("def test_plain():\n    pass\n")
    assert ran.status == 0
    assert not ran.folder.exists()


DEATHS = {"exit": "os._exit(3)", "killed": "os.kill(os.getpid(), 9)"}


@pytest.mark.parametrize("death", DEATHS)
def test_worker_that_dies_takes_only_its_scenario_with_it(run: RunScenarios, death: str) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is missing")
    ran = run(
        f"{FOUR}\ndef test_dies(established):\n    {DEATHS[death]}\n", "-n2", "-k", "dies or conforms or deviates"
    )
    assert ran.status == 1
    assert {name: outcome for name, outcome in ran.outcomes.items() if name != "test_dies"} == {
        "test_conforms": "conforms",
        "test_deviates": "deviates",
    }
    from harness.trace.runs import load

    assert load(ran.folder).results["test_s.py::test_dies"].outcome == "lost"
    assert "test_dies" in ran.output


def test_run_that_is_killed_leaves_what_was_recorded(run: RunScenarios) -> None:
    from harness.trace.runs import load

    ran = run(f"{FOUR}\ndef test_dies(established):\n    {DEATHS['killed']}\ndef test_never(session):\n    pass\n")
    assert ran.status == -9
    outcomes = {name.partition("::")[2]: result.outcome for name, result in load(ran.folder).results.items()}
    assert outcomes["test_conforms"] == "conforms"
    assert outcomes["test_deviates"] == "deviates"
    assert outcomes["test_dies"] == outcomes["test_never"] == "lost"


REVERSED = """
def pytest_collection_modifyitems(items):
    items.reverse()
"""


def test_neither_order_nor_workers_change_a_result(run: RunScenarios, tmp_path: Path) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is missing")
    scenarios = f"""
@both_families
@with_and_without_timestamps
@pytest.mark.parametrize("end", ENDINGS)
def test_end(established, end):
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)
{FOUR}"""

    def told(ran: Ran) -> dict[str, tuple[object, ...]]:
        return {
            name: (result["outcome"], result.get("received"), result.get("params"), result.get("digest"))
            for name, result in ran.results.items()
        }

    plain = told(run(scenarios, name="plain"))
    assert len(plain) == 6 * 4 + 4
    assert told(run(scenarios, "-n4", name="many")) == plain
    (tmp_path / "conftest.py").write_text(REVERSED)
    backwards = run(scenarios, name="backwards")
    assert told(backwards) == plain
    assert list(backwards.results) == list(reversed(plain))


def test_mutated_answer_is_noticed_and_said(run: RunScenarios) -> None:
    ordinary = run(FOUR, "-k", "conforms", name="ordinary")
    assert ordinary.results["test_conforms"]["received"] == 2
    for kind in ("drop", "seq", "delay"):
        ran = run(
            FOUR, "-k", "conforms", f"--mutate-answer={kind}:last", f"--mutate-after={ordinary.folder}", name=kind
        )
        assert ran.outcomes == {"test_conforms": "deviates"}
        assert ran.results["test_conforms"]["mutated"] is True


def test_mutation_of_an_answer_that_never_comes_changes_nothing(run: RunScenarios) -> None:
    ran = run(FOUR, "-k", "conforms", "--mutate-answer=drop:9")
    assert ran.outcomes == {"test_conforms": "conforms"}
    assert not ran.results["test_conforms"].get("mutated")


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "two workers"])
def test_run_folder_holds_the_record_with_the_labs_sysctls_and_nothing_odd(
    run: RunScenarios, options: tuple[str, ...]
) -> None:
    if options:
        pytest.importorskip("xdist", reason="pytest-xdist is missing")
    ran = run(FOUR, "-k", "conforms or deviates", *options)
    assert ran.record["preconditions"]["congestion control"]
    assert ran.record["planned"] == ["test_s.py::test_conforms", "test_s.py::test_deviates"]
    assert {path.name for path in ran.folder.iterdir()} == {"run.json", "results.jsonl", "timelines", "captures"}


def test_run_folder_is_told_from_where_the_user_stands(run: RunScenarios, tmp_path: Path) -> None:
    ran = run(FOUR, "-k", "conforms", f"--rootdir={tmp_path.parent}")
    assert "; run folder a run/run\n" in ran.output


def test_folder_with_a_space_and_one_that_is_not_there_yet(run: RunScenarios, tmp_path: Path) -> None:
    deep = tmp_path / "not there" / "yet é"
    ran = run(FOUR, "-k", "conforms", f"--run-dir={deep}")
    assert ran.status == 0
    assert (deep / "run" / "results.jsonl").exists()
    shutil.rmtree(deep)
