"""A generated program and what came of it, as data; segments by landmarks, so that any step can be left out. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

RCV_NXT, RIGHT_EDGE, IRS = SEQ_FROM = ("RCV.NXT", "the right edge", "IRS")
"""The number that the kernel expects next (RCV.NXT, by its last acknowledgment), the right edge of the window that it
offered last, and that of the peer's SYN (IRS)."""

SND_NXT, SND_UNA, ISS = ACK_FROM = ("SND.NXT", "SND.UNA", "ISS")
"""The next number that the kernel will send (SND.NXT, by its last segment), the highest that the peer has acknowledged
(SND.UNA), and that of the kernel's SYN (ISS)."""

FILLS = -1
"""A length: as many octets as the window has room for from the segment's number on."""


class Put(msgspec.Struct, frozen=True, tag="put", array_like=True):
    """The peer sends a segment. Its numbers count from where the connection then stands, as the peer has seen it.

    Args:
        flags: control bits.
        seq: octets from ``seq_from``.
        ack: octets from ``ack_from``.
        seq_from: one of ``SEQ_FROM``.
        ack_from: one of ``ACK_FROM``.
        length: octets of data; ``FILLS`` for all up to the right edge of the window.
        window: as on the wire.
        options: ``""`` for those of the connection, else one of ``OPTIONS``.
    """

    flags: int
    seq: int = 0
    ack: int = 0
    seq_from: str = RCV_NXT
    ack_from: str = SND_NXT
    length: int = 0
    window: int = 65535
    options: str = ""


class Act(msgspec.Struct, frozen=True, tag="act", array_like=True):
    """A system call of the process under test, one of ``CALLS``; ``size`` is of its data, or of a buffer."""

    name: str
    size: int = 0


class Pause(msgspec.Struct, frozen=True, tag="pause", array_like=True):
    """Time passes, in ms: none where the kernel's clock skips it."""

    ms: int


class Icmp(msgspec.Struct, frozen=True, tag="icmp", array_like=True):
    """The peer sends an ICMP error, one of ``harness.wire.icmp.KINDS``, about a segment of the kernel's.

    Args:
        name: of the error.
        seq: of that segment, octets from the next number that the kernel will send.
    """

    name: str
    seq: int = 0


class About(msgspec.Struct, frozen=True, tag="about", array_like=True):
    """The steps from here on are about this connection, 1 to 3; before the first of these about 1.

    All connections have the program's one listener, and the peer's ports are others.
    """

    connection: int


AttemptStep = Put | Act | Pause | Icmp | About

SYN_OPTIONS = ("", "none", "full", "stamped", "wide", "small", "unknown", "malformed", "overlong")
"""Of a SYN: MSS alone, none at all, all that are usual, these without window scale, a window scale beyond 14, a small
MSS; and those that are odd in any segment."""

SEGMENT_OPTIONS = (
    *("", "none", "stale", "equal", "future", "unsent"),
    *("sack", "sack ahead", "unknown", "malformed", "overlong"),
)
"""Of others: as negotiated, none at all; an old timestamp, the last once more, one of a later day, the echo of what was
never sent; a D-SACK of the last octet that is acknowledged, a SACK of what comes behind it; an option that nobody
knows, one of no length, and one that is longer than the header."""

COOKIES = COOKIE_ASKED, COOKIE, COOKIE_FORGED = ("cookie asked", "cookie", "cookie forged")
"""Of a SYN for Fast Open: asks for a cookie; has the one that the kernel gives this peer; one that it never gave."""

SIGNATURES = SIGNED, WRONGLY_SIGNED = ("signed", "wrongly signed")
"""By the key of ``md5_key``, or by another. All else is not signed."""

OPTIONS = tuple(dict.fromkeys((*SYN_OPTIONS, *SEGMENT_OPTIONS, *COOKIES, *SIGNATURES)))

SYSCTLS = (
    *("tcp_ecn_1", "tcp_ecn_3", "tcp_timestamps_0", "tcp_sack_0", "tcp_dsack_0", "tcp_window_scaling_0"),
    *("tcp_shrink_window_1", "tcp_abort_on_overflow_1", "tcp_rfc1337_1", "tcp_syncookies_2", "tcp_syncookies_0"),
    *("tcp_moderate_rcvbuf_0", "tcp_adv_win_scale_2", "tcp_syn_retries_1", "tcp_synack_retries_1", "tcp_retries2_3"),
)
"""Calls that set a sysctl to that value, until the program ends."""

