"""Socket options by the names of the kernel's headers, with what kind of value each takes. Pure.

The numbers are those of Linux on x86 and Arm (include/uapi: linux/tcp.h, asm-generic/socket.h, linux/in.h, linux/in6.h
of 7.2); they never change, so a kernel that lacks an option answers ENOPROTOOPT.
"""

from __future__ import annotations

import difflib
import struct
from collections.abc import Mapping

from harness.errors import FinwaitError
from harness.tcp.segment import check_range

Name = str | tuple[int, int]
"""An option's name in the headers, or its level and number where it has none here."""

Value = int | float | str | bytes
"""An option's value: a number, seconds for a timeout, a text such as a congestion control's name, or bytes."""

_LEVELS: Mapping[str, int] = {"TCP_": 6, "SO_": 1, "IP_": 0, "IPV6_": 41}

# fmt: off
_NUMBERS: Mapping[str, Mapping[str, int]] = {
    "TCP_": {
        "NODELAY": 1, "MAXSEG": 2, "CORK": 3, "KEEPIDLE": 4, "KEEPINTVL": 5, "KEEPCNT": 6, "SYNCNT": 7,
        "LINGER2": 8, "DEFER_ACCEPT": 9, "WINDOW_CLAMP": 10, "INFO": 11, "QUICKACK": 12, "CONGESTION": 13,
        "MD5SIG": 14, "THIN_LINEAR_TIMEOUTS": 16, "THIN_DUPACK": 17, "USER_TIMEOUT": 18, "REPAIR": 19,
        "REPAIR_QUEUE": 20, "QUEUE_SEQ": 21, "REPAIR_OPTIONS": 22, "FASTOPEN": 23, "TIMESTAMP": 24, "NOTSENT_LOWAT": 25,
        "CC_INFO": 26, "SAVE_SYN": 27, "SAVED_SYN": 28, "REPAIR_WINDOW": 29, "FASTOPEN_CONNECT": 30,
        "ULP": 31, "MD5SIG_EXT": 32, "FASTOPEN_KEY": 33, "FASTOPEN_NO_COOKIE": 34, "ZEROCOPY_RECEIVE": 35,
        "INQ": 36, "TX_DELAY": 37, "AO_ADD_KEY": 38, "AO_DEL_KEY": 39, "AO_INFO": 40, "AO_GET_KEYS": 41,
        "AO_REPAIR": 42, "IS_MPTCP": 43, "RTO_MAX_MS": 44, "RTO_MIN_US": 45, "DELACK_MAX_US": 46,
    },
    "SO_": {
        "DEBUG": 1, "REUSEADDR": 2, "TYPE": 3, "ERROR": 4, "DONTROUTE": 5, "BROADCAST": 6, "SNDBUF": 7,
        "RCVBUF": 8, "KEEPALIVE": 9, "OOBINLINE": 10, "NO_CHECK": 11, "PRIORITY": 12, "LINGER": 13,
        "BSDCOMPAT": 14, "REUSEPORT": 15, "PASSCRED": 16, "PEERCRED": 17, "RCVLOWAT": 18, "SNDLOWAT": 19,
        "RCVTIMEO": 20, "SNDTIMEO": 21, "SECURITY_AUTHENTICATION": 22, "SECURITY_ENCRYPTION_TRANSPORT": 23,
        "SECURITY_ENCRYPTION_NETWORK": 24, "BINDTODEVICE": 25, "ATTACH_FILTER": 26, "GET_FILTER": 26,
        "DETACH_FILTER": 27, "DETACH_BPF": 27, "PEERNAME": 28, "TIMESTAMP": 29, "ACCEPTCONN": 30,
        "PEERSEC": 31, "SNDBUFFORCE": 32, "RCVBUFFORCE": 33, "PASSSEC": 34, "TIMESTAMPNS": 35, "MARK": 36,
        "TIMESTAMPING": 37, "PROTOCOL": 38, "DOMAIN": 39, "RXQ_OVFL": 40, "WIFI_STATUS": 41, "PEEK_OFF": 42,
        "NOFCS": 43, "LOCK_FILTER": 44, "SELECT_ERR_QUEUE": 45, "BUSY_POLL": 46, "MAX_PACING_RATE": 47,
        "BPF_EXTENSIONS": 48, "INCOMING_CPU": 49, "ATTACH_BPF": 50, "ATTACH_REUSEPORT_CBPF": 51,
        "ATTACH_REUSEPORT_EBPF": 52, "CNX_ADVICE": 53, "MEMINFO": 55, "INCOMING_NAPI_ID": 56, "COOKIE": 57,
        "PEERGROUPS": 59, "ZEROCOPY": 60, "TXTIME": 61, "BINDTOIFINDEX": 62, "DETACH_REUSEPORT_BPF": 68,
        "PREFER_BUSY_POLL": 69, "BUSY_POLL_BUDGET": 70, "NETNS_COOKIE": 71, "BUF_LOCK": 72, "RESERVE_MEM": 73,
        "TXREHASH": 74, "RCVMARK": 75, "PASSPIDFD": 76, "PEERPIDFD": 77, "DEVMEM_LINEAR": 78,
        "DEVMEM_DMABUF": 79, "DEVMEM_DONTNEED": 80, "RCVPRIORITY": 82, "PASSRIGHTS": 83, "INQ": 84,
    },
    "IP_": {
        "TOS": 1, "TTL": 2, "HDRINCL": 3, "OPTIONS": 4, "ROUTER_ALERT": 5, "RECVOPTS": 6, "RETOPTS": 7,
        "RECVRETOPTS": 7, "PKTINFO": 8, "PKTOPTIONS": 9, "MTU_DISCOVER": 10, "RECVERR": 11, "RECVTTL": 12,
        "RECVTOS": 13, "MTU": 14, "FREEBIND": 15, "IPSEC_POLICY": 16, "XFRM_POLICY": 17, "PASSSEC": 18,
        "TRANSPARENT": 19, "ORIGDSTADDR": 20, "RECVORIGDSTADDR": 20, "MINTTL": 21, "NODEFRAG": 22,
        "CHECKSUM": 23, "BIND_ADDRESS_NO_PORT": 24, "RECVFRAGSIZE": 25, "RECVERR_RFC4884": 26,
        "MULTICAST_IF": 32, "MULTICAST_TTL": 33, "MULTICAST_LOOP": 34, "ADD_MEMBERSHIP": 35,
        "DROP_MEMBERSHIP": 36, "UNBLOCK_SOURCE": 37, "BLOCK_SOURCE": 38, "ADD_SOURCE_MEMBERSHIP": 39,
        "DROP_SOURCE_MEMBERSHIP": 40, "MSFILTER": 41, "MULTICAST_ALL": 49, "UNICAST_IF": 50,
        "LOCAL_PORT_RANGE": 51, "PROTOCOL": 52,
    },
    "IPV6_": {
        "ADDRFORM": 1, "2292PKTINFO": 2, "2292HOPOPTS": 3, "2292DSTOPTS": 4, "2292RTHDR": 5, "CHECKSUM": 7,
        "2292HOPLIMIT": 8, "NEXTHOP": 9, "AUTHHDR": 10, "FLOWINFO": 11, "UNICAST_HOPS": 16,
        "MULTICAST_IF": 17, "MULTICAST_HOPS": 18, "MULTICAST_LOOP": 19, "ADD_MEMBERSHIP": 20,
        "DROP_MEMBERSHIP": 21, "ROUTER_ALERT": 22, "MTU_DISCOVER": 23, "MTU": 24, "RECVERR": 25, "V6ONLY": 26,
        "JOIN_ANYCAST": 27, "LEAVE_ANYCAST": 28, "MULTICAST_ALL": 29, "ROUTER_ALERT_ISOLATE": 30,
        "RECVERR_RFC4884": 31, "FLOWLABEL_MGR": 32, "FLOWINFO_SEND": 33, "IPSEC_POLICY": 34,
        "XFRM_POLICY": 35, "HDRINCL": 36, "RECVPKTINFO": 49, "PKTINFO": 50, "RECVHOPLIMIT": 51,
        "HOPLIMIT": 52, "RECVHOPOPTS": 53, "HOPOPTS": 54, "RTHDRDSTOPTS": 55, "RECVRTHDR": 56, "RTHDR": 57,
        "RECVDSTOPTS": 58, "DSTOPTS": 59, "RECVPATHMTU": 60, "PATHMTU": 61, "DONTFRAG": 62, "USE_MIN_MTU": 63,
        "RECVTCLASS": 66, "TCLASS": 67, "AUTOFLOWLABEL": 70, "MINHOPCOUNT": 73, "ORIGDSTADDR": 74,
        "RECVORIGDSTADDR": 74, "TRANSPARENT": 75, "UNICAST_IF": 76, "RECVFRAGSIZE": 77, "FREEBIND": 78,
    },
}
# fmt: on

