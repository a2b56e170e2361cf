"""finwait: crafts segments, runs real kernel sockets against them and judges what comes back.

What a scenario needs can be imported from here. The names are loaded when they are first asked for, so that a part
that wants the errors alone does not load scapy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from harness.errors import FinwaitError, Unsupported
    from harness.live.endings import ENDINGS, Ending, close, shutdown_rdwr, shutdown_wr, shutdown_wr_then_close
    from harness.live.endpoint import Endpoint
    from harness.live.peer import Peer
    from harness.live.session import Connection, Session
    from harness.live.states import NUMBERS, STATES, WAYS, Numbers, reach
    from harness.live.two_kernels import Closing, KernelPair, TwoKernelSession
    from harness.path.path import BadRules, Path
    from harness.plugin.markers import (
        both_families,
        both_sides,
        in_shared_lab,
        owned_and_orphaned,
        requirement,
        waits,
        with_and_without_timestamps,
    )
    from harness.tcp.ip import BROADCAST_MAC, Envelope, IpHeader
    from harness.tcp.pattern import ANY, Between, Pattern
    from harness.tcp.segment import ACK, CWR, ECE, FIN, NONE, PSH, RST, SYN, URG, WRONG_CHECKSUM, Flags, Segment
    from harness.tcp.timing import DELACK_MAX, PROMPT, QUIET, RTO_INIT, RTO_MIN, Span
    from harness.tcp.verdict import Mismatch, Reply

_HOMES = {
    "harness.live.two_kernels": ("Closing", "KernelPair", "TwoKernelSession"),
    "harness.path.path": ("BadRules", "Path"),
    "harness.live.endings": ("ENDINGS", "Ending", "close", "shutdown_rdwr", "shutdown_wr", "shutdown_wr_then_close"),
    "harness.live.endpoint": ("Endpoint",),
    "harness.errors": ("FinwaitError", "Unsupported"),
    "harness.tcp.pattern": ("ANY", "Between", "Pattern"),
    "harness.tcp.ip": ("BROADCAST_MAC", "Envelope", "IpHeader"),
    "harness.live.peer": ("Peer",),
    "harness.plugin.markers": (
        "both_families",
        "both_sides",
        "in_shared_lab",
        "owned_and_orphaned",
        "requirement",
        "waits",
        "with_and_without_timestamps",
    ),
    "harness.tcp.segment": (
        "ACK",
        "CWR",
        "ECE",
        "FIN",
        "NONE",
        "PSH",
        "RST",
        "SYN",
        "URG",
        "WRONG_CHECKSUM",
        "Flags",
        "Segment",
    ),
    "harness.live.session": ("Connection", "Session"),
    "harness.live.states": ("NUMBERS", "STATES", "WAYS", "Numbers", "reach"),
    "harness.tcp.timing": ("DELACK_MAX", "PROMPT", "QUIET", "RTO_INIT", "RTO_MIN", "Span"),
    "harness.tcp.verdict": ("Mismatch", "Reply"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ACK",
    "ANY",
    "BROADCAST_MAC",
    "CWR",
    "DELACK_MAX",
    "ECE",
    "ENDINGS",
    "FIN",
    "NONE",
    "NUMBERS",
    "PROMPT",
    "PSH",
    "QUIET",
    "RST",
    "RTO_INIT",
    "RTO_MIN",
    "STATES",
    "SYN",
    "URG",
    "WAYS",
    "WRONG_CHECKSUM",
    "BadRules",
    "Between",
    "Closing",
    "Connection",
    "Ending",
    "Endpoint",
    "Envelope",
    "FinwaitError",
    "Flags",
    "IpHeader",
    "KernelPair",
    "Mismatch",
    "Numbers",
    "Path",
    "Pattern",
    "Peer",
    "Reply",
    "Segment",
    "Session",
    "Span",
    "TwoKernelSession",
    "Unsupported",
    "both_families",
    "both_sides",
    "close",
    "in_shared_lab",
    "owned_and_orphaned",
    "reach",
    "requirement",
    "shutdown_rdwr",
    "shutdown_wr",
    "shutdown_wr_then_close",
    "waits",
    "with_and_without_timestamps",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"harness has no {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
