"""A scenario's frames as a pcapng file, each packet commented with its step.

The blocks are those of draft-ietf-opsawg-pcapng (sections 4.1 to 4.3), packed here: scapy's writer keeps
microseconds alone, takes its time as a float, and writes to named files only.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from harness.trace.events import Frame

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_ETHERNET = 1
_COMMENT, _APPLICATION = 1, 4
_IF_NAME, _IF_TSRESOL = 2, 9
_EPB_FLAGS = 2
_INBOUND, _OUTBOUND = 1, 2
_LONGEST = 0xFFFF
"""Bytes of an option's value: its length field has 16 bits."""

_HEAD = struct.Struct("<II")
_LENGTH = struct.Struct("<I")
_OPTION = struct.Struct("<HH")
_PACKET_HEAD = struct.Struct("<IIIII")
_END = _OPTION.pack(0, 0)
_FLAGS = {
    outgoing: _OPTION.pack(_EPB_FLAGS, 4) + _LENGTH.pack(_OUTBOUND if outgoing else _INBOUND)
    for outgoing in (False, True)
}


def pcapng(frames: Sequence[Frame], comment: str) -> bytes:
    """The content of a pcapng file with nanosecond timestamps.

    Directions are the peer's, where the frames were captured: outbound is what the peer sent.

    Args:
        frames: in the order in which they shall stand; stamps in ns since the epoch, 0 to 2**64 - 1.
        comment: of the whole file: the scenario, and what became of it. Cut at 65535 bytes, as a packet's is.
    """
    blocks = [section_block(comment), interface_block(_ETHERNET, "peer")]
    blocks += [_packet(frame) for frame in frames]
    return b"".join(blocks)


def section_block(comment: str = "") -> bytes:
    """What a file begins with; the comment is cut at 65535 bytes."""
    about = (_text(_COMMENT, comment) if comment else b"") + _text(_APPLICATION, "finwait")
    return _block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + about + _END)


def interface_block(link: int, name: str = "") -> bytes:
    """An interface of this link type, whose frames have nanoseconds; its number is how many came before it."""
    about = (_text(_IF_NAME, name) if name else b"") + _option(_IF_TSRESOL, b"\x09")  # 10**-9 s
    return _block(_INTERFACE, struct.pack("<HHI", link, 0, 0) + about + _END)


def packet_block(at: int, data: bytes, length: int, interface: int = 0, options: bytes = b"") -> bytes:
    """A frame.

    Args:
        at: ns since the epoch.
        data: what was captured of it.
        length: octets that it had.
        interface: number of an interface that stands before it.
        options: of the block, packed.
    """
    head = _PACKET_HEAD.pack(interface, at >> 32, at & 0xFFFFFFFF, len(data), length)
    return _block(_PACKET, head + _padded(data) + (options + _END if options else b""))


def _packet(frame: Frame) -> bytes:
    comment = _text(_COMMENT, frame.step) if frame.step else b""
    return packet_block(frame.at, frame.data, len(frame.data), options=comment + _FLAGS[frame.outgoing])


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return _HEAD.pack(kind, length) + body + _LENGTH.pack(length)


def _text(code: int, text: str) -> bytes:
    value = text.encode(errors="replace")
    if len(value) > _LONGEST:
        value = value[:_LONGEST].decode(errors="ignore").encode()
    return _option(code, value)


def _option(code: int, value: bytes) -> bytes:
    return _OPTION.pack(code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
