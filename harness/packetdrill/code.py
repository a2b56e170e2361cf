"""The blocks of Python in a script as one program, each behind what the kernel told of its socket then. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping

# struct tcp_info of include/uapi/linux/tcp.h of 7.2; a kernel that tells less leaves zeros, as packetdrill does
_LAYOUT = (
    ("B", "tcpi_state tcpi_ca_state tcpi_retransmits tcpi_probes tcpi_backoff tcpi_options _wscale _limited"),
    ("I", "tcpi_rto tcpi_ato tcpi_snd_mss tcpi_rcv_mss tcpi_unacked tcpi_sacked tcpi_lost tcpi_retrans tcpi_fackets"),
    ("I", "tcpi_last_data_sent tcpi_last_ack_sent tcpi_last_data_recv tcpi_last_ack_recv tcpi_pmtu tcpi_rcv_ssthresh"),
    ("I", "tcpi_rtt tcpi_rttvar tcpi_snd_ssthresh tcpi_snd_cwnd tcpi_advmss tcpi_reordering tcpi_rcv_rtt"),
    ("I", "tcpi_rcv_space tcpi_total_retrans"),
    ("Q", "tcpi_pacing_rate tcpi_max_pacing_rate tcpi_bytes_acked tcpi_bytes_received"),
    ("I", "tcpi_segs_out tcpi_segs_in tcpi_notsent_bytes tcpi_min_rtt tcpi_data_segs_in tcpi_data_segs_out"),
    ("Q", "tcpi_delivery_rate tcpi_busy_time tcpi_rwnd_limited tcpi_sndbuf_limited"),
    ("I", "tcpi_delivered tcpi_delivered_ce"),
    ("Q", "tcpi_bytes_sent tcpi_bytes_retrans"),
    ("I", "tcpi_dsack_dups tcpi_reord_seen tcpi_rcv_ooopack tcpi_snd_wnd tcpi_rcv_wnd tcpi_rehash"),
    ("H", "tcpi_total_rto tcpi_total_rto_recoveries"),
    ("I", "tcpi_total_rto_time tcpi_received_ce"),
    ("I", "tcpi_delivered_e1_bytes tcpi_delivered_e0_bytes tcpi_delivered_ce_bytes"),
    ("I", "tcpi_received_e1_bytes tcpi_received_e0_bytes tcpi_received_ce_bytes"),
    ("I", "_accecn"),
)
_NAMES = tuple(name for _, names in _LAYOUT for name in names.split())
_STRUCT = struct.Struct("=" + "".join(code * len(names.split()) for code, names in _LAYOUT))
_MEMORY = ("RMEM_ALLOC", "RCVBUF", "WMEM_ALLOC", "SNDBUF", "FWD_ALLOC", "WMEM_QUEUED", "OPTMEM", "BACKLOG", "DROPS")
ASKED = ((6, 11, _STRUCT.size), (6, 26, 20), (1, 55, 4 * len(_MEMORY)))
"""Level, name and length of the options that are asked for: TCP_INFO, TCP_CC_INFO, SO_MEMINFO."""

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
    **{f"TCP_CA_{name}": number for number, name in enumerate(("Open", "Disorder", "CWR", "Recovery", "Loss"))},
    **{f"TCPI_OPT_{name}": 1 << bit for bit, name in enumerate(_OPTIONS)},
}
"""The constants that code may name."""


def variables(info: bytes, control: bytes, memory: bytes) -> dict[str, int]:
    """What the options of ``ASKED`` tell, by the names of their fields."""
    values = dict(zip(_NAMES, _STRUCT.unpack(info[: _STRUCT.size].ljust(_STRUCT.size, b"\0")), strict=True))
    wscale, limited, accecn = (values.pop(name) for name in ("_wscale", "_limited", "_accecn"))
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
