"""Why the kernel drops what this process sends it, step by step: the reasons of skb:kfree_skb.

By perf_event_open(2), or where a kernel has none, as User Mode Linux, by a tracefs instance of our own.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, suppress
from typing import Protocol

from harness.probes.perf import Recorder
from harness.probes.records import DROP, is_telling
from harness.probes.tracefs import Format, Tracefs
from harness.probes.tracepoints import record_filter

_MOST = 65536
_MARK = re.compile(r"^.*-(\d+) .*: tracing_mark_write: finwait$", re.MULTILINE)
_RECORD = re.compile(r"^.*-(\d+) .*: kfree_skb: .*reason: (\w+)$", re.MULTILINE)


class _Source(Protocol):
    def take(self) -> list[str]:
        """Why something was dropped in this process's context since the last time."""

    def close(self) -> None:
        """Let go."""


class Drops:
    """Records drops until it is closed. Before Linux 5.17 none has a reason, and where tracepoints cannot be read."""

    def __init__(self) -> None:
        self._source: _Source | None = None
        with suppress(OSError):
            self._source = _source()

    def close(self) -> None:
        """Let go."""
        if self._source:
            self._source.close()

    def take(self) -> tuple[str, ...] | None:
        """The reasons since the last time, in order, of what was received in this process's context.

        None where this kernel tells none. A segment is received in the context of whoever put it on the veth pair.
        """
        if self._source is None:
            return None
        return tuple(filter(is_telling, self._source.take()))


def _source() -> _Source | None:
    with ExitStack() as opened:
        tracefs = Tracefs()
        opened.callback(tracefs.close)
        layout = tracefs.format(DROP)
        if layout is None or "reason" not in layout.fields:
            return None
        with suppress(OSError):
            return _Recorded(layout)
        return _Piped(tracefs, record_filter(DROP, layout), opened.pop_all())


class _Recorded:
    def __init__(self, layout: Format) -> None:
        self._layout = layout
        self._recorder = Recorder({layout.number: record_filter(DROP, layout)})

    def take(self) -> list[str]:
        own = (one for one in self._recorder.drain() if not one.overrun and one.process == os.getpid())
        return [self._layout.symbol(one.content, "reason") for one in own]

    def close(self) -> None:
        self._recorder.close()


class _Piped:
    """An instance of its own, with a buffer that nobody else reads; gone when it is closed, or with the guest."""

    def __init__(self, tracefs: Tracefs, wanted: str, held: ExitStack) -> None:
        folder = f"instances/finwait-{os.getpid()}"
        with held:
            tracefs.make(folder)
            held.callback(tracefs.remove, folder)
            tracefs.write(f"{folder}/events/{DROP}/filter", wanted)
            tracefs.write(f"{folder}/events/{DROP}/enable", "1")
            self._pipe = tracefs.open(f"{folder}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
            held.callback(os.close, self._pipe)
            # the text has the process as the first PID namespace numbers it, and not this one's
            tracefs.write(f"{folder}/trace_marker", "finwait")
            self._own = set(_MARK.findall(self._text()))
            self._held = held.pop_all()

    def take(self) -> list[str]:
        return [reason for process, reason in _RECORD.findall(self._text()) if process in self._own]

    def _text(self) -> str:
        text = b""
        with suppress(BlockingIOError):
            while more := os.read(self._pipe, _MOST):
                text += more
        return text.decode(errors="replace")

    def close(self) -> None:
        self._held.close()
