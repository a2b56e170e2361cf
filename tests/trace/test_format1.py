"""Run folders of format 1, which an earlier version wrote, are still read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.tcp.verdict import Due
from harness.trace import format1
from harness.trace.events import Called, Probed, Received
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
    assert result.evidence.notes == ("FIN-WAIT-1 -> FIN-WAIT-2 by +0.1 ms", "now FIN-WAIT-2, owned by its process")
    assert result.evidence.so_far == ("< F. 1:1(0) ack 1  +0 ms",)


def test_what_did_not_deviate_has_no_evidence() -> None:
    results = load(OLD).results
    assert [(results[one].outcome, results[one].evidence) for one in (SYN, RST)] == [
        ("unsupported", None),
        ("lost", None),
    ]


def test_what_its_timelines_say_in_words_is_read_into_fields() -> None:
    run = load(OLD)
    _, called, received, probed = run.timeline(run.results[FIN])
    assert called == Called(1200, 1300, "close", step="2: close()")
    assert isinstance(received, Received)
    assert (received.step, received.judged) == ("3: expect . 2:2(0) ack 2", "not as expected")
    assert probed == Probed(2100, "sock_diag", state="FIN-WAIT-2", holder="process")


@pytest.mark.parametrize(
    ("call", "result", "fields"),
    [
        ("send(1 bytes, MSG_OOB)", "1", {"name": "send", "arguments": ("1 bytes", "MSG_OOB"), "result": 1}),
        ("recv(9)", "ECONNRESET", {"name": "recv", "arguments": ("9",), "error": "ECONNRESET"}),
        ("sysctl tcp_fin_timeout=3", "0", {"name": "sysctl tcp_fin_timeout=3"}),
    ],
)
def test_a_call_is_taken_apart(call: str, result: str, fields: dict[str, Any]) -> None:
    written = [{"type": "called", "at": 1, "end": 2, "call": call, "result": result}]
    content = msgspec.json.encode({"format": 1, "scenario": "a", "events": written})
    assert format1.timeline(content).events == (Called(1, 2, **fields),)


@pytest.mark.parametrize(
    ("source", "text", "state", "fields"),
    [
        ("tracepoint", "FIN-WAIT-1 -> FIN-WAIT-2", "FIN-WAIT-2", {"was": "FIN-WAIT-1"}),
        ("tracepoint", "dropped: TCP_OLD_ACK", "", {"what": "dropped: TCP_OLD_ACK"}),
        ("nginx", "ended with close", "", {"what": "ended", "details": {"call": "close"}}),
        ("sock_diag", "no socket", "CLOSED", {}),
    ],
)
def test_what_a_probe_said_is_taken_apart(source: str, text: str, state: str, fields: dict[str, Any]) -> None:
    written = [{"type": "probed", "at": 1, "source": source, "text": text, "state": state}]
    content = msgspec.json.encode({"format": 1, "scenario": "a", "events": written})
    assert format1.timeline(content).events == (Probed(1, source, state=state, **fields),)
