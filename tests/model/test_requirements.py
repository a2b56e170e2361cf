"""The tables of requirements and transitions, and what scenarios may cite."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.model.requirements import STATES, load, objections, parse

REQUIREMENTS = "id,rfc,section,level,keywords,summary,applies_to,testable_at_wire\n"
ONE = "RFC9293-MUST-1,9293,3.1,MUST,window,Windows are unsigned.,data,yes: send a large one\n"
TRANSITIONS = "id,from_state,event,action,to_state,notes,source\n"
SECTIONS = "rfc,section,title\n"
ARROW = "FSM-013,ESTABLISHED,rcv FIN,send ACK,CLOSE-WAIT,,3.10.7.4\n"


def test_the_tables_are_whole() -> None:
    catalogue = load()
    assert Counter(one.rfc for one in catalogue.requirements.values())[9293] == 149
    assert len(catalogue.transitions) == 212
    assert [one.id for one in catalogue.transitions.values()] == [f"FSM-{number:03}" for number in range(1, 213)]
    assert {one.from_state for one in catalogue.transitions.values()} == set(STATES)


def test_rfc_9293_has_each_of_its_numbers_once() -> None:
    ids = load().requirements
    for level, last in (("MUST", 69), ("SHLD", 31), ("MAY", 18), ("REC", 1)):
        assert [f"RFC9293-{level}-{n}" for n in range(1, last + 2) if f"RFC9293-{level}-{n}" not in ids] == [
            f"RFC9293-{level}-{last + 1}"
        ]


def test_a_row_is_taken_apart() -> None:
    catalogue = parse(REQUIREMENTS + ONE, TRANSITIONS + ARROW, SECTIONS + "9293,3.6,Closing\n")
    one = catalogue.requirements["RFC9293-MUST-1"]
    assert (one.rfc, one.testable, one.how) == (9293, "yes", "send a large one")
    assert catalogue.transitions["FSM-013"].to_state == "CLOSE-WAIT"
    assert catalogue.text("RFC9293-3.6") == "Closing"


@pytest.mark.parametrize(
    ("requirements", "transitions", "complaint"),
    [
        (REQUIREMENTS + ONE + ONE, TRANSITIONS, "tcp_requirements.csv, line 3: the id RFC9293-MUST-1 comes again"),
        (REQUIREMENTS + ONE.replace(",9293,", ",793,"), TRANSITIONS, "is not one of RFC 793"),
        (REQUIREMENTS + ONE.replace("yes:", "perhaps:"), TRANSITIONS, "testable_at_wire is 'perhaps'"),
        (REQUIREMENTS + ONE.replace("Windows are unsigned.", " "), TRANSITIONS, "RFC9293-MUST-1 says nothing"),
        (
            REQUIREMENTS.replace("summary,", "summery,") + ONE,
            TRANSITIONS,
            "tcp_requirements.csv has no column 'summary'",
        ),
        (REQUIREMENTS + '"RFC', TRANSITIONS, "tcp_requirements.csv, line 1: unexpected end of data"),
        (REQUIREMENTS, TRANSITIONS + ARROW.replace("CLOSE-WAIT", "CLOSE_WAIT"), "'CLOSE_WAIT' is none of the eleven"),
        (REQUIREMENTS, TRANSITIONS + ARROW.replace("FSM-013", "FSM-13"), "'FSM-13' is not FSM- and three digits"),
    ],
)
def test_a_faulty_table_is_refused_by_table_and_line(requirements: str, transitions: str, complaint: str) -> None:
    with pytest.raises(FinwaitError, match=complaint):
        parse(requirements, transitions, SECTIONS)


def test_a_faulty_section_is_refused_by_its_line() -> None:
    with pytest.raises(FinwaitError, match=re.escape("tcp_sections.csv, line 2: 'RFC9293-3.' is not the id")):
        parse(REQUIREMENTS, TRANSITIONS, SECTIONS + "9293,3.,Functions\n")


CITABLE = [
    "RFC9293-MUST-13",
    "FSM-014",
    "RFC9293-3.10.7.4",
    "RFC9293-A.1.2",
    "RFC9293-3.8.6.2.1",  # not in the table of contents
    "RFC6691-A",
    "RFC5961-99",  # nobody here knows which sections other RFCs have
    "RFC792-3",
]


@pytest.mark.parametrize("cited", CITABLE)
def test_what_exists_may_be_cited(cited: str) -> None:
    assert load().objection(cited) is None


@pytest.mark.parametrize(
    ("cited", "near"),
    [
        ("RFC9293-MUST-70", "RFC9293-MUST-7"),
        ("FSM-213", "FSM-212"),
        ("RFC9293-3.10.7.", "RFC9293"),
        ("RFC5961-3.2", None),
        ("RFC5961-3-2-1", "RFC5961-3.2-1"),
        ("RFC9293-3.10.7.99", "RFC9293-3.10.7.1"),
        ("RFC9293-3.6.2", "RFC9293-3.6, RFC9293-3.6.1, "),
        ("RFC9293-C", "RFC9293-"),
    ],
)
def test_what_does_not_exist_is_told_with_what_is_near(cited: str, near: str | None) -> None:
    objection = load().objection(cited)
    if near is None:
        assert objection is None
    else:
        assert objection is not None
        assert repr(cited) in objection
        assert near in objection


def test_an_id_that_many_cite_is_told_once() -> None:
    cited = [("a.py::test_one", "FSM-999"), ("a.py::test_two", "FSM-999"), ("a.py::test_two", "FSM-001")]
    (line,) = objections(cited, load())
    assert line.startswith("a.py::test_one and 1 more: there is no requirement 'FSM-999'; near it are FSM-")


@pytest.mark.parametrize("options", [[], ["--collect-only"], ["-n", "2"]], ids=["run", "collect", "xdist"])
def test_pytest_refuses_a_scenario_that_cites_what_does_not_exist(tmp_path: Path, options: list[str]) -> None:
    if "-n" in options:
        pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["harness.plugin.hooks", "harness.plugin.fixtures"]\n')
    (tmp_path / "test_it.py").write_text(
        "from harness import requirement\n"
        '@requirement("RFC9293-MUST-13", "RFC9293-MUSTT-3", "RFC9293-3.10.7.99")\n'
        "def test_x(session): pass\n"
    )
    checkout = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--run-dir", "runs", *options]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    text = ended.stdout + ended.stderr
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR, text
    said = [line for line in text.splitlines() if "RFC9293-MUSTT-3" in line]
    assert len(said) == 1, text
    assert "::test_x: there is no requirement 'RFC9293-MUSTT-3'; near it are RFC9293-MUST-3" in said[0]
    assert "::test_x: there is no section 'RFC9293-3.10.7.99'; near it are RFC9293-3.10.7, " in text
    assert "Traceback" not in text
