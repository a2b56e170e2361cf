"""Whether a capture lost frames: a missing segment then says nothing of the kernel."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

from harness.errors import FinwaitError

_SOL_PACKET, _PACKET_STATISTICS = 263, 6  # linux/socket.h, linux/if_packet.h
_STATISTICS = struct.Struct("II")  # frames, and those that were lost for want of room


def overflowed(captures: Iterable[socket.socket]) -> int:
    """How many frames captures had no room for since this was last asked (packet(7), PACKET_STATISTICS)."""
    size = _STATISTICS.size
    return sum(_STATISTICS.unpack(one.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, size))[1] for one in captures)


def lost(frames: int) -> FinwaitError:
    """What to raise when a capture overflowed."""
    return FinwaitError(
        f"the capture overflowed: {frames} frames were lost",
        why="they came faster than this machine could take them, so nothing can be said about the kernel",
        hint="sudo, or a larger sysctl net.core.rmem_max, gives the capture more room",
    )
