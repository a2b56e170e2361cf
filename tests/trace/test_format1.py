"""Run folders of format 1, which an earlier version wrote, are still read."""

from __future__ import annotations

from pathlib import Path

from harness.tcp.verdict import Due
from harness.trace.runs import load

OLD = Path(__file__).parents[1] / "data" / "format1"
FIN, SYN, RST = (f"scenarios/test_a.py::test_{name}" for name in ("fin", "syn", "rst"))


def test_evidence_is_taken_from_the_text_which_stays() -> None:
    result = load(OLD).results[FIN]
    assert result.message.startswith("expected  > . 2:2(0) ack 2   within 40 ms (PROMPT)   (accepted)\n")
    assert result.evidence
    assert result.evidence.expected == (
        Due("> . 2:2(0) ack 2   within 40 ms (PROMPT)   (accepted)"),
        Due("> . 2:2(0) ack 3   within 40 ms (PROMPT)   (old     )"),
    )
    assert result.evidence.observed == "> . 2:2(0) ack 1 win 257"
    assert result.evidence.kernel == ("FIN-WAIT-1 -> FIN-WAIT-2 by +0.1 ms", "now FIN-WAIT-2, owned by its process")
    assert result.evidence.so_far == ("< F. 1:1(0) ack 1  +0 ms",)


def test_what_did_not_deviate_has_no_evidence() -> None:
    results = load(OLD).results
    assert [(results[one].outcome, results[one].evidence) for one in (SYN, RST)] == [
        ("unsupported", None),
        ("lost", None),
    ]


def test_its_timelines_are_read() -> None:
    run = load(OLD)
    assert len(run.timeline(run.results[FIN])) == 4
