"""finwait: crafts segments, runs real kernel sockets against them and judges what comes back.

What a scenario needs can be imported from here. The names are loaded when they are first asked for, so that a part
that wants the errors alone does not load scapy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from harness.endings import ENDINGS, Ending, close, shutdown_rdwr, shutdown_wr, shutdown_wr_then_close
    from harness.endpoint import Endpoint
    from harness.errors import FinwaitError, Unsupported
    from harness.marks import (
        both_families,
        both_sides,
        in_shared_lab,
        owned_and_orphaned,
        requirement,
        takes,
        with_and_without_timestamps,
    )
    from harness.pattern import ANY, Between, Pattern
    from harness.peer import Peer
    from harness.segment import ACK, CWR, ECE, FIN, NONE, PSH, RST, SYN, URG, Flags, Segment
    from harness.session import Connection, Session
    from harness.states import NUMBERS, STATES, WAYS, Numbers, reach
    from harness.timing import DELACK_MAX, PROMPT, QUIET, RTO_INIT, RTO_MIN, Span
    from harness.verdict import Mismatch, Reply

_HOMES = {
    "harness.endings": ("ENDINGS", "Ending", "close", "shutdown_rdwr", "shutdown_wr", "shutdown_wr_then_close"),
    "harness.endpoint": ("Endpoint",),
    "harness.errors": ("FinwaitError", "Unsupported"),
    "harness.pattern": ("ANY", "Between", "Pattern"),
    "harness.peer": ("Peer",),
    "harness.marks": (
        "both_families",
        "both_sides",
        "in_shared_lab",
        "owned_and_orphaned",
        "requirement",
        "takes",
        "with_and_without_timestamps",
    ),
    "harness.segment": ("ACK", "CWR", "ECE", "FIN", "NONE", "PSH", "RST", "SYN", "URG", "Flags", "Segment"),
    "harness.session": ("Connection", "Session"),
    "harness.states": ("NUMBERS", "STATES", "WAYS", "Numbers", "reach"),
    "harness.timing": ("DELACK_MAX", "PROMPT", "QUIET", "RTO_INIT", "RTO_MIN", "Span"),
    "harness.verdict": ("Mismatch", "Reply"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ACK",
    "ANY",
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
    "Between",
    "Connection",
    "Ending",
    "Endpoint",
    "FinwaitError",
    "Flags",
    "Mismatch",
    "Numbers",
    "Pattern",
    "Peer",
    "Reply",
    "Segment",
    "Session",
    "Span",
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
    "takes",
    "with_and_without_timestamps",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"harness has no {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
