"""What a lab pins, in one table: every lab is set up by it, and failures, run records and docs/conditions.md show it.

A sysctl that counts for the whole machine does not show up inside a new namespace, so nothing here reaches outside one.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

RTO_MIN_MS = 10_000
"""What the route holds the retransmission timer off for, so that it stays out of scenarios about other things.

Not more: the kernel waits in FIN-WAIT-2 for at least 3.5 times the timer (tcp_fin_time, include/net/tcp.h), and above
60 s it keeps the full socket there instead of a mini-socket. With 30 s, close() on 5.10 drops the FIN as shutdown()
does.
"""


class Settings(enum.StrEnum):
    """Which part of the table a lab is set up by."""

    HELD = "timers held"
    FREE = "timers free"  # the scenario waits for them
    DEFAULTS = "the kernel's own"  # what no lab can do without stays


class Scope(enum.StrEnum):
    """Where a condition holds; each takes in fewer labs than the one before."""

    EVERY_LAB = "every lab"
    UNLESS_DEFAULTS = "unless --defaults"
    UNLESS_WAITING = "unless the scenario waits"
    ONE_KERNEL = "one kernel, unless the scenario waits"
    ROUTER = "the router"


class Kind(enum.StrEnum):
    """What is set."""

    SYSCTL = "sysctl"
    ROUTE = "route"
    OFFLOAD = "offload"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that a lab pins.

    Args:
        name: of the sysctl, below /proc/sys; of the route's metric (ip-route(8)); how the offloads' names begin.
        value: in a lab.
        default: of a kernel as it is released; a distribution, or the machine's memory, may give another.
        why: it is pinned.
        scope: where.
        kind: what it is.
        effect: what it makes of the kernel, in a few words; empty where it does not differ from the default.
        timer_ms: the shortest that the timer is which it holds; 0 for none, or one of no fixed length.
        told_by: when a failure tells of it: ``timer`` where one is expected, ``again`` where a segment is expected a
            second time, ``ACK`` where one without data came unasked or did not come, ``challenge`` where one came or
            did not after the kernel had sent challenge ACKs, ``recovery`` where data are at issue after some were
            sent again, ``ECN``, ``Fast Open``, ``ICMP`` and ``window`` where that differs.
    """

    name: str
    value: str
    default: str
    why: str
    scope: Scope = Scope.UNLESS_DEFAULTS
    kind: Kind = Kind.SYSCTL
    effect: str = ""
    timer_ms: int = 0
    told_by: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether it is not the kernel's default."""
        return self.value.split() != self.default.split()

    @property
    def title(self) -> str:
        """What it is called: a sysctl by its name, the others by their kind too."""
        return self.name if self.kind is Kind.SYSCTL else f"{self.kind} {self.name}"

    @property
    def freed(self) -> bool:
        """Whether a scenario that waits for timers is without it."""
        return self.scope in (Scope.UNLESS_WAITING, Scope.ONE_KERNEL)


_AS_RELEASED = "a distribution may set another"
_SIZED = "the kernel sizes them by the machine's memory"
_NO_PEER = "a crafted peer has no stack that would answer"
_RATE = "a suppressed answer looks like a deviation"
_GIVES_BACK = "it merges or splits segments where no capture sees it"

