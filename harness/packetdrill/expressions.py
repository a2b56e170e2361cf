"""What stands as an argument, as a result or around a packet in a packetdrill script, as frozen records. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that stands at a place of a script."""

    line: int
    column: int


class Number(Node, frozen=True, kw_only=True, tag="number"):
    """A whole number, written in decimal or after ``0x``."""

    value: int


class Word(Node, frozen=True, kw_only=True, tag="word"):
    """The name of a constant, such as ``SOCK_STREAM``; who calls knows its value."""

    name: str


class Text(Node, frozen=True, kw_only=True, tag="text"):
    """A text between quotation marks, its escapes as written; several in a row are one.

    Args:
        goes_on: three dots follow it.
    """

    value: str
    goes_on: bool = False


class Anything(Node, frozen=True, kw_only=True, tag="anything"):
    """Three dots: an argument that the interpreter makes, or a result that is not looked at."""


class InternetAddress(Node, frozen=True, kw_only=True, tag="address"):
    """``inet_addr("...")`` (version 4) or ``inet6_addr("...")`` (version 6)."""

    version: Literal[4, 6]
    value: str


class PortNumber(Node, frozen=True, kw_only=True, tag="port"):
    """``htons(...)``: a port as the machine counts, not in the order of the network."""

    value: Expression


class BitOr(Node, frozen=True, kw_only=True, tag="or"):
    """``left | right``."""

    left: Expression
    right: Expression


class NamedValue(Node, frozen=True, kw_only=True, tag="named"):
    """``name = value`` in a list that is not one of the structures below, as in those of TCP_INFO."""

    name: str
    value: Expression


class Array(Node, frozen=True, kw_only=True, tag="array"):
    """``[a, b]``."""

    items: tuple[Expression, ...] = ()


class Braced(Node, frozen=True, kw_only=True, tag="braced"):
    """``{a, b}`` that is none of the structures below."""

    items: tuple[Expression, ...] = ()


class Structure(Node, frozen=True, kw_only=True, tag="structure"):
    """A C structure by its fields, in the order in which they were written.

    ==================== =============================================================================================
    kind                 fields
    ==================== =============================================================================================
    sockaddr             sa_family, sin_port (PortNumber), sin_addr (InternetAddress or Anything)
    msghdr               msg_name, msg_iov (Array of iovec), msg_flags, msg_control (Array of cmsg, or not there)
    iovec                iov_base (Anything), iov_len
    cmsg                 cmsg_level, cmsg_type, cmsg_data
    scm_timestamping     scm_sec, scm_nsec
    sock_extended_err    ee_errno, ee_origin, ee_type, ee_code, ee_info, ee_data
    pollfd               fd, events, revents (not there: 0)
    epoll_event          events, and one of fd, ptr, u32, u64
    linger               onoff, linger
    ==================== =============================================================================================

    Args:
        counted: what stands in parentheses behind a field's name, as the number of ``msg_iov(2)``.
    """

    kind: str
    fields: dict[str, Expression]
    counted: dict[str, Expression] = {}


class MplsLabel(Node, frozen=True, kw_only=True):
    """One entry of a stack: ``(label 1, tc 2, [S], ttl 3)``."""

    label: int
    traffic_class: int
    bottom: bool
    ttl: int


class MplsStack(Node, frozen=True, kw_only=True, tag="mpls"):
    """MPLS labels around a packet, or as an argument; the outermost first."""

    labels: tuple[MplsLabel, ...]


class GreHeader(Node, frozen=True, kw_only=True, tag="gre"):
    """GRE (RFC 2784, RFC 2890) around a packet, or as an argument.

    Args:
        flags: the first sixteen bits: 0x8000 checksum, 0x2000 key, 0x1000 sequence number.
    """

    flags: int = 0
    checksum: int = 0
    offset: int = 0
    key: int = 0
    sequence: int = 0


Expression = (
    Number
    | Word
    | Text
    | Anything
    | InternetAddress
    | PortNumber
    | BitOr
    | NamedValue
    | Array
    | Braced
    | Structure
    | MplsStack
    | GreHeader
)
"""What stands as an argument or as a result."""
