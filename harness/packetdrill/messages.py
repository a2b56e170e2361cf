"""struct msghdr of a script: buffers, and control messages as they have to come. Also the values of socket options."""

from __future__ import annotations

import ctypes
import socket
import struct

from harness.errors import Unsupported
from harness.packetdrill.constants import Value, constant, number_of, value_of
from harness.packetdrill.encapsulation import label_octets
from harness.packetdrill.expressions import (
    Array,
    Expression,
    GreHeader,
    InternetAddress,
    MplsStack,
    NamedValue,
    Structure,
)
from harness.packetdrill.libc import Address, s32
from harness.wire.msghdr import IoVector, MessageHeader

_CONTROL = 2000
_HEADER = struct.Struct("@QII") if ctypes.sizeof(ctypes.c_size_t) == 8 else struct.Struct("@III")
_SOCKADDR = {socket.IPPROTO_IP: 16, socket.IPPROTO_IPV6: 28}
_ERRORS = {(socket.IPPROTO_IP, constant("IP_RECVERR")), (socket.IPPROTO_IPV6, constant("IPV6_RECVERR"))}
_STAMPS, _STATISTICS = constant("SCM_TIMESTAMPING"), constant("SCM_TIMESTAMPING_OPT_STATS")
_ERROR_FIELDS = ("ee_errno", "ee_origin", "ee_type", "ee_code", "ee_info", "ee_data")
_TIMED = {constant(f"TCP_NLA_{name}") for name in ("BUSY", "RWND_LIMITED", "SNDBUF_LIMITED")}  # in us
# tcp_get_timestamping_opt_stats, net/ipv4/tcp.c; all others have four octets
_OF_EIGHT = ("DATA_SEGS_OUT", "TOTAL_RETRANS", "PACING_RATE", "DELIVERY_RATE", "BYTES_SENT", "BYTES_RETRANS")
_OF_ONE = ("RECUR_RETRANS", "DELIVERY_RATE_APP_LMT", "CA_STATE")
_WIDTHS = (
    dict.fromkeys(_TIMED, 8)
    | {constant(f"TCP_NLA_{name}"): 8 for name in _OF_EIGHT}
    | {constant(f"TCP_NLA_{name}"): 1 for name in _OF_ONE}
)


def vectors(given: Value) -> ctypes.Array[IoVector]:
    """The buffers of an array of struct iovec.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(given, list):
        raise TypeError("buffers stand between brackets")
    sizes = [number_of(one.fields["iov_len"]) for one in given if isinstance(one, Structure)]
    rooms = [ctypes.create_string_buffer(max(1, size)) for size in sizes]
    made = (IoVector * len(sizes))()
    for vector, room, size in zip(made, rooms, sizes, strict=True):
        vector.base, vector.length = ctypes.addressof(room), size
    made.rooms = rooms  # type: ignore[attr-defined]  # the array has to keep them
    return made


def option_octets(given: Value) -> bytes | None:
    """The octets of an option's value; None for NULL.

    Raises:
        Unsupported: a kind of value that is not taken.
    """
    octets: bytes | None = None
    match given:
        case bytes():
            octets = given + b"\0"
        case int():
            octets = None if given == 0 else struct.pack("@i", s32(given))
        case [one]:
            octets = struct.pack("@i", s32(one))
        case Structure(kind="linger", fields=fields):
            octets = struct.pack("@ii", number_of(fields["onoff"]), number_of(fields["linger"]))
        case InternetAddress(version=version, value=text):
            octets = socket.inet_pton(socket.AF_INET if version == 4 else socket.AF_INET6, text)
        case GreHeader():
            octets = struct.pack("!HxxHHII", given.flags, given.checksum, given.offset, given.key, given.sequence)
        case MplsStack():
            octets = b"".join(map(label_octets, given.labels))
        case _:
            raise Unsupported(f"a value of an option such as {type(given).__name__} is not taken")
    return octets


class Message:
    """One struct msghdr, ready for a call, with what has to stand in it afterwards."""

    def __init__(self, given: Value) -> None:
        if not isinstance(given, Structure):
            raise TypeError("a message is a structure")
        fields = given.fields
        listed = fields.get("msg_iov")
        self._vectors = vectors(value_of(listed)) if listed is not None else (IoVector * 0)()
        if "msg_iov" in given.counted and number_of(given.counted["msg_iov"]) != len(self._vectors):
            raise ValueError("msg_iov has another number of buffers than it announces")
        self.named = "msg_name" in fields
        self.flags = number_of(fields["msg_flags"]) if "msg_flags" in fields else 0
        self._header = MessageHeader()
        self._header.vectors, self._header.vector_count = self._vectors, len(self._vectors)
        self._room = ctypes.create_string_buffer(128)
        if self.named:
            self._header.name, self._header.name_length = ctypes.addressof(self._room), len(self._room)
        control = fields.get("msg_control")
        self._due = [one for one in control.items if isinstance(one, Structure)] if isinstance(control, Array) else []
        self._control = ctypes.create_string_buffer(_CONTROL)
        if control is not None:
            self._header.control = ctypes.addressof(self._control)
            self._header.control_length = sum(_space(len(_expected(one))) for one in self._due)
            octets = b"".join(map(_encoded, self._due))
            ctypes.memmove(self._control, octets, len(octets))

    @property
    def reference(self) -> object:
        """For the call."""
        return ctypes.byref(self._header)

    def name(self, to: Address) -> None:
        """Whom it goes to."""
        ctypes.memmove(self._room, to.octets, to.size)
        self._header.name_length = to.size

    def complaint(self, start: int, tolerance_ns: int) -> str:
        """What came otherwise than it has to; empty for nothing.

        Args:
            start: of the script, ns since the epoch.
            tolerance_ns: how far stamps may be off.
        """
        if self._header.flags != self.flags:
            return f"msg_flags is {self._header.flags:#x}, not {self.flags:#x}"
        came, octets = [], self._control.raw[: self._header.control_length]
        while len(octets) >= _HEADER.size:
            length, level, kind = _HEADER.unpack_from(octets)
            if length < _HEADER.size:
                break
            came.append((level, kind, octets[_HEADER.size : length]))
            octets = octets[-(-length // 8) * 8 :]
        if len(came) != len(self._due):
            return f"{len(came)} control messages, not {len(self._due)}"
        for number, (due, seen) in enumerate(zip(self._due, came, strict=True), 1):
            if wrong := _differs(due, seen, start, tolerance_ns):
                return f"control message {number}: {wrong}"
        return ""


def _space(size: int) -> int:
    return -(-(_HEADER.size + size) // 8) * 8


def _encoded(message: Structure) -> bytes:
    body = _expected(message)
    fields = message.fields
    header = _HEADER.pack(_HEADER.size + len(body), number_of(fields["cmsg_level"]), number_of(fields["cmsg_type"]))
    return (header + body).ljust(_space(len(body)), b"\0")


def _expected(message: Structure) -> bytes:
    """The octets of a control message's data; of statistics, those that stand there."""
    data = message.fields["cmsg_data"]
    if isinstance(data, Structure) and data.kind == "scm_timestamping":
        seconds, rest = number_of(data.fields["scm_sec"]), number_of(data.fields["scm_nsec"])
        return struct.pack("@qqqqqq", seconds, rest, 0, 0, 0, 0)
    if isinstance(data, Structure) and data.kind == "sock_extended_err":
        level = number_of(message.fields["cmsg_level"])
        number, *small, info, more = (number_of(data.fields[name]) for name in _ERROR_FIELDS)
        head = struct.pack("@IBBBxII", number % 2**32, *(one % 256 for one in small), info % 2**32, more % 2**32)
        return head + bytes(_SOCKADDR.get(level, 28))
    if isinstance(data, Array):
        return b"".join(_attribute(one) for one in data.items)
    return struct.pack("@i", s32(number_of(data)))


