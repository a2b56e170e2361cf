"""What a session and the process that forwards its frames say to each other, and how. Pure but for the socket."""

from __future__ import annotations

import socket
import struct

import msgspec

from harness.path.rules import AnyRule, Side

_LENGTH = struct.Struct("=I")
PIECE = 1 << 20


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """Forward for a new lab; its four sockets come with it: two that capture, two that send, client's side first.

    ``markers`` are the neighbour requests to send to the client and to the server. ``processor`` is the one to stay
    on, so that frames arrive in the order in which they were sent (see ``netns.processor``). Answered with an empty
    ``Told`` once all that comes is forwarded.
    """

    markers: tuple[bytes, bytes]
    processor: int


class SetRule(msgspec.Struct, frozen=True, tag="rule"):
    """State a rule, or state it anew; answered with an empty ``Told`` once it holds."""

    number: int
    rule: AnyRule


class Release(msgspec.Struct, frozen=True, tag="release"):
    """Forward what a rule holds, and hold no more; answered with an empty ``Told``."""

    number: int


class Collect(msgspec.Struct, frozen=True, tag="collect"):
    """Tell what happened since the last time; with ``wait`` as soon as something did."""

    wait: bool = False


class Enough(msgspec.Struct, frozen=True, tag="enough"):
    """Answer a waiting ``Collect`` now."""


class Mark(msgspec.Struct, frozen=True, tag="mark"):
    """Tell what happened up to now, once both kernels have dealt with all that was forwarded to them."""


class Finish(msgspec.Struct, frozen=True, tag="end"):
    """Stop forwarding; tell what is left, and what is wrong with the rules."""


Request = Begin | SetRule | Release | Collect | Enough | Mark | Finish


class Came(msgspec.Struct, frozen=True, tag="came", array_like=True):
    """A frame arrived at the path; ``at`` is the kernel's stamp, ns since the epoch."""

    number: int
    at: int
    side: Side
    data: bytes


class Fated(msgspec.Struct, frozen=True, tag="fated", array_like=True):
    """What became of it, and the number of the rule behind that."""

    number: int
    fate: str
    rule: int


class Left(msgspec.Struct, frozen=True, tag="left", array_like=True):
    """It left the path, as stamped by the kernel."""

    number: int
    at: int


Entry = Came | Fated | Left


class Told(msgspec.Struct, frozen=True):
    """The answer to ``Collect``, ``Mark`` and ``Finish``; ``lost`` counts the frames that came too fast to be taken."""

    entries: list[Entry] = []
    complaints: list[str] = []
    lost: int = 0


def send(connection: socket.socket, message: msgspec.Struct, descriptors: tuple[int, ...] = ()) -> None:
    """Send a message whole, with file descriptors where it takes some.

    Raises:
        OSError: the other end is gone.
    """
    body = msgspec.msgpack.encode(message)
    content = _LENGTH.pack(len(body)) + body
    if descriptors:
        sent = socket.send_fds(connection, [content], list(descriptors))
        content = content[sent:]
    if content:
        connection.sendall(content)


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """A whole message and the file descriptors that came with it; empty when the other end is gone."""
    content, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 4)
    if len(content) < _LENGTH.size:
        return b"", descriptors
    left = _LENGTH.unpack(content)[0]
    parts: list[bytes] = []
    while left:
        part = connection.recv(min(left, PIECE))
        if not part:
            return b"", descriptors
        parts.append(part)
        left -= len(part)
    return b"".join(parts), descriptors
