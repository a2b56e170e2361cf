"""Where a connection stands as its peer sees it: landmarks as numbers of the wire, and those as relative ones. Pure."""

from __future__ import annotations

import struct
from functools import cache

from harness.explore.attempt import CameBack, Put
from harness.explore.frames import HEADER, Ports
from harness.tcp.options import Option, decode_options, encode_options, format_options, parse_options
from harness.tcp.segment import ACK, FIN, RST, SPACE, SYN, distance

PEERS_FIRST = 1_000_000
"""The peer's initial sequence number."""
_UNKNOWN_FIRST = 3_000_000_000
"""Stands for the kernel's as long as it has sent none."""
FIRST_STAMP = 100_000
MOST_DATA = 1448
"""Octets of one segment: the MSS that the lab's MTU leaves beside timestamps. More are a burst of several."""
_STALE_STAMP = 50_000
_STAMP = struct.Struct("!BBBBII")
_STAMP_BEGINS = b"\x01\x01\x08\x0a"
_MSS = "mss 1460"
_FULL = f"{_MSS},sackOK,TS val {FIRST_STAMP} ecr 0,nop,wscale 7"


@cache
def syn_options(put: Put) -> str:
    """The options of a SYN."""
    return {"none": "", "full": _FULL}.get(put.options, _MSS)


@cache
def _encoded(options: str) -> bytes:
    return encode_options(parse_options(options))


class Numbering:
    """The numbers of one connection.

    Args:
        shows_timestamps: whether the kernel's timestamps keep their values.
    """

    def __init__(self, *, shows_timestamps: bool) -> None:
        self._shows_timestamps = shows_timestamps
        self._kernels_first: int | None = None
        self._first_stamp: int | None = None
        self._last_stamp = 0
        self._offered = False  # all options, by the peer's SYN
        self._kernel_stamps = False  # and timestamps by the kernel's
        self._next = 0  # of the kernel's, relative
        self._expected = 0  # by the kernel, relative
        self._right = 0
        self._scale = 0
        self._puts = 0

    def wire(self, put: Put, ports: Ports) -> tuple[list[bytes], tuple[int, ...]]:
        """The segments without their checksums, and what ``Noted.sent`` tells of the first."""
        seq = ((self._right if put.from_right else self._expected) + put.seq) % SPACE
        ack = (self._next + put.ack) % SPACE if put.flags & ACK else 0
        self._puts += 1
        options, stamp = self._options(put)
        first = _UNKNOWN_FIRST if self._kernels_first is None else self._kernels_first
        segments = []
        for at in range(0, put.length or 1, MOST_DATA):
            last = at + MOST_DATA >= put.length
            header = HEADER.pack(
                *ports,
                (PEERS_FIRST + seq + at) % SPACE,
                (first + ack) % SPACE if put.flags & ACK else 0,
                (5 + len(options) // 4) << 12 | (put.flags if last else put.flags & ~FIN),
                put.window,
                0,
                0,
            )
            segments.append(header + options + bytes(min(MOST_DATA, put.length - at)))
        return segments, (seq, ack, *stamp)

    def reset(self, ports: Ports) -> bytes:
        """A RST at the number that the kernel expects."""
        return self.wire(Put(RST, options="none"), ports)[0][0]

    def _options(self, put: Put) -> tuple[bytes, tuple[int, ...]]:
        """The options of a segment, and the timestamp in them with its echo; none for a SYN."""
        if put.flags & SYN:
            self._offered = self._offered or put.options == "full"
            return _encoded(syn_options(put)), ()
        if put.options == "none" or not (self._offered and self._kernel_stamps):
            return b"", ()
        value = _STALE_STAMP if put.options == "stale" else FIRST_STAMP + self._puts
        return _STAMP.pack(*_STAMP_BEGINS, value, self._last_stamp), (value, self._echo())

    def _echo(self) -> int:
        return (self._last_stamp - (self._first_stamp or 0)) % SPACE if self._shows_timestamps else 0

    def relative(self, raw: bytes, at_ms: int) -> CameBack:
        """A segment of the kernel's, after which the connection stands elsewhere."""
        _, _, seq, ack, bits, window, _, _ = HEADER.unpack_from(raw)
        flags, header = bits & 0x1FF, 4 * (bits >> 12)
        length = len(raw) - header
        if flags & SYN and seq != self._kernels_first:
            self._begin(seq)
        of_none = seq == 0 and flags & (RST | ACK) == RST | ACK
        first = _UNKNOWN_FIRST if self._kernels_first is None else self._kernels_first
        own = 0 if of_none else (seq - first) % SPACE
        other = (ack - PEERS_FIRST) % SPACE if flags & ACK else 0
        options = self._shown(raw[HEADER.size : header], flags) if header > HEADER.size else ""
        if not flags & RST:
            self._advance(flags, own, length, other, window)
        return CameBack(flags, own, other, length, window, options, at_ms)

    def _begin(self, seq: int) -> None:
        """A new initial number: how far it is from the last one is random."""
        self._kernels_first, self._next = seq, 0

    def _advance(self, flags: int, seq: int, length: int, ack: int, window: int) -> None:
        end = (seq + length + bool(flags & SYN) + bool(flags & FIN)) % SPACE
        if distance(self._next, end) > 0:
            self._next = end
        if flags & ACK:
            self._expected = ack
            self._right = (ack + (window if flags & SYN else window << self._scale)) % SPACE

    def _shown(self, raw: bytes, flags: int) -> str:
        if len(raw) == _STAMP.size and raw.startswith(_STAMP_BEGINS):
            _, _, _, _, value, echo = _STAMP.unpack(raw)
            return f"nop,nop,{self._stamp(value, echo, flags)}"
        shown = []
        for option in decode_options(raw):
            if option.name == "TS" and option.values:
                shown.append(self._stamp(option.values[0], option.values[1], flags))
            elif option.name == "sack":
                shown.append(str(Option("sack", tuple((edge - PEERS_FIRST) % SPACE for edge in option.values))))
            else:
                if option.name == "wscale" and flags & SYN and self._offered:
                    self._scale = option.values[0]
                shown.append(format_options((option,)))
        return ",".join(shown)

    def _stamp(self, value: int, echo: int, flags: int) -> str:
        if flags & SYN:
            self._kernel_stamps = True
        if self._first_stamp is None:
            self._first_stamp = value
        self._last_stamp = value
        return f"TS val {(value - self._first_stamp) % SPACE if self._shows_timestamps else '*'} ecr {echo}"
