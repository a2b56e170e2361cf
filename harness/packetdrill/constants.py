"""The names that stand in the arguments of a script's system calls, and the values of such arguments. Pure."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import socket
from collections.abc import Mapping

from harness.errors import FinwaitError, Unsupported
from harness.packetdrill.expressions import (
    Array,
    BitOr,
    Expression,
    Number,
    PortNumber,
    Text,
    Word,
)
from harness.tcp import socket_options

# What neither Python's modules nor the table of socket options names (include/uapi of 7.2).
# fmt: off
_OTHERS: Mapping[str, int] = {
    "NULL": 0, "SOL_IPV6": 41,
    "SIOCINQ": 0x541B, "SIOCOUTQ": 0x5411, "FIONREAD": 0x541B, "SIOCOUTQNSD": 0x894B,
    "MSG_ZEROCOPY": 0x4000000, "MSG_SPLICE_PAGES": 0x8000000, "MSG_TSTAMP": 0, "MSG_PROBE": 0x10,
    "MSG_NO_SHARED_FRAGS": 0x80000,
    "IP_PMTUDISC_DONT": 0, "IP_PMTUDISC_WANT": 1, "IP_PMTUDISC_DO": 2, "IP_PMTUDISC_PROBE": 3,
    "IP_PMTUDISC_INTERFACE": 4, "IP_PMTUDISC_OMIT": 5,
    "SCM_TIMESTAMPING": 37, "SCM_TIMESTAMPING_OPT_STATS": 54, "SCM_TIMESTAMPNS": 35, "SCM_TIMESTAMP": 29,
    "TCP_CM_INQ": 36, "SCM_TSTAMP_SND": 0, "SCM_TSTAMP_SCHED": 1, "SCM_TSTAMP_ACK": 2, "SCM_SEC": 0,
    "SO_EE_ORIGIN_NONE": 0, "SO_EE_ORIGIN_LOCAL": 1, "SO_EE_ORIGIN_ICMP": 2, "SO_EE_ORIGIN_ICMP6": 3,
    "SO_EE_ORIGIN_TXSTATUS": 4, "SO_EE_ORIGIN_TIMESTAMPING": 4, "SO_EE_ORIGIN_ZEROCOPY": 5,
    "SO_EE_CODE_ZEROCOPY_COPIED": 1,
    "SOF_TIMESTAMPING_TX_HARDWARE": 1, "SOF_TIMESTAMPING_TX_SOFTWARE": 2, "SOF_TIMESTAMPING_RX_HARDWARE": 4,
    "SOF_TIMESTAMPING_RX_SOFTWARE": 8, "SOF_TIMESTAMPING_SOFTWARE": 16, "SOF_TIMESTAMPING_SYS_HARDWARE": 32,
    "SOF_TIMESTAMPING_RAW_HARDWARE": 64, "SOF_TIMESTAMPING_OPT_ID": 128, "SOF_TIMESTAMPING_TX_SCHED": 256,
    "SOF_TIMESTAMPING_TX_ACK": 512, "SOF_TIMESTAMPING_OPT_CMSG": 1024, "SOF_TIMESTAMPING_OPT_TSONLY": 2048,
    "SOF_TIMESTAMPING_OPT_STATS": 4096, "SOF_TIMESTAMPING_OPT_PKTINFO": 8192, "SOF_TIMESTAMPING_OPT_TX_SWHW": 16384,
    "SOF_TIMESTAMPING_BIND_PHC": 32768, "SOF_TIMESTAMPING_OPT_ID_TCP": 65536,
    "TCP_NLA_PAD": 0, "TCP_NLA_BUSY": 1, "TCP_NLA_RWND_LIMITED": 2, "TCP_NLA_SNDBUF_LIMITED": 3,
    "TCP_NLA_DATA_SEGS_OUT": 4, "TCP_NLA_TOTAL_RETRANS": 5, "TCP_NLA_PACING_RATE": 6, "TCP_NLA_DELIVERY_RATE": 7,
    "TCP_NLA_SND_CWND": 8, "TCP_NLA_REORDERING": 9, "TCP_NLA_MIN_RTT": 10, "TCP_NLA_RECUR_RETRANS": 11,
    "TCP_NLA_DELIVERY_RATE_APP_LMT": 12, "TCP_NLA_SNDQ_SIZE": 13, "TCP_NLA_CA_STATE": 14, "TCP_NLA_SND_SSTHRESH": 15,
    "TCP_NLA_DELIVERED": 16, "TCP_NLA_DELIVERED_CE": 17, "TCP_NLA_BYTES_SENT": 18, "TCP_NLA_BYTES_RETRANS": 19,
    "TCP_NLA_DSACK_DUPS": 20, "TCP_NLA_REORD_SEEN": 21, "TCP_NLA_SRTT": 22,
    "ICMP_ECHOREPLY": 0, "ICMP_DEST_UNREACH": 3, "ICMP_FRAG_NEEDED": 4, "ICMP_NET_UNREACH": 0, "ICMP_HOST_UNREACH": 1,
    "ICMP_PORT_UNREACH": 3, "ICMP_PROT_UNREACH": 2, "ICMP_TIME_EXCEEDED": 11,
    "EPOLL_CTL_ADD": 1, "EPOLL_CTL_DEL": 2, "EPOLL_CTL_MOD": 3,
}
# fmt: on

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", '"': '"', "\\": "\\", "a": "\a", "b": "\b", "f": "\f"}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)")


Value = int | bytes | list["Value"] | Expression
"""An argument: a number, a text, several, or three dots or a structure as they are written."""


def constant(word: str, line: int = 0) -> int:
    """The value of a name of the C headers.

    Raises:
        Unsupported: it has none here.
    """
    if word in _OTHERS:
        return _OTHERS[word]
    for module in (socket, select, fcntl, os, errno):
        if isinstance(value := getattr(module, word, None), int):
            return int(value)
    try:
        return socket_options.number_of(word)[1]
    except FinwaitError:
        raise Unsupported(f"line {line}: the constant {word} is not known here") from None


def value_of(expression: Expression) -> Value:
    """What an argument stands for.

    Raises:
        Unsupported: a name that has no value here.
    """
    value: Value = expression
    match expression:
        case Number(value=number):
            value = number
        case Word(name=name):
            value = constant(name, expression.line)
        case BitOr(left=left, right=right):
            value = number_of(left) | number_of(right)
        case Text(value=text):
            value = unescaped(text)
        case PortNumber(value=port):
            value = number_of(port)
        case Array(items=items):
            value = [value_of(item) for item in items]
    return value


def number_of(expression: Expression) -> int:
    """The number that an argument stands for.

    Raises:
        FinwaitError: it is none.
    """
    value = value_of(expression)
    if not isinstance(value, int):
        raise FinwaitError(f"line {expression.line}: a number has to stand here")
    return value


def unescaped(text: str) -> bytes:
    """A text's octets, its escapes as C has them."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8) % 256)
        return _ESCAPES.get(code, code)

    return _ESCAPE.sub(one, text).encode("latin-1", errors="replace")
