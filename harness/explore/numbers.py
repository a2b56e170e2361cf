"""Where a connection stands as its peer sees it: landmarks as numbers of the wire, and those as relative ones. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from harness.explore.attempt import (
    COOKIE,
    COOKIE_ASKED,
    COOKIE_FORGED,
    FILLS,
    ISS,
    RCV_NXT,
    RIGHT_EDGE,
    SIGNATURES,
    SIGNED,
    SND_NXT,
    CameBack,
    Put,
)
from harness.tcp.authentication import Md5Key
from harness.tcp.ip import IpHeader
from harness.tcp.options import Option, encode_options, format_options, parse_options
from harness.tcp.relative import FirstNumbers, to_relative, to_wire
from harness.tcp.segment import ACK, FIN, RST, SYN, URG, Segment, add, distance

_PEERS_FIRST = 1_000_000
"""The peer's initial sequence number."""
_UNKNOWN_FIRST = 3_000_000_000
"""Stands for the kernel's as long as it has sent none."""
_FIRST_STAMP = 100_000
MSS = 1460
"""Octets of options and data that the MTU of a lab leaves to one segment over IPv4. More are a burst of several."""
_LONGER_HEADER = 20
"""Octets by which that of IPv6 is."""
_MOST_OPTIONS = 40
_STALE_STAMP = 50_000
FULL_SCALE = 7
"""Of the peer's window, where its SYN had all options."""
_MSS = f"mss {MSS}"
_FULL = f"{_MSS},sackOK,TS val {_FIRST_STAMP} ecr 0,nop,wscale {FULL_SCALE}"
_OF_SYN = {
    "none": "",
    "full": _FULL,
    "stamped": f"{_MSS},sackOK,TS val {_FIRST_STAMP} ecr 0",
    "wide": f"{_MSS},nop,wscale 15",
    "small": "mss 100",
}
STAMPED_SYN = ("full", "stamped")
"""Those with which a SYN has a timestamp."""
SCALED_SYN = {"full": FULL_SCALE, "wide": 14}
"""The shift of the peer's windows after such a SYN; by RFC 7323 2.3 none counts as more than 14."""
_NEVER_SENT = 123_456_789
_LATER = 2**30
_RAW = {
    "unknown": b"\xfd\x04\x00\x00",
    "malformed": b"\xfd\x00\x01\x01\x01\x01\x01\x01",
    "overlong": b"\xfd\xff\x01\x01\x01\x01\x01\x01",
}
"""Of a kind for experiments (RFC 4727), in a length that an option can have, and in two that it cannot."""
_COOKIES = {COOKIE_ASKED: b"", COOKIE: bytes(8), COOKIE_FORGED: b"\1" * 8}
IMPOSSIBLE_OPTIONS = ("malformed", "overlong")
_MOST_FILLED = 2**17


def put_segment(put: Put, sent: tuple[int, ...]) -> Segment:
    """The segment that was put, however long, with what ``Noted.sent`` tells of it.

    A cookie of the kernel's is zeros, and so is a signature.
    """
    seq, ack, length, *stamp = sent
    options: tuple[Option, ...] = ()
    if put.flags & SYN:
        options = parse_options(_OF_SYN.get(put.options, _MSS))
    elif stamp:
        options = (Option("nop"), Option("nop"), Option("TS", tuple(stamp)))
    if put.flags & ACK and put.options in ("sack", "sack ahead"):
        edges = (add(ack, -1), ack) if put.options == "sack" else (add(ack, 1), add(ack, MSS + 1))
        options += (Option("nop"), Option("nop"), Option("sack", edges))
    if put.options in _COOKIES:
        options += (Option("nop"), Option("nop"), Option("opt 34", raw=_COOKIES[put.options]))
    if put.options in SIGNATURES:
        options += Md5Key(b"").blank
    urgent = length if put.flags & URG and length <= MSS else 0
    segment = Segment(
        flags=put.flags, seq=seq, ack=ack, window=put.window, data=bytes(length), options=options, urgent=urgent
    )
    return replace(segment, raw_options=_RAW[put.options]) if put.options in _RAW else segment


def burst(whole: Segment, ip_version: int) -> list[Segment]:
    """The segments for what one cannot hold; a FIN stands in the last."""
    size = len(whole.data)
    if size <= MSS - _MOST_OPTIONS - _LONGER_HEADER:
        return [whole]
    raw = whole.raw_options if whole.raw_options is not None else encode_options(whole.options)
    most = MSS - len(raw) - (ip_version == 6) * _LONGER_HEADER
    return [
        replace(
            whole,
            seq=add(whole.seq, at),
            data=whole.data[at : at + most],
            flags=whole.flags if at + most >= size else whole.flags & ~FIN,
        )
        for at in range(0, size, most)
    ]


