"""The sysctls that every lab pins, as data, each with the reason. Values are the kernel's defaults where none is given.

What a kernel does not have in a new namespace is left alone and recorded as such; a sysctl that counts for the
whole machine does not show up inside a new namespace, so nothing here can reach outside one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path("/proc/sys")

PINNED: Mapping[str, str] = {
    # options of the handshake
    "net/ipv4/tcp_timestamps": "1",
    "net/ipv4/tcp_sack": "1",
    "net/ipv4/tcp_dsack": "1",
    "net/ipv4/tcp_window_scaling": "1",
    "net/ipv4/tcp_ecn": "0",  # distributions differ
    "net/ipv4/tcp_fastopen": "0",
    "net/ipv4/tcp_syncookies": "1",
    # buffers: the kernel sizes them by the machine's memory
    "net/ipv4/tcp_rmem": "4096\t131072\t6291456",
    "net/ipv4/tcp_wmem": "4096\t16384\t4194304",
    "net/ipv4/tcp_adv_win_scale": "1",
    "net/ipv4/tcp_moderate_rcvbuf": "1",
    # timers
    "net/ipv4/tcp_fin_timeout": "60",
    "net/ipv4/tcp_keepalive_time": "7200",
    "net/ipv4/tcp_syn_retries": "6",
    "net/ipv4/tcp_synack_retries": "5",
    "net/ipv4/tcp_retries1": "3",
    "net/ipv4/tcp_retries2": "15",
    "net/ipv4/tcp_orphan_retries": "0",
    "net/ipv4/tcp_early_retrans": "0",  # no tail loss probe: it retransmits a FIN after two round trips
    "net/ipv4/tcp_tw_reuse": "0",
    "net/ipv4/tcp_rfc1337": "0",
    "net/ipv4/tcp_abort_on_overflow": "0",
    "net/ipv4/tcp_mtu_probing": "0",
    "net/ipv4/tcp_no_metrics_save": "1",  # one connection must not teach the next
    "net/ipv4/tcp_autocorking": "1",
    "net/ipv4/tcp_congestion_control": "reno",  # the one that every kernel has
    # rate limits: an answer that was swallowed by one looks like a deviation
    "net/ipv4/tcp_challenge_ack_limit": "2147483647",
    "net/ipv4/tcp_invalid_ratelimit": "0",
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv6/icmp/ratelimit": "0",
    # the path
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/ip_local_port_range": "32768\t60999",
    "net/ipv6/conf/all/disable_ipv6": "0",
    "net/ipv6/conf/default/disable_ipv6": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/dad_transmits": "0",
    "net/ipv6/conf/default/router_solicitations": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/autoconf": "0",
    "net/ipv6/conf/default/addr_gen_mode": "1",  # no link-local address, so no multicast reports about one
}

SHORT_AFTERLIFE: Mapping[str, str] = {"net/ipv4/tcp_orphan_retries": "1"}
"""Beside a retransmission timer that is held off: a closed socket whose FIN nobody acknowledges keeps its namespace.

The default number of retransmissions (tcp_orphan_retries, net/ipv4/tcp_timer.c) from 30 s on kept it for 140 s on 6.18,
also after the run was killed; a single one keeps it for 40 s. No scenario with held timers lives to see the first.
"""


def read(name: str) -> str | None:
    """The value in the calling thread's namespace, white space folded; None where the kernel has no such sysctl."""
    try:
        return " ".join((ROOT / name).read_text().split())
    except FileNotFoundError:
        return None


def write(name: str, value: str) -> str | None:
    """Set a sysctl in the calling thread's namespace and give back what it was before.

    Raises:
        OSError: the kernel has it not (ENOENT), forbids it here (EPERM, EACCES) or refuses the value (EINVAL).
    """
    before = read(name)
    (ROOT / name).write_text(value)
    return before


def pin(values: Mapping[str, str] = PINNED) -> dict[str, str]:
    """Set all of them in the calling thread's namespace; what could not be set, by name, with the reason."""
    left: dict[str, str] = {}
    for name, value in values.items():
        try:
            _pin_one(f"{ROOT}/{name}", value.encode())
        except FileNotFoundError:
            left[name] = "this kernel has it not"
        except OSError as error:
            left[name] = error.strerror or str(error)
    return left


def _pin_one(path: str, value: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        # reading is cheaper than setting, and most of them stand right in a new namespace
        if os.read(descriptor, 4096).split() != value.split():
            os.pwrite(descriptor, value, 0)
    finally:
        os.close(descriptor)