def _attribute(named: Expression) -> bytes:
    if not isinstance(named, NamedValue):
        raise TypeError("statistics are NAME=value")
    kind, value = _kind(named), value_of(named.value)
    width = _WIDTHS.get(kind, 4)
    number = value if isinstance(value, int) else 2**32 - 1
    body = (number % (1 << 8 * width)).to_bytes(width, "little")
    return (struct.pack("@HH", 4 + width, kind) + body).ljust(-(-(4 + width) // 4) * 4, b"\0")


def _kind(named: NamedValue) -> int:
    return constant(named.name, named.line)


def _differs(due: Structure, seen: tuple[int, int, bytes], start: int, tolerance_ns: int) -> str:
    level, kind, came = seen
    wanted = _expected(due)
    place = number_of(due.fields["cmsg_level"]), number_of(due.fields["cmsg_type"])
    if (level, kind) != place:
        return f"level {level} and type {kind}, not {place[0]} and {place[1]}"
    if len(came) != len(wanted):
        return f"{len(came)} octets, not {len(wanted)}"
    if place in _ERRORS:
        right, left = struct.unpack_from("@IBBBxII", wanted), struct.unpack_from("@IBBBxII", came)
        return "" if left == right else f"the error {left}, not {right}"
    if place == (socket.SOL_SOCKET, _STAMPS):
        return _stamp(wanted, came, start, tolerance_ns)
    if place == (socket.SOL_SOCKET, _STATISTICS):
        return _statistics(due.fields["cmsg_data"], came, tolerance_ns)
    return "" if came == wanted else f"{came.hex()}, not {wanted.hex()}"


def _stamp(wanted: bytes, came: bytes, start: int, tolerance_ns: int) -> str:
    seconds, rest = struct.unpack_from("@qq", wanted)
    if not seconds and not rest:
        return ""
    live = struct.unpack_from("@qq", came)
    off = live[0] * 10**9 + live[1] - start - seconds * 10**9 - rest
    return "" if abs(off) <= tolerance_ns else f"a stamp that is off by {off / 1e6:.3f} ms"


def _statistics(given: Expression, came: bytes, tolerance_ns: int) -> str:
    for one in given.items if isinstance(given, Array) else ():
        if not isinstance(one, NamedValue):
            continue
        length, kind = struct.unpack_from("@HH", came)
        body, came = came[4:length], came[-(-length // 4) * 4 :]
        if kind != _kind(one):
            return f"attribute {kind}, not {one.name}"
        wanted, seen = value_of(one.value), int.from_bytes(body, "little")
        near = kind in _TIMED and isinstance(wanted, int) and wanted and abs(seen - wanted) * 1000 <= tolerance_ns
        if isinstance(wanted, int) and seen != wanted and not near:
            return f"{one.name} is {seen}, not {wanted}"
    return ""
