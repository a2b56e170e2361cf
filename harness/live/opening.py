"""How connections are opened: TCP sockets in a namespace, bound or not, and the options of the peer's SYN."""

from __future__ import annotations

import errno
import socket

from harness.errors import FinwaitError
from harness.live.syscalls import errno_name
from netns.enter import Namespace

SYN_OPTIONS = "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7"
"""What the peer offers when it opens a connection, or takes when it is opened; what most systems do."""

SYN_OPTIONS_WITHOUT_TIMESTAMPS = "mss 1460,nop,nop,sackOK,nop,wscale 7"


def open_unbound(namespace: Namespace, version: int, *, reuse: bool = True) -> socket.socket:
    """A TCP socket in the namespace, with SO_REUSEADDR unless ``reuse`` is False."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with namespace.entered():
        made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
    return made


def open_socket(namespace: Namespace, version: int, address: str, port: int, *, reuse: bool = True) -> socket.socket:
    """A bound TCP socket in the namespace; see ``open_unbound``.

    Raises:
        FinwaitError: the port is in use, or the kernel has no such protocol.
    """
    made = open_unbound(namespace, version, reuse=reuse)
    try:
        made.bind((address, port))
    except OSError as error:
        made.close()
        raise FinwaitError(
            f"port {port} of the kernel under test cannot be bound ({errno_name(error)})",
            why="another socket of this lab has it" if error.errno == errno.EADDRINUSE else "the kernel refuses it",
            hint="another port, or port=0 for any",
        ) from error
    return made