_PAIR = 2

_SHOWN = 16
"""How many bytes of a value the timeline has."""

_TIMEOUTS = frozenset({"SO_RCVTIMEO", "SO_SNDTIMEO"})
"""Options whose value is a struct timeval."""


def number_of(name: Name) -> tuple[int, int]:
    """Level and number of an option.

    Raises:
        FinwaitError: the headers have no option of that name, or it is neither a name nor level and number.
    """
    if isinstance(name, tuple) and len(name) == _PAIR:
        return check_range("level", name[0], 31), check_range("number", name[1], 31)
    if not isinstance(name, str):
        raise FinwaitError(f"{name!r} is not a socket option", hint='a name such as "TCP_NODELAY", or (level, number)')
    prefix = f"{name.partition('_')[0]}_"
    number = _NUMBERS.get(prefix, {}).get(name.removeprefix(prefix))
    if number is None:
        known = [f"{one}{rest}" for one, several in _NUMBERS.items() for rest in several]
        near = ", ".join(difflib.get_close_matches(name, known, n=3)) or "TCP_NODELAY, TCP_LINGER2, SO_RCVBUF"
        raise FinwaitError(
            f"there is no socket option named {name!r}",
            why="options are named as in the kernel's headers",
            hint=f"{near}; or (level, number)",
        )
    return _LEVELS[prefix], number


