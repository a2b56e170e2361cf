"""The blocks of Python in a script as one program, each behind what the kernel told of its socket then. Pure."""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Mapping

from harness.errors import FinwaitError
from harness.probes.states import state_name
from harness.probes.tcp_info import CA_STATES, LAYOUT, field_name
from harness.tcp.socket_options import number_of

# what struct tcp_info has behind the layout in include/uapi/linux/tcp.h of 7.2
_BEHIND = (
    ("I", ("received_ce",)),
    ("I", ("delivered_e1_bytes", "delivered_e0_bytes", "delivered_ce_bytes")),
    ("I", ("received_e1_bytes", "received_e0_bytes", "received_ce_bytes")),
    ("I", ("_accecn",)),
)
_FIELDS = tuple((name, code) for code, names in (*LAYOUT, *_BEHIND) for name in names)
_NAMES = tuple("tcpi_" + re.sub("^_|_[um]s$", "", name) for name, _ in _FIELDS)
# a kernel that tells less leaves zeros, as packetdrill does
_STRUCT = struct.Struct("=" + "".join(code for _, code in _FIELDS))
_MEMORY = ("RMEM_ALLOC", "RCVBUF", "WMEM_ALLOC", "SNDBUF", "FWD_ALLOC", "WMEM_QUEUED", "OPTMEM", "BACKLOG", "DROPS")
ASKED = tuple(
    (*number_of(name), length)
    for name, length in (("TCP_INFO", _STRUCT.size), ("TCP_CC_INFO", 20), ("SO_MEMINFO", 4 * len(_MEMORY)))
)
"""Level, number and length of the options that are asked for."""

# union tcp_cc_info of include/uapi/linux/inet_diag.h, by its length
_CONTROL: Mapping[int, tuple[str, str]] = {
    20: ("=IIIII", "bbr_bw_lo bbr_bw_hi bbr_min_rtt bbr_pacing_gain bbr_cwnd_gain"),
    16: ("=HHIII", "dctcp_enabled dctcp_ce_state dctcp_alpha dctcp_ab_ecn dctcp_ab_tot"),
}

_STATES = ("ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT")
_LATER_STATES = ("CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING")
_OPTIONS = ("TIMESTAMPS", "SACK", "WSCALE", "ECN", "ECN_SEEN", "SYN_DATA", "USEC_TS", "TFO_CHILD")
SYMBOLS = {
    **{f"TCP_{name}": number for number, name in enumerate(_STATES + _LATER_STATES, 1)},
    **{f"TCP_CA_{name}": number for number, name in enumerate(CA_STATES)},
    **{f"TCPI_OPT_{name}": 1 << bit for bit, name in enumerate(_OPTIONS)},
}
"""The constants that code may name."""


def variables(info: bytes, control: bytes, memory: bytes) -> dict[str, int]:
    """What the options of ``ASKED`` tell, by the names of their fields."""
    values = dict(zip(_NAMES, _STRUCT.unpack(info[: _STRUCT.size].ljust(_STRUCT.size, b"\0")), strict=True))
    wscale, limited, accecn = (values.pop(name) for name in ("tcpi_wscale", "tcpi_limited", "tcpi_accecn"))
    values |= {"tcpi_snd_wscale": wscale & 0xF, "tcpi_rcv_wscale": wscale >> 4}
    values |= {"tcpi_delivery_rate_app_limited": limited & 1, "tcpi_fastopen_client_fail": limited >> 1 & 3}
    values |= {"tcpi_ecn_mode": accecn & 3, "tcpi_accecn_opt_seen": accecn >> 2 & 3}
    if len(control) in _CONTROL:
        layout, names = _CONTROL[len(control)]
        values |= zip(names.split(), struct.unpack(layout, control), strict=True)
        values["bbr_bw"] = values.get("bbr_bw_hi", 0) << 32 | values.get("bbr_bw_lo", 0)
    numbers = struct.unpack(f"={len(_MEMORY)}I", memory[: 4 * len(_MEMORY)].ljust(4 * len(_MEMORY), b"\0"))
    values |= zip((f"SK_MEMINFO_{name}" for name in _MEMORY), numbers, strict=True)
    return values | {"tcpi_accecn_fail_mode": accecn >> 4 & 15, "tcpi_options2": accecn >> 8}


def program(pieces: list[tuple[dict[str, int], str, int]]) -> str:
    """One program of blocks with their variables and the lines where they begin."""
    lines = [f"{name} = {value}" for name, value in SYMBOLS.items()]
    for values, text, _ in pieces:
        lines += [f"{name} = {value}" for name, value in values.items()]
        lines.append(text)
    return "\n".join(lines) + "\n"


def compared(text: str) -> list[tuple[str, int | str]] | None:
    """The fields of TCP_INFO that a block compares, by the names of ``TcpInfo``, each with what it is to be.

    None where it does anything else than to assert that fields equal numbers.
    """
    try:
        return [_compared(one) for one in ast.parse(text).body]
    except (SyntaxError, LookupError, ValueError, FinwaitError):
        return None


def _compared(statement: ast.stmt) -> tuple[str, int | str]:
    """Raises LookupError or ValueError where it asserts something else."""
    match statement:
        case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right])):
            name, other = (left, right) if isinstance(left, ast.Name) and left.id not in SYMBOLS else (right, left)
            if isinstance(name, ast.Name) and name.id.startswith("tcpi_"):
                return _named(field_name(name.id), _number(other))
    raise ValueError


def _number(expression: ast.expr) -> int:
    number = SYMBOLS[expression.id] if isinstance(expression, ast.Name) else ast.literal_eval(expression)
    if not isinstance(number, int):
        raise ValueError
    return number


def _named(field: str, number: int) -> tuple[str, int | str]:
    if field == "ca_state":
        return field, CA_STATES[number]
    if field == "options":
        raise ValueError
    return field, state_name(number) if field == "state" else number
