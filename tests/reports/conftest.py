"""Timelines and run folders to report on, made the way a run makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.program.steps import Program
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, FIN, SYN, Flags, Segment
from harness.trace.events import Called, Event, Probed, Received, Sent
from harness.trace.folder import RunFolder
from harness.trace.records import Result, TimelineRecord
from tests.conftest import run_record

ZERO = 1_700_000_000_000_000_000
US = 1_000

MakeRun = Callable[..., Path]
Disorder = Callable[..., tuple[Event, ...]]


@pytest.fixture
def zero() -> int:
    """The moment of the shutdown() in the disorder, ns since the epoch."""
    return ZERO


def _segment(flags: Flags, seq: int, ack: int = 0, options: str = "") -> Segment:
    return Segment(flags=flags, seq=seq, ack=ack, window=512, options=parse_options(options))


def _disorder(
    accepted: bool = True, *, timestamps: bool = True, connection: int = 1, delay: int = 0
) -> Iterable[Event]:
    options = "nop,nop,TS val 3 ecr 2" if timestamps else ""
    first = "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7" if timestamps else "mss 1460"
    start = ZERO + delay
    on: dict[str, Any] = {"connection": connection}
    yield Sent(start - 900 * US, _segment(SYN, 0, options=first), "1: send S 0:0(0)", **on)
    yield Received(start - 860 * US, _segment(SYN | ACK, 0, 1, first), "2: expect S. 0:0(0) ack 1", **on)
    yield Probed(start - 858 * US, "sock_diag", state="SYN-RECEIVED", **on)
    yield Sent(start - 600 * US, _segment(ACK, 1, 1, options), "3: send . 1:1(0) ack 1", **on)
    yield Probed(start - 590 * US, "tracepoint", was="SYN-RECEIVED", state="ESTABLISHED", **on)
    yield Called(start - 400 * US, start - 380 * US, "accept", (), 4, step="4: accept()", **on)
    yield Called(start, start + 60 * US, "shutdown", ("SHUT_WR",), step="5: shutdown(SHUT_WR)", **on)
    yield Probed(start + 10 * US, "tracepoint", was="ESTABLISHED", state="FIN-WAIT-1", **on)
    yield Received(start + 21 * US, _segment(FIN | ACK, 1, 1, options), "6: expect F. 1:1(0) ack 1", **on)
    yield Sent(start + 131 * US, _segment(ACK, 2, 2, options), "7: send . 2:2(0) ack 2", **on)
    yield Probed(start + 133 * US, "tracepoint", was="FIN-WAIT-1", state="FIN-WAIT-2", **on)
    yield Sent(start + 137 * US, _segment(FIN | ACK, 1, 1, options), "8: send F. 1:1(0) ack 1", **on)
    step = "9: expect . 2:2(0) ack 2 or . 2:2(0) ack 1"
    if not accepted:
        yield Probed(start + 139 * US, "kfree_skb", "dropped", details={"reason": "TCP_OLD_ACK"}, **on)
        yield Received(start + 142 * US, _segment(ACK, 2, 1, options), step, judged="challenged", **on)
        yield Probed(start + 150 * US, "counters", "TCPChallengeACK +1", **on)
        yield Sent(start + 200_300 * US, _segment(FIN | ACK, 1, 2, options), "10: send F. 1:1(0) ack 2", **on)
        start, step = start + 200_200 * US, "11: expect . 2:2(0) ack 2"
    yield Received(start + 140 * US, _segment(ACK, 2, 2, options), step, judged="accepted" * accepted, **on)
    yield Probed(start + 145 * US, "sock_diag", state="TIME-WAIT", **on)


@pytest.fixture
def disorder() -> Disorder:
    """The events of a FIN that its own ACK overtook, taken or challenged."""
    return lambda *args, **kwargs: tuple(_disorder(*args, **kwargs))


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Write a run folder: its results, their timelines by scenario, each with the program, and what run.json says."""

    def make(
        *results: Result,
        timelines: dict[str, Iterable[Event]] | None = None,
        program: Program | None = None,
        name: str = "run",
        **fields: object,
    ) -> Path:
        folder = RunFolder.create(tmp_path / "runs", name=name)
        planned = tuple(result.scenario for result in results)
        record = run_record(id=name, versions={"scapy": "2.8.0"}, preconditions={"HZ": "250"}, planned=planned)
        folder.write_run(msgspec.structs.replace(record, **fields))
        for result in results:
            events = (timelines or {}).get(result.scenario)
            if events is not None:
                told = TimelineRecord(scenario=result.scenario, events=tuple(events), program=program)
                kept = folder.write_timeline(told)
                folder.append_result(msgspec.structs.replace(result, timeline=kept))
            else:
                folder.append_result(result)
        return folder.path

    return make
