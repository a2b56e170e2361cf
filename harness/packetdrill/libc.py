"""The C library's system calls with what they take: the kernel's answer to wrong arguments is looked at too."""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
from typing import NamedTuple

from harness.packetdrill.expressions import Anything

LIBC = ctypes.CDLL(None, use_errno=True)

for _name in ("read", "write", "recv", "send", "recvfrom", "sendto", "readv", "writev", "sendmsg", "recvmsg"):
    getattr(LIBC, _name).restype = ctypes.c_ssize_t
LIBC.sendfile.restype = LIBC.splice.restype = ctypes.c_ssize_t

_MOST = 64 << 20  # no script sends more at once


class PollDescriptor(ctypes.Structure):
    """struct pollfd."""

    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


class Address(NamedTuple):
    """A struct sockaddr_in or sockaddr_in6."""

    octets: bytes

    @property
    def size(self) -> int:
        """Its length."""
        return len(self.octets)


def address(host: str, port: int) -> Address:
    """The structure of an address of either version and a port."""
    parsed = ipaddress.ip_address(host)
    if parsed.version == 4:
        return Address(struct.pack("@H", socket.AF_INET) + struct.pack("!H4s8x", port, parsed.packed))
    return Address(struct.pack("@H", socket.AF_INET6) + struct.pack("!HI16sI", port, 0, parsed.packed, 0))


def s32(value: object) -> int:
    """A number as an int of C has it.

    Raises:
        TypeError: it is none.
        ValueError: it does not fit.
    """
    if not isinstance(value, int):
        raise TypeError("a number has to stand where something else does")
    if not -(2**31) <= value < 2**32:
        raise ValueError(f"{value} does not fit into 32 bits")
    return (value + 2**31) % 2**32 - 2**31


def buffer(given: object, count: object) -> ctypes.Array[ctypes.c_char] | None:
    """Zeros for three dots, nothing for NULL.

    Raises:
        TypeError: something else stands there.
    """
    if isinstance(given, Anything):
        return ctypes.create_string_buffer(max(1, min(s32(count), _MOST)))
    if given == 0:
        return None
    raise TypeError("a buffer is ... or NULL")
