"""The machine's TCP tracepoints while scenarios run, and what they tell of one connection afterwards."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import deque
from typing import Self

from harness.probes import records
from harness.probes.perf import Recorder, Sample
from harness.probes.records import Address, Seen
from harness.probes.tracefs import Format, Tracefs
from harness.trace.events import Probed

EVENTS = (
    records.SET_STATE,
    records.DROP,
    records.ARRIVAL,
    records.RETRANSMIT,
    records.RETRANSMIT_SYNACK,
    records.SEND_RESET,
    records.RECEIVE_RESET,
)
"""What is recorded, as far as the kernel has it; the first is needed."""

_KEPT = 16384


class Tracer:
    """Records the machine's TCP tracepoints while it is entered; a context manager, one a process.

    Where there is nothing to record it is entered all the same: ``unavailable`` says why, ``collect`` finds nothing.
    """

    def __init__(self) -> None:
        self._formats: dict[str, Format] = {}
        self._recorder: Recorder | None = None
        self._samples: deque[Sample] = deque(maxlen=_KEPT)
        self._offset = 0
        self._reason: str | None = "no tracepoints: the tracer was not started"

    def __enter__(self) -> Self:
        self._reason = self._start()
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        if self._recorder:
            self._recorder.close()
        self._recorder = None
        self._reason = "no tracepoints: the tracer was ended"

    def _start(self) -> str | None:
        try:
            self._formats = _formats()
        except OSError as error:
            return f"no tracepoints: tracefs cannot be read ({error.strerror}); it needs root and CONFIG_FTRACE"
        if not self.has(records.SET_STATE):
            return f"no tracepoints: this kernel has no {records.SET_STATE}"
        if not self.has(records.DROP, field="reason"):  # before 5.17; a drop without its reason explains nothing
            self._formats.pop(records.DROP, None)
        try:
            self._recorder = Recorder(
                {each.number: record_filter(event, each) for event, each in self._formats.items()}
            )
        except OSError as error:
            return f"no tracepoints: perf_event_open failed ({error.strerror}); it needs root and CONFIG_PERF_EVENTS"
        return None

    def unavailable(self) -> str | None:
        """None while tracepoints are recorded; otherwise one line that says why not."""
        return self._reason

    def has(self, event: str, field: str | None = None) -> bool:
        """Whether this kernel has the tracepoint (``skb/kfree_skb``), and its record the field."""
        known = self._formats.get(event)
        return known is not None and (field is None or field in known.fields)

    def begin(self) -> None:
        """Forget what was recorded so far. To be called before a scenario opens its sockets: it empties the rings."""
        self._samples.clear()
        if self._recorder:
            self._recorder.skip()

    def _drain(self) -> None:
        # the two clocks part by what NTP corrects, so their distance is taken anew each time
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        now = time.clock_gettime_ns(time.CLOCK_REALTIME)
        self._offset = now - (before + time.clock_gettime_ns(time.CLOCK_MONOTONIC)) // 2
        if self._recorder:
            self._samples.extend(self._recorder.drain())

    def collect(
        self,
        local: Address,
        remote: Address,
        since_ns: int,
        until_ns: int,
        *,
        origin: int | None = None,
        connection: int = 1,
    ) -> list[Probed]:
        """What was recorded of one connection since ``begin``, in the order of its time.

        Args:
            local: the kernel's side.
            remote: the peer's side.
            since_ns: the first time to report, ns since the epoch, as frames are stamped.
            until_ns: the last.
            origin: the kernel's initial sequence number, to tell snd_una and snd_nxt relative to it.
            connection: the number that the events are to bear.

        Raises:
            OSError: a host is not an address.
        """
        self._drain()
        found = [
            records.told(seen, origin, connection)
            for seen in records.of_connection(self._seen(), records.key(local), records.key(remote), os.getpid())
            if since_ns <= seen.at <= until_ns
        ]
        overrun = next((sample for sample in self._samples if sample.overrun), None)
        if overrun and overrun.at + self._offset <= until_ns:
            text = "more happened on this machine than was recorded: from here on events may be missing"
            found.append(Probed(max(since_ns, overrun.at + self._offset), "tracepoint", text, connection=connection))
        return sorted(found, key=lambda event: event.at)

    def _seen(self) -> list[Seen]:
        known = {each.number: (event, each) for event, each in self._formats.items()}
        seen = []
        for sample in self._samples:
            if not sample.overrun:
                # common_type, the first field of every record
                event, its_format = known[int.from_bytes(sample.content[:2], sys.byteorder)]
                seen.append(Seen(sample.at + self._offset, event, sample.process, sample.content, its_format))
        return seen


def _formats() -> dict[str, Format]:
    tracefs = Tracefs()
    try:
        found = {event: tracefs.format(event) for event in EVENTS}
    finally:
        tracefs.close()
    return {event: its_format for event, its_format in found.items() if its_format}


def record_filter(event: str, its_format: Format) -> str:
    """What of the rest of the machine need not be recorded."""
    if event == records.SET_STATE:
        return f"protocol == {socket.IPPROTO_TCP}"
    if event == records.DROP:
        reasons = its_format.symbols.get("reason", {})
        unknown = [f"reason != {value}" for value, name in reasons.items() if name == "NOT_SPECIFIED"]
        return " && ".join(["(protocol == 0x800 || protocol == 0x86dd)", *unknown])
    return ""
