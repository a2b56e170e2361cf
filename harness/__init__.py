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
    from harness.live.base_session import SERVICE_PORT
    from harness.live.blocking_call import BlockingCall
    from harness.live.check import judge
    from harness.live.endings import (
        ENDINGS,
        READS_NO_MORE,
        Ending,
        close,
        close_with_long_linger2,
        shutdown_rdwr,
        shutdown_wr,
        shutdown_wr_then_close,
    )
    from harness.live.endpoint import Endpoint
    from harness.live.flights import (
        FLIGHT,
        IPV4_MSS,
        TIMESTAMPS_LENGTH,
        expect_flight,
        expect_window,
        length_of_flight,
        write_segments,
    )
    from harness.live.kernel_pair import KernelPair
    from harness.live.nginx import Curl, Nginx
    from harness.live.peer import Peer
    from harness.live.peer_delay import establish_from_afar, longest_timer, wait_from_afar
    from harness.live.router import Router, TrackedConnection
    from harness.live.sender import INITIAL_SEQUENCE_NUMBER
    from harness.live.session import Connection, Session
    from harness.live.socket_session import ORPHANED
    from harness.live.states import NUMBERS, STATES, WAYS, Numbers, new_listener, reach
    from harness.live.syscalls import errno_of
    from harness.live.two_kernels import TwoKernelSession
    from harness.model.connection import Answer, ControlBlock
    from harness.model.segment_table import (
        HAVE_A_ZERO_WINDOW,
        NOMINAL_WINDOW,
        WITH_A_WINDOW,
        WITH_A_ZERO_WINDOW,
        TableCell,
        table_cells,
    )
    from harness.path.passages import Closing
    from harness.path.path import Path
    from harness.path.rules import BadRules
    from harness.path.ruling import Holding
    from harness.plugin.cells import Cell, in_states
    from harness.plugin.markers import (
        both_families,
        both_sides,
        in_shared_lab,
        owned_and_orphaned,
        report,
        requirement,
        waits,
        with_and_without_timestamps,
    )
    from harness.probes.states import state_name
    from harness.tcp.authentication import AoKey, Md5Key
    from harness.tcp.ip import BROADCAST_MAC, Envelope, IpHeader
    from harness.tcp.options import Option
    from harness.tcp.pattern import ANY, Between, Pattern
    from harness.tcp.segment import (
        ACK,
        CWR,
        ECE,
        FIN,
        NONE,
        PSH,
        RST,
        SPACE,
        SYN,
        URG,
        WRONG_CHECKSUM,
        Flags,
        Segment,
        distance,
    )
    from harness.tcp.timing import (
        CALL_LIMIT,
        DATA_R2,
        DAY,
        DELACK_LIMIT,
        DELACK_MAX,
        FIN_TIMEOUT,
        HOUR,
        KEEPALIVE_IDLE,
        KEEPALIVE_INTERVAL,
        MARKER_LIMIT,
        MINUTE,
        MS,
        MSL,
        PROGRAM_LIMIT,
        PROMPT,
        QUIET,
        REAL_WAIT,
        RTO_FLOOR,
        RTO_INIT,
        RTO_MIN,
        RTO_MOST,
        SECOND,
        SYN_R2,
        TICK,
        TIMEWAIT_LEN,
        Span,
        backoff,
    )
    from harness.tcp.verdict import Mismatch, Reply
    from harness.trace.events import Probed, Received, Sent