TABLE: tuple[Condition, ...] = (
    # options of the handshake
    Condition("net/ipv4/tcp_timestamps", "1", "1", _AS_RELEASED),
    Condition("net/ipv4/tcp_sack", "1", "1", _AS_RELEASED),
    Condition("net/ipv4/tcp_dsack", "1", "1", _AS_RELEASED),
    Condition("net/ipv4/tcp_window_scaling", "1", "1", _AS_RELEASED),
    Condition("net/ipv4/tcp_ecn", "0", "2", "distributions differ", effect="no ECN", told_by=("ECN",)),
    Condition(
        "net/ipv4/tcp_fastopen", "0", "1", "cookies outlive a connection", effect="no Fast Open", told_by=("Fast Open",)
    ),
    Condition("net/ipv4/tcp_syncookies", "1", "1", _AS_RELEASED),
    # buffers
    Condition(
        "net/ipv4/tcp_rmem",
        "4096\t131072\t6291456",
        "4096 131072, and by memory",
        _SIZED,
        effect="the same windows everywhere",
        told_by=("window",),
    ),
    Condition("net/ipv4/tcp_wmem", "4096\t16384\t4194304", "4096 16384, and by memory", _SIZED),
    Condition("net/ipv4/tcp_adv_win_scale", "1", "1", _AS_RELEASED),
    Condition("net/ipv4/tcp_moderate_rcvbuf", "1", "1", _AS_RELEASED),
    # timers
    Condition("net/ipv4/tcp_fin_timeout", "60", "60", _AS_RELEASED),
    Condition("net/ipv4/tcp_keepalive_time", "7200", "7200", _AS_RELEASED),
    Condition("net/ipv4/tcp_syn_retries", "6", "6", _AS_RELEASED),
    Condition("net/ipv4/tcp_synack_retries", "5", "5", _AS_RELEASED),
    Condition("net/ipv4/tcp_retries1", "3", "3", _AS_RELEASED),
    Condition("net/ipv4/tcp_retries2", "15", "15", _AS_RELEASED),
    Condition("net/ipv4/tcp_orphan_retries", "0", "0", _AS_RELEASED),
    Condition(
        "net/ipv4/tcp_early_retrans",
        "0",
        "3",
        "it sends a FIN again after two round trips",
        Scope.UNLESS_WAITING,
        effect="no tail loss probe",
        told_by=("timer", "again"),
    ),
    Condition("net/ipv4/tcp_tw_reuse", "0", "2", "2 is for loopback, which labs do not use"),
    Condition("net/ipv4/tcp_rfc1337", "0", "0", _AS_RELEASED),
    Condition("net/ipv4/tcp_abort_on_overflow", "0", "0", _AS_RELEASED),
    Condition("net/ipv4/tcp_mtu_probing", "0", "0", _AS_RELEASED),
    Condition("net/ipv4/tcp_no_metrics_save", "1", "0", "one connection must not influence the next"),
    Condition("net/ipv4/tcp_autocorking", "1", "1", _AS_RELEASED),
    Condition("net/ipv4/tcp_congestion_control", "reno", "cubic, or as configured", "the one that every kernel has"),
    Condition(
        "cc_algo",
        "reno",
        "none",
        "the same, for sockets that choose no other",
        kind=Kind.ROUTE,
        effect="Reno decides how much is sent",
        told_by=("recovery",),
    ),
    Condition(
        "rto_min lock",
        str(RTO_MIN_MS),
        "200, or net/ipv4/tcp_rto_min_us",
        "what a timer sends is not an answer; in ms",
        Scope.ONE_KERNEL,
        Kind.ROUTE,
        effect="no retransmission timer and no persist timer before 10 s",
        timer_ms=200,
        told_by=("timer", "again"),
    ),
    Condition(
        "quickack",
        "1",
        "0",
        "an ACK is an answer, and comes at once",
        Scope.ONE_KERNEL,
        Kind.ROUTE,
        effect="no delayed ACK",
        timer_ms=40,
        told_by=("ACK",),
    ),
    # The default number of retransmissions (tcp_orphan_retries, net/ipv4/tcp_timer.c) from 30 s on kept a namespace for
    # 140 s on 6.18, also after the run was killed; a single one keeps it for 40 s. Nothing lives to see the first.
    Condition(
        "net/ipv4/tcp_orphan_retries",
        "1",
        "0",
        "with so long a timer a closed socket whose FIN nobody acknowledges would keep its namespace for minutes",
        Scope.ONE_KERNEL,
    ),
    # rate limits
    Condition(
        "net/ipv4/tcp_challenge_ack_limit",
        "2147483647",
        "1000 before 6.1, then 2147483647",
        _RATE,
        effect="challenge ACKs are not limited",
        told_by=("challenge",),
    ),
    Condition(
        "net/ipv4/tcp_invalid_ratelimit",
        "0",
        "500",
        _RATE,
        effect="every segment that is not acceptable is answered, not one in 500 ms",
        told_by=("challenge",),
    ),
    Condition("net/ipv4/icmp_ratelimit", "0", "1000", _RATE, effect="ICMP messages are not limited", told_by=("ICMP",)),
    Condition("net/ipv6/icmp/ratelimit", "0", "1000, or 100", _RATE, effect="ICMPv6 messages are not limited"),
    # the path
    Condition("net/ipv4/conf/all/rp_filter", "0", "0", _AS_RELEASED),
    Condition("net/ipv4/conf/default/rp_filter", "0", "0", _AS_RELEASED),
    Condition("net/ipv4/ip_local_port_range", "32768\t60999", "32768 60999", _AS_RELEASED),
    # a router between two kernels; the first of the rows resets what a host and a router do differently
    Condition("net/ipv4/ip_forward", "1", "0", "it forwards", Scope.ROUTER),
    Condition("net/ipv6/conf/all/forwarding", "1", "0", "it forwards", Scope.ROUTER),
    # the lab itself
    Condition("net/ipv6/conf/all/disable_ipv6", "0", "0", "for the IPv6 address", Scope.EVERY_LAB),
    Condition("net/ipv6/conf/default/disable_ipv6", "0", "0", "for the IPv6 address", Scope.EVERY_LAB),
    Condition("net/ipv6/conf/default/accept_dad", "0", "1", _NO_PEER, Scope.EVERY_LAB),
    Condition("net/ipv6/conf/default/dad_transmits", "0", "1", _NO_PEER, Scope.EVERY_LAB),
    Condition("net/ipv6/conf/default/router_solicitations", "0", "-1", _NO_PEER, Scope.EVERY_LAB),
    Condition("net/ipv6/conf/default/accept_ra", "0", "1", _NO_PEER, Scope.EVERY_LAB),
    Condition("net/ipv6/conf/default/autoconf", "0", "1", _NO_PEER, Scope.EVERY_LAB),
    Condition(
        "net/ipv6/conf/default/addr_gen_mode",
        "1",
        "0",
        "no link-local address, so no multicast reports about one",
        Scope.EVERY_LAB,
    ),
    Condition("tx-checksum-", "off", "on", "no device fills the checksum in", Scope.EVERY_LAB, Kind.OFFLOAD),
    Condition("tx-scatter-gather", "off", "on", _GIVES_BACK, Scope.EVERY_LAB, Kind.OFFLOAD),
    Condition("tx-tcp", "off", "on", _GIVES_BACK, Scope.EVERY_LAB, Kind.OFFLOAD),
    Condition("tx-generic-segmentation", "off", "on", _GIVES_BACK, Scope.EVERY_LAB, Kind.OFFLOAD),
    Condition("rx-gro", "off", "off", _GIVES_BACK, Scope.EVERY_LAB, Kind.OFFLOAD),
)


def in_effect(settings: Settings, *, one_kernel: bool = True) -> tuple[Condition, ...]:
    """The rows of the table that a lab is set up by.

    Args:
        settings: of the lab.
        one_kernel: whether its peer is crafted; between two kernels a path's timers are what is looked at.
    """
    scopes = {Scope.EVERY_LAB}
    if settings is not Settings.DEFAULTS:
        scopes.add(Scope.UNLESS_DEFAULTS)
    if settings is Settings.HELD:
        scopes |= {Scope.UNLESS_WAITING, *([Scope.ONE_KERNEL] if one_kernel else [])}
    return tuple(row for row in TABLE if row.scope in scopes)


def holds_what_waits(rows: Iterable[Condition]) -> bool:
    """Whether a lab set up by these rows is one of a scenario that does not say that it waits."""
    return any(row.freed for row in rows)


def values(rows: tuple[Condition, ...], kind: Kind) -> Mapping[str, str]:
    """What is to be set, by name; of two rows for one thing the later one counts."""
    return {row.name: row.value for row in rows if row.kind is kind}