class Numbering:
    """The numbers of one connection.

    Args:
        shows_timestamps: whether the kernel's timestamps count from its first one; else each is a zero.
        ip_version: that carries it.
    """

    def __init__(self, *, shows_timestamps: bool, ip_version: int = 4) -> None:
        self._ip_version = ip_version
        self._shows_timestamps = shows_timestamps
        self._kernel = FirstNumbers(isn=_UNKNOWN_FIRST)
        self._peer = FirstNumbers(isn=_PEERS_FIRST, crafted=True)
        self._last_stamp = 0  # of the kernel's, relative
        self._scaled = self._stamps = False  # what the peer's last SYN offered
        self._scaling = self._stamping = False  # and the one that the kernel has acknowledged
        self._opening = True
        self._kernel_stamps = False  # and timestamps by the kernel's
        self._first = 0  # of the peer's last SYN, relative
        self._unacknowledged = 0  # of the kernel's, by the peer
        self._next = 0  # of the kernel's, relative
        self._expected = 0  # by the kernel, relative
        self._right = 0
        self._scale = 0
        self._puts = 0

    def wire(self, put: Put) -> tuple[list[Segment], tuple[int, ...]]:
        """The segments with numbers of the wire, and what ``Noted.sent`` tells of the first."""
        seq = add(self._seq_from(put.seq_from), put.seq)
        ack = add(self._ack_from(put.ack_from), put.ack) if put.flags & ACK else 0
        length = put.length
        if length == FILLS:
            length = min(max(0, distance(seq, self._right)), _MOST_FILLED)
        self._puts += put.options != "equal"
        sent = (seq, ack, length, *self._stamp(put))
        if put.flags & SYN:
            self._first = seq
        if put.flags & ACK and distance(self._unacknowledged, ack) > 0 and distance(ack, self._next) >= 0:
            self._unacknowledged = ack
        return [to_wire(one, self._peer, self._kernel) for one in burst(put_segment(put, sent), self._ip_version)], sent

    def _seq_from(self, landmark: str) -> int:
        if landmark == RCV_NXT:
            return self._expected
        return self._right if landmark == RIGHT_EDGE else self._first

    def _ack_from(self, landmark: str) -> int:
        if landmark == SND_NXT:
            return self._next
        return 0 if landmark == ISS else self._unacknowledged

    def reset(self, *, signed: bool) -> tuple[Segment, str]:
        """A RST at the number that the kernel expects, with wire numbers, and its options."""
        options = SIGNED if signed else "none"
        return self.wire(Put(RST, options=options))[0][0], options

    def kernels(self, seq: int) -> Segment:
        """A segment as the kernel may have sent it, with numbers of the wire; ``seq`` counts from its next number."""
        return to_wire(Segment(flags=ACK, seq=add(self._next, seq), ack=self._expected), self._kernel, self._peer)

    def _stamp(self, put: Put) -> tuple[int, ...]:
        """The timestamp of a segment and its echo; none of a SYN, whose options say it."""
        if put.flags & SYN:
            self._scaled, self._stamps = put.options in SCALED_SYN, put.options in STAMPED_SYN
            return ()
        if put.options in ("none", *_RAW, *SIGNATURES) or not (self._stamping and self._kernel_stamps):
            return ()
        echo = _NEVER_SENT if put.options == "unsent" else self._last_stamp
        value = _STALE_STAMP if put.options == "stale" else _FIRST_STAMP + self._puts
        return value + _LATER * (put.options == "future"), echo

    def relative(self, segment: Segment, at_ms: int) -> CameBack:
        """A segment of the kernel's, after which the connection stands elsewhere."""
        stamp, flags = segment.option("TS"), segment.flags
        if flags & SYN:
            self._open(segment)
        if stamp and (self._kernel.timestamp is None or not self._shows_timestamps):
            self._kernel.timestamp = segment.timestamp
        shown = to_relative(segment, self._kernel, self._peer)
        if stamp:
            self._last_stamp = shown.timestamp
        if not flags & RST:
            self._advance(shown)
        ack = shown.ack if flags & ACK else 0
        options = format_options(shown.options)
        return CameBack(flags, shown.seq, ack, len(shown.data), shown.window, options, at_ms)

    def _open(self, syn: Segment) -> None:
        if syn.seq != self._kernel.isn:  # how far it is from the last one is random
            self._kernel.isn, self._opening = syn.seq, True
            self._next = self._unacknowledged = 0
        self._kernel_stamps = self._kernel_stamps or syn.option("TS") is not None
        if scale := syn.option("wscale"):
            self._scale = scale.values[0]

    def _advance(self, shown: Segment) -> None:
        if distance(self._next, shown.next_seq) > 0:
            self._next = shown.next_seq
        if shown.flags & ACK:
            if self._opening:
                self._opening, self._scaling, self._stamping = False, self._scaled, self._stamps
            scale = self._scale if self._scaling and not shown.flags & SYN else 0
            self._expected = shown.ack
            self._right = add(shown.ack, shown.window << scale)


class Identifications:
    """How one connection's IP headers are told: an identification by the one before, since the first is random."""

    def __init__(self) -> None:
        self._last: int | None = None

    def told(self, header: IpHeader) -> str:
        """A header in a few words, such as ``ttl 64, class 0, DF, id next``."""
        last, self._last = self._last, header.identification
        number = "0" if not self._last else "next" if last is not None and self._last == (last + 1) % 2**16 else "other"
        fragment = ", DF" if header.dont_fragment else ""
        options = f", options {header.options.hex()}" if header.options else ""
        return f"ttl {header.ttl}, class {header.traffic_class}{fragment}, id {number}{options}"