def name_of(name: Name) -> str:
    """How an option is shown: its name, also where it was given by level and number."""
    if isinstance(name, str):
        return name
    prefix = next((prefix for prefix, level in _LEVELS.items() if level == name[0]), "")
    rest = next((rest for rest, number in _NUMBERS.get(prefix, {}).items() if number == name[1]), "")
    return f"{prefix}{rest}" if rest else f"level {name[0]} option {name[1]}"


def shown(value: Value) -> int | str:
    """A value as the timeline has it: bytes in hexadecimal, and of many the first and their number."""
    if not isinstance(value, bytes):
        return value if isinstance(value, int) else str(value)
    return value.hex() if len(value) <= _SHOWN else f"{value[:_SHOWN].hex()}... ({len(value)} bytes)"


def encoded(name: Name, value: Value) -> int | bytes:
    """The value as setsockopt(2) takes it: seconds become a struct timeval, a text its bytes.

    Raises:
        FinwaitError: it is not a value, or a number that an int does not hold.
    """
    if not isinstance(value, int | float | str | bytes):
        raise FinwaitError(f"{name_of(name)} cannot be set to {value!r}", hint="a number, a text or bytes")
    if name_of(name) in _TIMEOUTS and not isinstance(value, str | bytes):
        return struct.pack("ll", int(value), round((value - int(value)) * 1e6))
    if isinstance(value, str):
        return value.encode() + b"\0"
    if isinstance(value, float):
        raise FinwaitError(f"{name_of(name)} takes a whole number, not {value}", hint=f"{round(value)}")
    if isinstance(value, int) and not -(2**31) <= value < 2**31:
        raise FinwaitError(
            f"{value} does not fit {name_of(name)}", why="setsockopt(2) takes an int here", hint='struct.pack("I", ...)'
        )
    return value
