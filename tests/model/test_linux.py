"""What Linux means to answer otherwise: each such answer rests on the baseline, and is none that the RFC has."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.model.connection import ControlBlock
from harness.model.linux import (
    COUNTED_TWICE,
    ELSEWHERE,
    LARGER_THAN_THE_FIELD,
    NEWS,
    OPENED_BY_AN_OLD_ACK,
    RESET_AROUND_THE_FIN,
    SYN_ACK_TAKEN_FOR_AN_ACK,
    designed,
    in_a_larger_window,
)
from harness.model.requirements import STATES
from harness.model.rfc9293 import answers
from harness.model.segment_table import WITH_A_WINDOW, WITH_A_ZERO_WINDOW, table_cells
from harness.plugin.baseline import DeviationKind, load
from harness.tcp.segment import ACK, FIN, NONE, RST, SYN, Flags, Segment
from tests.model.told import seg, told

AT = ControlBlock("ESTABLISHED", snd_una=7, snd_nxt=7, rcv_nxt=50, rcv_wnd=10, quickack=True)
ENTRIES = [one for one in load(Path("scenarios/baselines/linux.toml")).entries if one.kind is DeviationKind.DESIGN]


def clauses() -> set[str]:
    found = set(ELSEWHERE)
    kept = (Segment(flags=ACK, seq=52, ack=7, data=b"xx"),)
    for window, places in ((10, WITH_A_WINDOW), (0, WITH_A_ZERO_WINDOW)):
        for cell in table_cells(STATES, places):
            for reads in (True, False):
                at = replace(AT, state=cell.state, rcv_wnd=window, reads=reads, kept=kept, snd_una=6)
                found |= {one.clause for one in designed(at, cell.segment(at))}
    found |= {one.clause for one in designed(replace(AT, kept=kept), seg(RST, 54))}
    found |= {one.clause for one in designed(replace(AT, reads=False), seg(FIN, 52, ack=7))}
    return found - set(NEWS)


@pytest.mark.parametrize("clause", sorted(clauses()))
def test_its_clause_is_an_entry_of_the_baseline_by_design(clause: str) -> None:
    assert any(one.names(clause) and one.on("7.2.0") for one in ENTRIES)


def test_its_clause_is_a_scenario() -> None:
    argv = (sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *clauses())
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    collected = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert set(collected.stdout.splitlines()) >= clauses(), collected.stderr


@pytest.mark.parametrize(
    ("state", "segment", "expected"),
    [
        ("ESTABLISHED", seg(NONE, 45), ("", "ESTABLISHED")),
        ("ESTABLISHED", seg(RST, 60), ("<SEQ=7><ACK=50><CTL=ACK>", "ESTABLISHED")),
        ("ESTABLISHED", seg(ACK, 60, ack=7), ("", "ESTABLISHED")),
        ("CLOSE-WAIT", seg(RST, 49), ("", "CLOSED")),
        ("CLOSE-WAIT", seg(FIN, 50, ack=7), ("", "CLOSE-WAIT")),
        ("SYN-RECEIVED", seg(SYN, 55), ("<SEQ=0><ACK=56><CTL=RST,ACK>", "CLOSED")),
        ("SYN-RECEIVED", seg(SYN, 49), ("<SEQ=0><ACK=50><CTL=SYN,ACK>", "SYN-RECEIVED")),
        ("TIME-WAIT", seg(RST, 55), ("", "TIME-WAIT")),
        ("LISTEN", seg(SYN | FIN, 50), ("", "LISTEN")),
    ],
)
def test_answer_that_no_rfc_has(state: str, segment: Segment, expected: tuple[str, str]) -> None:
    at = replace(AT, state=state)
    assert expected in [told(one) for one in designed(at, segment)]
    assert expected not in [told(one) for one in answers(at, segment)]


@pytest.mark.parametrize(
    ("clause", "at", "segment"),
    [
        (OPENED_BY_AN_OLD_ACK, replace(AT, state="SYN-RECEIVED", actively=True, snd_una=6, iss=6), seg(ACK, 50, ack=6)),
        (RESET_AROUND_THE_FIN, replace(AT, state="CLOSE-WAIT"), seg(ACK, 49, ack=7, length=3)),
        (SYN_ACK_TAKEN_FOR_AN_ACK, replace(AT, state="SYN-RECEIVED"), seg(SYN | ACK, 49, ack=7, length=1)),
        (COUNTED_TWICE, replace(AT, state="CLOSING", snd_una=6), seg(FIN | ACK, 49, ack=6, length=1)),
    ],
)
def test_what_no_scenario_has_is_none_that_the_rfc_has(clause: str, at: ControlBlock, segment: Segment) -> None:
    several = {told(one) for one in designed(at, segment) if one.clause == clause}
    assert several
    assert not several & {told(one) for one in answers(at, segment)}


@pytest.mark.parametrize("flags", [ACK, RST])
def test_what_lies_beyond_what_the_field_holds_is_answered_as_in_the_window(flags: Flags) -> None:
    at = replace(AT, rcv_wnd=65_535)
    beyond, far = (seg(flags, at.rcv_nxt + 65_535 + more, ack=7) for more in (1, 1 << 20))
    several = list(in_a_larger_window(at, beyond))
    assert {one.clause for one in several} == {LARGER_THAN_THE_FIELD}
    assert {told(one) for one in several} - {told(one) for one in answers(at, beyond)}
    assert not list(in_a_larger_window(at, far))


@pytest.mark.parametrize("clause", NEWS)
def test_what_no_scenario_has_stands_in_the_document(clause: str) -> None:
    text = " ".join(Path("docs/explore.md").read_text().split())
    assert f"- {clause[0].upper()}{clause[1:]}" in text


@pytest.mark.parametrize("flags", [ACK, FIN | ACK])
def test_what_is_in_order_has_no_other_answer(flags: Flags) -> None:
    assert not list(designed(AT, seg(flags, 50, ack=7)))
