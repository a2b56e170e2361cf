"""A captured frame without what tells whose it was: addresses, ports and MACs are others, data are zeros. Pure.

Lengths, numbers, flags, options and times stay, so that the story stays; a checksum is right where it was. Of options
that ``harness.tcp.options`` does not know, and of what cannot be read, the values are zeros: some are secrets or prove
that one is known (Fast Open, MD5, TCP-AO), some name addresses (MPTCP). So is every frame without a segment.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field

import msgspec

from harness.capture.files import CapturedFrame
from harness.capture.packets import Place, place_of
from harness.tcp.ip import internet_checksum
from harness.tcp.options import decode_options, encode_option
from harness.wire.decode import PSEUDO, TCP_HEADER, taken_apart

_HARDWARE = {1: ((0, 6), (6, 12)), 113: ((6, 14),), 276: ((12, 20),)}
"""Where link headers have hardware addresses, by link type."""

_V4_NET, _V6_NET = b"\x0a", bytes.fromhex("20010db8") + bytes(8)  # RFC 1918 3 and RFC 3849
_V4_HEADER, _V6_HEADER = 20, 40
_NOP = b"\1"  # of IPv4 (RFC 791 3.1)
_WORD = struct.Struct("!H")
_SUM_AT = 16


@dataclass
class Scrubber:
    """Gives every address, port and hardware address of a capture another one, the same each time."""

    _addresses: dict[bytes, bytes] = field(default_factory=dict)
    _ports: dict[bytes, bytes] = field(default_factory=dict)
    _hardware: dict[bytes, bytes] = field(default_factory=dict)

    def scrubbed(self, frame: CapturedFrame) -> CapturedFrame:
        """The frame that stands in its place."""
        where = place_of(frame)
        data = bytes(len(frame.data)) if isinstance(where, str) else self._segment(frame, where)
        return frame._replace(data=data)

    def _segment(self, frame: CapturedFrame, where: Place) -> bytes:
        old, new = frame.data, bytearray(frame.data)
        for begin, end in _HARDWARE.get(frame.link, ()):
            new[begin:end] = self._other(self._hardware, old[begin:end], b"\x02")
        self._network(new, where)
        begin, header_end = where.begin, self._transport(new, where)
        new[header_end:] = bytes(len(new) - header_end)
        missing = bytes(max(0, where.end - len(new)))
        was = taken_apart(old[begin : where.end] + missing, where.version, where.addresses(old))
        right = was.segment.checksum is None
        new[begin + _SUM_AT : begin + _SUM_AT + 2] = bytes(2)
        raw = bytes(new[begin : where.end]) + missing
        found = internet_checksum(where.addresses(new) + PSEUDO.pack(socket.IPPROTO_TCP, len(raw)) + raw)
        _WORD.pack_into(new, begin + _SUM_AT, found if right or missing else found ^ 1)
        return bytes(new)

    def _network(self, new: bytearray, where: Place) -> None:
        """Alter the IP header."""
        start = where.network
        if where.version == 4:
            for at in (start + 12, start + 16):
                new[at : at + 4] = self._other(self._addresses, bytes(new[at : at + 4]), _V4_NET)
            options = start + _V4_HEADER
            new[options : where.begin] = _NOP * (where.begin - options)
            new[start + 10 : start + 12] = bytes(2)
            _WORD.pack_into(new, start + 10, internet_checksum(bytes(new[start : where.begin])))
        else:
            new[start + 1 : start + 4] = bytes((new[start + 1] & 0xF0, 0, 0))  # the flow label is a host's choice
            for at in (start + 8, start + 24):
                new[at : at + 16] = self._other(self._addresses, bytes(new[at : at + 16]), _V6_NET)
            at = start + _V6_HEADER
            while at < where.begin:
                size = min(8 * (new[at + 1] + 1), where.begin - at)
                new[at + 2 : at + size] = bytes(size - 2)
                at += size

    def _transport(self, new: bytearray, where: Place) -> int:
        """Alter the TCP header; where it ends."""
        begin = where.begin
        for at in (begin, begin + 2):
            new[at : at + 2] = self._other(self._ports, bytes(new[at : at + 2]), b"")
        end = min(begin + max(TCP_HEADER.size, 4 * (new[begin + 12] >> 4)), where.end, len(new))
        options = begin + TCP_HEADER.size
        blank = b"".join(
            encode_option(msgspec.structs.replace(one, raw=bytes(len(one.raw))))
            for one in decode_options(bytes(new[options:end]))
        )
        # what cannot be read was short of its length, and what is encoded is not
        new[options:end] = blank[: end - options].ljust(end - options, b"\0")
        return end

    @staticmethod
    def _other(known: dict[bytes, bytes], name: bytes, prefix: bytes) -> bytes:
        """Another name, as long as this; those of one kind are numbered, from 1 on."""
        if name not in known:
            size = len(name) - len(prefix)
            known[name] = prefix + ((len(known) + 1) % 256**size).to_bytes(size, "big")
        return known[name]