SIZED = {"rcvbuf": "SO_RCVBUF", "sndbuf": "SO_SNDBUF"}
"""Calls that set an option to their size."""

SOCKET_OPTIONS: Mapping[str, tuple[str, int]] = {
    "linger2_120": ("TCP_LINGER2", 120),
    "nodelay": ("TCP_NODELAY", 1),
    "cork": ("TCP_CORK", 1),
    "keepalive": ("SO_KEEPALIVE", 1),
    "user_timeout": ("TCP_USER_TIMEOUT", 1000),
    "fastopen": ("TCP_FASTOPEN", 5),
}
"""Calls that set an option of the connection, as the kernel's headers name it, to that value."""

KEYS: Mapping[str, bytes] = {"md5_key": b"finwait", "md5_no_key": b""}
"""Calls that set the key for the peer's address (TCP_MD5SIG), or take it away."""

CALLS = (
    *("listen", "accept", "connect", "close", "shutdown_rd", "shutdown_wr", "shutdown_rdwr"),
    *("send", "recv", "linger_0", "abort", "defer_accept"),
    *SIZED,
    *SOCKET_OPTIONS,
    *KEYS,
    *SYSCTLS,
)
"""Options that are set while no process holds the connection are those of the listener, or of the next socket."""

NOT_MADE = "-"
"""Stands for the result of a call that is not made, since there is no socket for it."""


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """A program: steps over one to three connections, of which none needs another to have any meaning; IP's version."""

    steps: tuple[AttemptStep, ...]
    ip_version: int = 4


class CameBack(msgspec.Struct, frozen=True, array_like=True):
    """A segment of the kernel's, with numbers relative to each side's first; ``ip`` tells of its IP header."""

    flags: int
    seq: int
    ack: int
    length: int
    window: int
    options: str
    at_ms: int = 0
    ip: str = ""
    connection: int = 1


class Noted(msgspec.Struct, frozen=True, array_like=True):
    """What a step brought about.

    Args:
        state: of the socket afterwards, as the kernel counts them; 0 where there is none.
        result: of a call: a number, an errno's name, or ``NOT_MADE``.
        back: what the kernel sent, in order.
        sent: of a segment that was put: seq, ack and length, and its timestamp and echo where it had one, relative.
        info: fields of TCP_INFO, of a connection that a process holds.
        grown: what counters grew by.
        drops: why segments were dropped; None where the kernel does not say it.
    """

    state: int
    result: str = ""
    back: tuple[CameBack, ...] = ()
    sent: tuple[int, ...] = ()
    info: dict[str, int | str] = {}
    grown: dict[str, int] = {}
    drops: tuple[str, ...] | None = None

    @property
    def error(self) -> str:
        """The result of a call that is no number; else empty."""
        return "" if self.result.isdecimal() else self.result


class Order(msgspec.Struct, frozen=True, array_like=True):
    """What a kernel is asked.

    Args:
        attempts: programs.
        ignored: what is left out of sight of each observation.
        virtual: whether its clock skips idle time.
        counts: whether it is asked which of its code each program reaches.
    """

    attempts: tuple[Attempt, ...]
    ignored: tuple[str, ...] = ()
    virtual: bool = False
    counts: bool = False


class CodeReached(msgspec.Struct, frozen=True, array_like=True):
    """What the programs of an order reached of the kernel's code.

    Args:
        objects: what is counted, with the bytes that each has of ``data``.
        data: gcov's data files once all had run, one behind the other, compressed by zlib.
        moved: for each program the counters that it moved, by their place among all.
    """

    objects: tuple[tuple[str, int], ...]
    data: bytes
    moved: tuple[tuple[int, ...], ...]


class OrderAnswer(msgspec.Struct, frozen=True, array_like=True):
    """What was noted of each program of an order, and what of the code they reached, where that was asked."""

    noted: tuple[msgspec.Raw, ...]
    code: CodeReached | None = None


INFO, INFO_TIMES, COUNTERS, IP_HEADER = "TCP_INFO", "times in TCP_INFO", "counters", "IP header"
DROPS = "drop reasons"

IGNORED = ("window sizes", "PSH", "timestamp values", "time", IP_HEADER, INFO, INFO_TIMES, COUNTERS, DROPS)
"""What a comparison leaves out unless asked. A window still counts as open or closed, a timestamp's echo as it is."""

UNJUDGED = ("PSH", "options", "timestamp values", "time", IP_HEADER, INFO, INFO_TIMES, COUNTERS, DROPS)
"""What is not held against the model of RFC 9293, which has the sizes of windows instead."""
