"""IPv4 frames of TCP segments, by struct alone: thousands of programs a second leave a segment some microseconds."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from harness.tcp.ip import ETHERNET, internet_checksum
from harness.wire.decode import answered_neighbour
from netns.plan import Plan

HEADER = struct.Struct("!HHIIHHHH")
_IP = struct.Struct("!BBHHHBBH4s4s")
_START = ETHERNET + _IP.size
_PORTS = slice(_START, _START + 4)
_IPV4 = b"\x08\x00"
_TTL = 64


class Ports(NamedTuple):
    """The peer's port and the kernel's."""

    peer: int
    kernel: int


class Frames:
    """Makes the frames of a lab's peer, and takes the kernel's apart."""

    def __init__(self, plan: Plan) -> None:
        mac = bytes.fromhex((plan.kernel.mac + plan.peer.mac).replace(":", ""))
        self._ends = socket.inet_aton(plan.peer.ipv4), socket.inet_aton(plan.kernel.ipv4)
        self._ethernet = mac + _IPV4
        self._kernel = self._ends[1]
        self._pseudo = b"".join(self._ends) + struct.pack("!xB", socket.IPPROTO_TCP)
        self._before: dict[int, bytes] = {}

    def frame(self, segment: bytes) -> bytes:
        """The frame of a segment, whose checksum is filled in."""
        size = len(segment)
        if (before := self._before.get(size)) is None:
            bare = _IP.pack(0x45, 0, _IP.size + size, 0, 0x4000, _TTL, socket.IPPROTO_TCP, 0, *self._ends)
            before = self._ethernet + bare[:10] + internet_checksum(bare).to_bytes(2) + bare[12:]
            self._before[size] = before
        checksum = internet_checksum(self._pseudo + size.to_bytes(2) + segment)
        return b"".join((before, segment[:16], checksum.to_bytes(2), segment[18:]))

    def segment(self, ports: Ports, frame: bytes) -> bytes | None:
        """The kernel's segment to a peer's port in a frame; None where it is none."""
        if frame[12:14] != _IPV4 or frame[23] != socket.IPPROTO_TCP:
            return None
        if frame[_PORTS] != struct.pack("!HH", ports.kernel, ports.peer):
            return None
        return frame[_START : ETHERNET + int.from_bytes(frame[16:18])]

    def is_answer(self, frame: bytes) -> bool:
        """Whether it is the kernel's answer to a neighbour request."""
        return answered_neighbour(frame) == self._kernel
