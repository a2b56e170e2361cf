"""The lab that programs run in, inside the kernel that is asked: frames in and out, and what of them is in sight."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Set
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from harness.explore.attempt import COUNTERS, DROPS, INFO, INFO_TIMES, CameBack
from harness.probes import sockets, tcp_info
from harness.probes.counters import Counters, Snapshot, growth
from harness.probes.drops import Drops
from harness.tcp.segment import PSH, Segment
from harness.tcp.timing import MARKER_LIMIT, MS, SECOND
from harness.wire.capture import ETH_P_ALL, limit_waits, packet_socket
from harness.wire.decode import decode
from harness.wire.frames import Flow
from harness.wire.marker import Marker, unanswered
from netns import processor
from netns.conditions import Settings
from netns.lab import Lab
from netns.link import PEER_END

_MOST = 65536
_AT_ONCE = "255"
_BURSTS = (
    Path("/proc/sys/net/ipv4/tcp_tso_win_divisor"),  # tcp_tso_should_defer: whether the next ACK is expected soon
    Path("/proc/sys/net/ipv4/tcp_min_tso_segs"),  # tcp_tso_autosize: as much as is sent in a millisecond
)
"""How much a kernel sends at once is not to depend on how long a round trip took."""
_FAST_OPEN = Path("/proc/sys/net/ipv4/tcp_fastopen")
_FOR_SERVERS_TOO = "3"  # where a listener has asked for it (ip-sysctl.rst)
_RATES = ("pacing_rate", "max_pacing_rate", "delivery_rate")
_TIMES = {name for name in tcp_info.TcpInfo.__struct_fields__ if name.endswith(("_us", "_ms")) or name in _RATES}
_WITHOUT = {"state", "last_ack_sent_ms"}  # noted as such; always 0


class Sighted(NamedTuple):
    """A segment of the kernel's, the frame that it came in, and the connection that it is of."""

    segment: Segment
    frame: bytes
    connection: int


Among = Mapping[tuple[int, int, int], int]
"""Connections by IP version, the kernel's port and the peer's."""


class ProgramLab:
    """A lab for programs, one after the other; a context manager.

    Args:
        ignored: what is left out of each observation, see ``attempt.IGNORED``.
    """

    def __init__(self, ignored: tuple[str, ...] = ()) -> None:
        self.ignored = frozenset(ignored)
        self._lab = Lab(Settings.HELD)
        self._stack = ExitStack()
        self._counters: Counters | None = None
        self._before: Snapshot = ()
        self._drops: Drops | None = None

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(processor.kept())
            opening.enter_context(self._lab)
            self.plan = self._lab.plan
            with self._lab.peer.entered():
                # what one packet socket sends it does not see itself, so that only the kernel's frames are read
                self._wire = opening.enter_context(packet_socket(PEER_END, ETH_P_ALL))
                limit_waits(self._wire, MARKER_LIMIT.ns)
            self._diag = opening.enter_context(sockets.open_diag(self._lab.kernel))
            if COUNTERS not in self.ignored:
                self._counters = opening.enter_context(Counters(self._lab.kernel))
            if DROPS not in self.ignored:
                self._drops = opening.enter_context(closing(Drops()))
            opening.enter_context(self._lab.kernel.entered())
            for file in _BURSTS:
                file.write_text(_AT_ONCE)
            _FAST_OPEN.write_text(_FOR_SERVERS_TOO)
            self._marker = Marker.of(self.plan)
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def put(self, frame: bytes) -> None:
        """Send a frame."""
        self._wire.send(frame)

    def drain(self, among: Among) -> list[Sighted]:
        """What the kernel has sent of these connections so far: up to its answer to a request that it always answers.

        Raises:
            FinwaitError: it does not answer.
        """
        self._wire.send(self._marker.request)
        found: list[Sighted] = []
        try:
            while not self._marker.is_answer(data := self._wire.recv(_MOST)):
                found += _of(among, data)
        except BlockingIOError:
            raise unanswered() from None
        return found

    def wait(self, among: Among, ms: int) -> list[tuple[int, Sighted]]:
        """Let time pass: the segments that the kernel sends meanwhile, with the ms after which it did."""
        start = time.monotonic_ns()
        found = []
        while (left := start + ms * MS - time.monotonic_ns()) > 0:
            self._wire.settimeout(left / SECOND.ns)
            with suppress(TimeoutError):
                data = self._wire.recv(_MOST)
                found += [((time.monotonic_ns() - start) // MS, one) for one in _of(among, data)]
        self._wire.settimeout(None)
        return found

    def state(self, flow: Flow) -> int:
        """The state of a connection that no process of ours holds, as the kernel counts them; 0 for none."""
        kernel = self.plan.kernel.address(flow.version), flow.kernel_port
        peer = self.plan.peer.address(flow.version), flow.peer_port
        body = sockets.ask(self._diag, flow.version, kernel, peer)
        return body[1] if body else 0

    def begin_step(self) -> None:
        """What counters grow by counts from here, and why segments are dropped."""
        if self._counters is not None:
            self._before = self._counters.read()
        self.dropped()

    def grown(self) -> dict[str, int]:
        """What counters have grown by in the step, where they are in sight."""
        return growth(self._before, self._counters.read()) if self._counters is not None else {}

    def dropped(self) -> tuple[str, ...] | None:
        """Why segments were dropped since this was asked last, where that is in sight and the kernel says it."""
        return self._drops.take() if self._drops is not None else None

    def info(self, held: socket.socket | None) -> dict[str, int | str]:
        """TCP_INFO as far as it is in sight; nothing without a socket that a process holds."""
        if held is None or self.ignored >= {INFO, INFO_TIMES}:
            return {}
        return _in_sight(tcp_info.read(held), self.ignored)

    def seen(self, segment: CameBack) -> CameBack:
        """What of a segment is in sight."""
        hidden: dict[str, object] = {}
        if "PSH" in self.ignored:
            hidden["flags"] = segment.flags & ~PSH
        if "window sizes" in self.ignored:
            hidden["window"] = min(segment.window, 1)
        if "time" in self.ignored:
            hidden["at_ms"] = 0
        return msgspec.structs.replace(segment, **hidden) if hidden else segment


def _in_sight(info: tcp_info.TcpInfo, ignored: Set[str]) -> dict[str, int | str]:
    """The fields that this kernel has, by name."""
    hidden = _WITHOUT | (_TIMES if INFO_TIMES in ignored else set())
    shown = _TIMES if INFO in ignored else set(tcp_info.TcpInfo.__struct_fields__)
    fields = msgspec.structs.asdict(info)
    return {
        name: " ".join(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
        if name in shown and name not in hidden and value is not None
    }


def _of(among: Among, data: bytes) -> list[Sighted]:
    """The kernel's segment in a frame, where it is of one of these connections."""
    decoded = decode(data)
    connection = among.get(decoded[:3]) if decoded else None
    return [Sighted(decoded.segment, data, connection)] if decoded and connection else []
