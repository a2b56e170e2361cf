"""What TCP_INFO tells of a socket: the kernel's own view of windows, timers, round trips and losses."""

from __future__ import annotations

import difflib
import socket
import struct
from functools import cache

import msgspec

from harness.errors import FinwaitError
from harness.probes import states

# struct tcp_info of include/uapi/linux/tcp.h, which has no gaps and only ever grows at its end. Names that begin with
# an underscore are taken apart below.
LAYOUT = (
    ("B", ("_state", "_ca_state", "retransmits", "probes", "backoff", "_options", "_wscale", "_limited")),
    ("I", ("rto_us", "ato_us", "snd_mss", "rcv_mss", "unacked", "sacked", "lost", "retrans", "fackets")),
    ("I", ("last_data_sent_ms", "last_ack_sent_ms", "last_data_recv_ms", "last_ack_recv_ms")),
    ("I", ("pmtu", "rcv_ssthresh", "rtt_us", "rttvar_us", "snd_ssthresh", "snd_cwnd", "advmss", "reordering")),
    ("I", ("rcv_rtt_us", "rcv_space", "total_retrans")),
    ("Q", ("pacing_rate", "max_pacing_rate", "bytes_acked", "bytes_received")),
    ("I", ("segs_out", "segs_in", "notsent_bytes", "min_rtt_us", "data_segs_in", "data_segs_out")),
    ("Q", ("delivery_rate", "busy_time_us", "rwnd_limited_us", "sndbuf_limited_us")),
    ("I", ("delivered", "delivered_ce")),
    ("Q", ("bytes_sent", "bytes_retrans")),
    ("I", ("dsack_dups", "reord_seen", "rcv_ooopack", "snd_wnd", "rcv_wnd", "rehash")),
    ("H", ("total_rto", "total_rto_recoveries")),
    ("I", ("total_rto_time_ms",)),
)
"""Its fields in order: a code of struct, and those that it holds for."""

_FIELDS = tuple((name, code) for code, names in LAYOUT for name in names)
_ENOUGH = 1024
_SHORTEST = 104  # up to total_retrans; Linux has had that much since 2.6

CA_STATES = ("Open", "Disorder", "CWR", "Recovery", "Loss")
"""enum tcp_ca_state of include/uapi/linux/tcp.h, from 0 on."""

_OPTIONS = ("timestamps", "sack", "wscale", "ecn", "ecn seen", "syn data", "usec timestamps", "tfo child")


class TcpInfo(msgspec.Struct, frozen=True, kw_only=True):
    """TCP_INFO. Times in the unit their name ends in, rates in bytes a second; None: this kernel does not tell.

    ``last_ack_sent_ms`` is always 0 (tcp_get_info, net/ipv4/tcp.c); ``snd_ssthresh`` and others hold 2**31 - 1 for
    "none yet"; ``snd_wnd`` and ``rcv_wnd`` are scaled already.
    """

    state: str
    ca_state: str
    retransmits: int
    probes: int
    backoff: int
    options: tuple[str, ...]
    snd_wscale: int
    rcv_wscale: int
    rto_us: int
    ato_us: int
    snd_mss: int
    rcv_mss: int
    unacked: int
    sacked: int
    lost: int
    retrans: int
    fackets: int
    last_data_sent_ms: int
    last_ack_sent_ms: int
    last_data_recv_ms: int
    last_ack_recv_ms: int
    pmtu: int
    rcv_ssthresh: int
    rtt_us: int
    rttvar_us: int
    snd_ssthresh: int
    snd_cwnd: int
    advmss: int
    reordering: int
    rcv_rtt_us: int
    rcv_space: int
    total_retrans: int
    pacing_rate: int | None = None
    max_pacing_rate: int | None = None
    bytes_acked: int | None = None
    bytes_received: int | None = None
    segs_out: int | None = None
    segs_in: int | None = None
    notsent_bytes: int | None = None
    min_rtt_us: int | None = None
    data_segs_in: int | None = None
    data_segs_out: int | None = None
    delivery_rate: int | None = None
    busy_time_us: int | None = None
    rwnd_limited_us: int | None = None
    sndbuf_limited_us: int | None = None
    delivered: int | None = None
    delivered_ce: int | None = None
    bytes_sent: int | None = None
    bytes_retrans: int | None = None
    dsack_dups: int | None = None
    reord_seen: int | None = None
    rcv_ooopack: int | None = None
    snd_wnd: int | None = None
    rcv_wnd: int | None = None
    rehash: int | None = None
    total_rto: int | None = None
    total_rto_recoveries: int | None = None
    total_rto_time_ms: int | None = None


def field_name(field: str) -> str:
    """A field of ``TcpInfo`` by the name that struct tcp_info and packetdrill have for it: ``tcpi_rtt`` is ``rtt_us``.

    Raises:
        FinwaitError: there is no such field.
    """
    bare = field.removeprefix("tcpi_")
    fields = TcpInfo.__struct_fields__
    if name := next((name for name in (bare, f"{bare}_us", f"{bare}_ms") if name in fields), ""):
        return name
    near = difflib.get_close_matches(bare, fields, n=3, cutoff=0.5)
    raise FinwaitError(f"TCP_INFO has no {field!r}", hint=" or ".join(near or fields))


def read(sock: socket.socket) -> TcpInfo:
    """Ask a TCP socket of this process, in whatever namespace it is.

    Raises:
        OSError: the socket is closed, or not of TCP.
    """
    return parse(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ENOUGH))


def parse(content: bytes) -> TcpInfo:
    """Take a ``struct tcp_info`` apart, of a kernel older or newer than the table above.

    Raises:
        ValueError: there is less of it than any kernel gives.
    """
    if len(content) < _SHORTEST:
        raise ValueError(f"a tcp_info of {len(content)} bytes; the shortest has {_SHORTEST}")
    layout, names = _prefix(min(len(content), _longest()))
    values = dict(zip(names, layout.unpack_from(content), strict=True))
    state, ca_state, options = values.pop("_state"), values.pop("_ca_state"), values.pop("_options")
    wscale = values.pop("_wscale")
    del values["_limited"]
    return TcpInfo(
        state=states.state_name(state),
        ca_state=CA_STATES[ca_state] if ca_state < len(CA_STATES) else str(ca_state),
        options=tuple(name for bit, name in enumerate(_OPTIONS) if options >> bit & 1),
        snd_wscale=wscale & 0xF,
        rcv_wscale=wscale >> 4,
        **values,
    )


@cache
def _longest() -> int:
    return struct.calcsize("=" + "".join(code for _, code in _FIELDS))


@cache
def _prefix(length: int) -> tuple[struct.Struct, list[str]]:
    """The part of the table that a structure of this length holds whole."""
    count = len(_FIELDS)
    while struct.calcsize(codes := "=" + "".join(code for _, code in _FIELDS[:count])) > length:
        count -= 1
    return struct.Struct(codes), [name for name, _ in _FIELDS[:count]]
