"""The peer's end of the veth pair: packet sockets that send frames and capture what passes, with the kernel's stamps.

A packet socket never sees what it sent itself, so one sends and another captures; the capture's stamps are the
kernel's own (packet(7), SO_TIMESTAMPNS), for frames of both directions and in the order of the wire.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Sequence

import msgspec

from harness.errors import FinwaitError
from harness.trace.events import Frame
from harness.wire.frame_reader import Passed, waiting
from harness.wire.overflow import lost, overflowed
from netns.enter import Namespace
from netns.lab import closer
from netns.link import PEER_END, End

_TIMEVAL = struct.Struct("ll")
ETH_P_ALL = 3
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h: the variant with the libc's own struct timespec
_BUFFER = 4 << 20


def limit_waits(waiting: socket.socket, limit_ns: int) -> None:
    """Have the kernel end a wait for a message after that long, with EAGAIN; Python's own timeout polls before each."""
    waiting.settimeout(None)
    limit = _TIMEVAL.pack(*divmod(limit_ns // 1000, 1_000_000))
    waiting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)


def packet_socket(device: str, protocol: int, buffer: int = _BUFFER) -> socket.socket:
    """A packet socket on a device of this thread's namespace: with protocol 0 to send, else to capture with stamps."""
    # bound afterwards: a socket that listens to everything at once, even for a moment, costs a grace period
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    if protocol:
        made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        _set_buffer(made, buffer)
    made.bind((device, protocol))
    return made


def _set_buffer(made: socket.socket, size: int) -> None:
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:  # in a user namespace: no more than net.core.rmem_max
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def keep_stamping() -> socket.socket:
    """A socket that keeps the kernel stamping frames as long as it is open; hold it for the whole process.

    The kernel switches stamping on and off in its own time (net_enable_timestamp, net/core/dev.c); a frame that
    passes before gets the time at which it is read.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    return made


class Wire:
    """The peer's end of the veth pair: puts frames on it, and sees all that pass.

    Args:
        namespace: the peer's.
        kernel_end: capture there and not at the peer's: what the kernel sends is then stamped as it sends it, and does
            not wait for the processor a second time.
    """

    def __init__(self, namespace: Namespace, kernel_end: End | None = None) -> None:
        with namespace.entered():
            self._sending = packet_socket(PEER_END, 0)
        end = kernel_end or End(namespace, PEER_END)
        with end.namespace.entered():
            self._capture = packet_socket(end.name, ETH_P_ALL)
        self._at_kernel = kernel_end is not None
        self.frames: list[Frame] = []
        self._waiting: deque[Passed] = deque()

    def begin(self) -> None:
        """Begin a new capture; what nobody has read yet belongs to none."""
        while self.receive(0) is not None:
            pass
        overflowed([self._capture])
        self.frames = []

    def check(self) -> None:
        """Make sure that the capture is whole; before anything is called missing.

        Raises:
            FinwaitError: it overflowed since the last time.
        """
        if frames := overflowed([self._capture]):
            raise lost(frames)

    def send(self, frames: Sequence[bytes]) -> None:
        """Put frames on the wire, one straight after the other.

        Raises:
            FinwaitError: a frame is longer than the wire takes; those before it were sent.
        """
        try:
            for frame in frames:
                self._sending.send(frame)
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            what, why = f"a frame of {max(map(len, frames))} bytes cannot be sent", "it is longer than the lab's MTU"
            raise FinwaitError(what, why=why, hint="less data in a segment") from error

    def receive(self, wait_ns: int) -> Frame | None:
        """The next captured frame, of either direction; None when none came within ``wait_ns``."""
        end = 0
        while not self._waiting:
            self._waiting.extend(waiting(self._capture))
            if not self._waiting:
                # the clock only where nothing is there yet: in a guest each look at it is a system call
                now = time.monotonic_ns()
                end = end or now + wait_ns
                if end <= now or not select.select([self._capture], [], [], (end - now) / 1e9)[0]:
                    return None
        passed = self._waiting.popleft()
        frame = Frame(passed.at, passed.outgoing != self._at_kernel, passed.data)
        self.frames.append(frame)
        return frame

    def explain(self, number: int, step: str) -> None:
        """Say which step of the scenario the frame ``number`` belongs to."""
        self.frames[number] = msgspec.structs.replace(self.frames[number], step=step)

    def close(self) -> None:
        """Let go of both sockets, without waiting for it."""
        closer.close(self._sending.close)
        closer.close(self._capture.close)
