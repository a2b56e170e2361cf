"""What a failure says on the screen and in a JUnit file: where it is, without what is another in each run."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from .conftest import HEAD, RunScenarios

SCENARIOS = """
def test_left_over(established):
    established.endpoint.send(b"x")

def test_broken_silence(established):
    established.endpoint.send(b"x")
    established.peer.expect_silence()

def test_assert(established):
    assert established.peer is established.endpoint

def test_mistake(established):
    raise RuntimeError(established.peer)

def test_fault(established, monkeypatch):
    def broken(session=established.peer):
        raise LookupError(str(session))
    monkeypatch.setattr("harness.live.session.Session.finish", lambda self: broken())

def test_turned_down(established):
    reply = established.peer.expect_one_of(
        accepted=Pattern(ACK, ack=2), challenged=Pattern(ACK, ack=1)
    )
    reply.require("accepted")
"""
FIRST = len(HEAD.splitlines())


def line_of(text: str) -> int:
    return FIRST + SCENARIOS.splitlines().index(text) + 1


def test_failure_names_its_place_and_nothing_that_differs_from_run_to_run(run: RunScenarios, tmp_path: Path) -> None:
    ran = run(SCENARIOS, "--junitxml=junit.xml")
    assert ran.outcomes == {
        "test_left_over": "deviates",
        "test_broken_silence": "deviates",
        "test_assert": "deviates",
        "test_mistake": "lost",
        "test_fault": "lost",
        "test_turned_down": "deviates",
    }
    told = {name: result["message"] for name, result in ran.results.items()}
    end = line_of('    established.endpoint.send(b"x")')
    assert f"\nwhere     test_s.py:{end}, the end of the scenario\n" in told["test_left_over"]
    silence = line_of("    established.peer.expect_silence()")
    assert f"\nwhere     test_s.py:{silence}\n" in told["test_broken_silence"]
    assert "observed  assert <harness.live.peer.Peer> is <harness.live.endpoint.Endpoint>\n" in told["test_assert"]
    assert told["test_turned_down"].startswith("expected  > . *(0) ack 2   within 40 ms (PROMPT)   (accepted)\nobs")

    cases = ElementTree.parse(tmp_path / "junit.xml").iter("testcase")
    faults = {case.get("name"): one for case in cases for one in case if one.tag != "properties"}
    junit = {name: " ".join([fault.get("message") or "", fault.text or ""]) for name, fault in faults.items()}
    assert junit.keys() == told.keys()
    for text in (ran.output, *told.values(), *junit.values()):
        assert not re.search(r"at 0x[0-9a-f]+", text)
    for name, text in junit.items():
        assert told[str(name)].splitlines()[0] in text