# A name a line would make this too long a module.
# fmt: off
_HOMES = {
    "harness.errors": ("FinwaitError", "Unsupported"),
    "harness.live.base_session": ("SERVICE_PORT",),
    "harness.live.blocking_call": ("BlockingCall",),
    "harness.live.check": ("judge",),
    "harness.live.endings": (
        "ENDINGS", "READS_NO_MORE", "Ending", "close", "close_with_long_linger2", "shutdown_rdwr", "shutdown_wr",
        "shutdown_wr_then_close",
    ),
    "harness.live.endpoint": ("Endpoint",),
    "harness.live.flights": (
        *("FLIGHT", "IPV4_MSS", "TIMESTAMPS_LENGTH"),
        *("expect_flight", "expect_window", "length_of_flight", "write_segments"),
    ),
    "harness.live.kernel_pair": ("KernelPair",),
    "harness.live.nginx": ("Curl", "Nginx"),
    "harness.live.peer": ("Peer",),
    "harness.live.router": ("Router", "TrackedConnection"),
    "harness.live.sender": ("INITIAL_SEQUENCE_NUMBER",),
    "harness.live.peer_delay": ("establish_from_afar", "longest_timer", "wait_from_afar"),
    "harness.live.session": ("Connection", "Session"),
    "harness.live.socket_session": ("ORPHANED",),
    "harness.live.states": (
        "NUMBERS", "STATES", "WAYS", "Numbers", "new_listener", "reach",
    ),
    "harness.live.syscalls": ("errno_of",),
    "harness.live.two_kernels": ("TwoKernelSession",),
    "harness.model.connection": ("Answer", "ControlBlock"),
    "harness.model.segment_table": (
        "HAVE_A_ZERO_WINDOW", "NOMINAL_WINDOW", "WITH_A_WINDOW", "WITH_A_ZERO_WINDOW", "TableCell", "table_cells",
    ),
    "harness.path.passages": ("Closing",),
    "harness.path.path": ("Path",),
    "harness.path.rules": ("BadRules",),
    "harness.path.ruling": ("Holding",),
    "harness.plugin.cells": ("Cell", "in_states"),
    "harness.plugin.markers": (
        "both_families", "both_sides", "in_shared_lab", "owned_and_orphaned", "report", "requirement", "waits",
        "with_and_without_timestamps",
    ),
    "harness.probes.states": ("state_name",),
    "harness.tcp.authentication": ("AoKey", "Md5Key"),
    "harness.tcp.ip": ("BROADCAST_MAC", "Envelope", "IpHeader"),
    "harness.tcp.options": ("Option",),
    "harness.tcp.pattern": ("ANY", "Between", "Pattern"),
    "harness.tcp.segment": (
        "ACK", "CWR", "ECE", "FIN", "NONE", "PSH", "RST", "SPACE", "SYN", "URG", "WRONG_CHECKSUM", "Flags",
        "Segment", "distance",
    ),
    "harness.tcp.timing": (
        "CALL_LIMIT", "DATA_R2", "DAY", "DELACK_LIMIT", "DELACK_MAX", "FIN_TIMEOUT", "HOUR", "KEEPALIVE_IDLE",
        "KEEPALIVE_INTERVAL", "MARKER_LIMIT", "MINUTE", "MS", "MSL", "PROGRAM_LIMIT", "PROMPT", "QUIET",
        "REAL_WAIT", "RTO_FLOOR", "RTO_INIT", "RTO_MIN", "RTO_MOST", "SECOND", "SYN_R2", "TICK", "TIMEWAIT_LEN",
        "Span", "backoff",
    ),
    "harness.tcp.verdict": ("Mismatch", "Reply"),
    "harness.trace.events": ("Probed", "Received", "Sent"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ACK", "ANY", "BROADCAST_MAC", "CALL_LIMIT", "CWR", "DATA_R2", "DAY", "DELACK_LIMIT", "DELACK_MAX", "ECE",
    "ENDINGS", "FIN", "FIN_TIMEOUT", "FLIGHT", "HAVE_A_ZERO_WINDOW", "HOUR", "INITIAL_SEQUENCE_NUMBER", "IPV4_MSS",
    "KEEPALIVE_IDLE", "KEEPALIVE_INTERVAL", "MARKER_LIMIT", "MINUTE", "MS", "MSL", "NOMINAL_WINDOW", "NONE",
    "NUMBERS", "ORPHANED", "PROGRAM_LIMIT", "PROMPT", "PSH", "QUIET", "READS_NO_MORE", "REAL_WAIT", "RST",
    "RTO_FLOOR", "RTO_INIT", "RTO_MIN", "RTO_MOST", "SECOND", "SERVICE_PORT", "SPACE", "STATES", "SYN", "SYN_R2",
    "TICK", "TIMESTAMPS_LENGTH", "TIMEWAIT_LEN", "URG", "WAYS", "WITH_A_WINDOW", "WITH_A_ZERO_WINDOW", "WRONG_CHECKSUM",
    "Answer", "AoKey", "BadRules", "Between", "BlockingCall", "Cell", "Closing", "Connection", "ControlBlock",
    "Curl", "Ending", "Endpoint", "Envelope", "FinwaitError", "Flags", "Holding", "IpHeader", "KernelPair",
    "Md5Key", "Mismatch", "Nginx", "Numbers", "Option", "Path", "Pattern", "Peer", "Probed", "Received", "Reply",
    "Router", "Segment", "Sent", "Session", "Span", "TableCell", "TrackedConnection", "TwoKernelSession",
    "Unsupported", "backoff", "both_families", "both_sides", "close", "close_with_long_linger2", "distance",
    "errno_of", "establish_from_afar", "expect_flight", "expect_window", "in_shared_lab", "in_states", "judge",
    "length_of_flight", "longest_timer", "new_listener", "owned_and_orphaned", "reach", "report", "requirement",
    "shutdown_rdwr", "shutdown_wr", "shutdown_wr_then_close", "state_name", "table_cells", "wait_from_afar",
    "waits", "with_and_without_timestamps", "write_segments",
]
# fmt: on


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"harness has no {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
