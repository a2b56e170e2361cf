"""How long one scenario without waits takes, and how close together two segments are sent."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness.live.calibration import calibrate
from harness.live.session import Session
from harness.plugin.recorder import Scenario, ScenarioRecorder
from harness.probes.tracepoints import Tracer
from harness.tcp.segment import ACK, FIN
from harness.trace.events import Sent
from harness.trace.folder import RunFolder

ROUNDS = 100
MS, US = 1e6, 1e3


def report() -> Iterator[str]:
    """Lines with the figures."""
    profile = calibrate()
    yield f"calibration: slowest of {profile.rounds} answers {profile.worst_ns / US:.1f} us"
    totals: list[int] = []
    gaps: list[int] = []
    parts: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as scratch, Tracer() as tracer:
        recorder = ScenarioRecorder(RunFolder.create(Path(scratch)), Path(scratch))
        for number in range(ROUNDS + 5):
            begin = time.perf_counter_ns()
            session = Session(profile, tracer=tracer)
            with session:
                play(session)
                result = recorder.ended(Scenario("benchmark", sessions=[session]), None, 0.0)
                recorder.folder.append_result(result)
            total = time.perf_counter_ns() - begin
            if number < 5:  # the first ones load what is loaded once
                continue
            totals.append(total)
            sent = [event.at for event in session.timeline if isinstance(event, Sent)]
            gaps.append(sent[-1] - sent[-2])
            for part, spent in session.stopwatch.spent.items():
                parts.setdefault(part, []).append(spent)
    yield f"scenario without waits, {ROUNDS} rounds in one process: {spread(totals, MS, 'ms')} (at most 15 ms)"
    for part, each in parts.items():
        yield f"  {part:<7} {spread(each, MS, 'ms')}"
    yield f"gap between two segments sent back to back: {spread(gaps, US, 'us')} (at most 20 us)"


def play(session: Session) -> None:
    """Own lab, handshake, teardown in the disorder, drain: what ``make reproduce`` shows."""
    server, peer = session.establish(session.listen())
    server.close()
    peer.expect(FIN, seq=1, ack=1)
    fin = peer.make(FIN, seq=1, ack=1)
    ack = peer.make(ACK, seq=2, ack=2)
    peer.send_together(ack, fin)
    peer.expect(ACK, seq=2)
    session.finish()


def spread(values: list[int], unit: float, name: str) -> str:
    """Median and range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"median {middle / unit:.1f} {name} ({low / unit:.1f} to {high / unit:.1f})"
