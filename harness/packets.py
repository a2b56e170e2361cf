"""Packet sockets with the kernel's own nanosecond stamps (packet(7), SO_TIMESTAMPNS)."""

from __future__ import annotations

import socket

ETH_P_ALL = 3
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h: the variant with the libc's own struct timespec
_BUFFER = 4 << 20


def packet_socket(device: str, protocol: int, buffer: int = _BUFFER) -> socket.socket:
    """A packet socket on a device of this thread's namespace: with protocol 0 to send, else to capture with stamps."""
    # bound afterwards: a socket that listens to everything at once, even for a moment, costs a grace period
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    if protocol:
        made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        _set_buffer(made, buffer)
    made.bind((device, protocol))
    return made


def _set_buffer(made: socket.socket, size: int) -> None:
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:  # in a user namespace: no more than net.core.rmem_max
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def keep_stamping() -> socket.socket:
    """A socket that keeps the kernel stamping frames as long as it is open; hold it for the whole process.

    The kernel switches stamping on and off in its own time (net_enable_timestamp, net/core/dev.c); a frame that
    passes before gets the time at which it is read.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    return made
