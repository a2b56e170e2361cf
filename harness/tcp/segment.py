"""Segments as people write them: flags, sequence numbers relative to the initial ones, options by name.

Pure. Sequence numbers count modulo 2**32 (RFC 9293 3.4). A number is *relative* when the sender's initial sequence
number was taken off, as Wireshark shows it: the SYN has 0, the first byte of data 1.
"""

from __future__ import annotations

import enum
from functools import cache

import msgspec

from harness.errors import FinwaitError
from harness.tcp.options import Option, format_options

SPACE = 2**32
"""How many sequence numbers there are."""

WRONG_CHECKSUM = -1
"""A checksum that is certain to be wrong: the right one, plus one."""


class Flags(enum.IntFlag):
    """The control bits of RFC 9293 3.1, with the values they have on the wire."""

    NONE = 0
    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20
    ECE = 0x40
    CWR = 0x80
    AE = 0x100

    # what is left of a comparison is a number: to look its flags up costs as much as the rest of taking a segment in
    __and__ = __rand__ = int.__and__  # type: ignore[assignment]
    __xor__ = __rxor__ = int.__xor__  # type: ignore[assignment]


NONE, FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (
    Flags.NONE,
    Flags.FIN,
    Flags.SYN,
    Flags.RST,
    Flags.PSH,
    Flags.ACK,
    Flags.URG,
    Flags.ECE,
    Flags.CWR,
)

# packetdrill's letters, in the order it prints them.
_LETTERS = (
    (Flags.SYN, "S"),
    (Flags.FIN, "F"),
    (Flags.RST, "R"),
    (Flags.PSH, "P"),
    (Flags.ACK, "."),
    (Flags.URG, "U"),
    (Flags.ECE, "E"),
    (Flags.CWR, "W"),
    (Flags.AE, "A"),
)


def add(number: int, step: int) -> int:
    """``number + step`` modulo 2**32."""
    return (number + step) % SPACE


def distance(start: int, end: int) -> int:
    """How far ``end`` lies after ``start``, from -2**31 (before) to 2**31 - 1 (after)."""
    return (end - start + 2**31) % SPACE - 2**31


def before(left: int, right: int) -> bool:
    """Whether ``left`` comes before ``right`` on the circle of sequence numbers (RFC 9293 3.4)."""
    return distance(left, right) > 0


def check_range(name: str, value: int, bits: int) -> int:
    """Give ``value`` back as it will stand in a field of ``bits`` bits.

    A 32-bit field also takes numbers from -2**31 on, which lie left of the initial sequence number.

    Raises:
        FinwaitError: the value does not fit.
    """
    lowest, size = -(2**31) if bits == 32 else 0, 1 << bits
    if isinstance(value, int) and lowest <= value < size:
        return value % size
    raise FinwaitError(
        f"{name}={value!r} does not fit",
        why=f"the field has {bits} bits",
        hint=f"a whole number from {lowest} to {(1 << bits) - 1}",
    )


def check_data(data: object) -> None:
    """Refuse a payload that is not bytes.

    Raises:
        FinwaitError: it is something else, such as a text.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        hint = f"data={data.encode()!r}" if isinstance(data, str) else 'bytes, such as b"hi"'
        raise FinwaitError(f"data={data!r} is no payload", why="a segment carries bytes", hint=hint)


@cache
def format_flags(flags: int) -> str:
    """packetdrill's letters for the flags; ``-`` where none is set."""
    return "".join(letter for flag, letter in _LETTERS if flags & flag) or "-"


class Segment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One TCP segment with relative numbers. Prints as packetdrill prints it.

    Args:
        flags: control bits, see ``Flags``.
        seq: relative sequence number, 0 to 2**32 - 1.
        ack: relative acknowledgment number; it is in the header whether or not ACK is set.
        window: the window field as on the wire, not scaled, 0 to 65535.
        data: the payload.
        options: in the order of the wire, padding included.
        urgent: the urgent pointer, 0 to 65535.
        checksum: None for the right one, ``WRONG_CHECKSUM`` for a wrong one; a number is put into the field as it is.
        data_offset: None for the right one; otherwise 0 to 15 words of 32 bits.
        reserved: the reserved bits of RFC 9293 3.1, except the one that RFC 9768 uses, 0 to 7.
        raw_options: bytes to send in place of ``options``, up to 40; padded to whole words when data_offset is None.
        flow_label: of the IPv6 header around it (RFC 6437), 0 to 2**20 - 1; 0 with IPv4, whose header has none. It is
            not printed: a kernel chooses another for every connection.
    """

    flags: int
    seq: int = 0
    ack: int = 0
    window: int = 65535
    data: bytes = b""
    options: tuple[Option, ...] = ()
    urgent: int = 0
    checksum: int | None = None
    data_offset: int | None = None
    reserved: int = 0
    raw_options: bytes | None = None
    flow_label: int = 0

    @property
    def end(self) -> int:
        """Relative number of the last byte plus one; SYN and FIN are not counted, as packetdrill prints it."""
        return add(self.seq, len(self.data))

    @property
    def next_seq(self) -> int:
        """The number that follows the segment: SYN and FIN take one each (RFC 9293 3.4)."""
        return add(self.end, bool(self.flags & SYN) + bool(self.flags & FIN))

    def option(self, name: str) -> Option | None:
        """The first option of that name, or None."""
        for option in self.options:
            if option.name == name:
                return option
        return None

    @property
    def timestamp(self) -> int:
        """The value of its timestamp option (RFC 7323 3.2), 0 without one: what the other side echoes."""
        stamp = self.option("TS")
        return stamp.values[0] if stamp and stamp.values else 0

    @property
    def brief(self) -> str:
        """Flags, sequence numbers, length and acknowledgment alone, in packetdrill's notation."""
        acknowledging = f" ack {self.ack}" if self.flags & ACK else ""
        return f"{format_flags(self.flags)} {self.seq}:{self.end}({len(self.data)}){acknowledging}"

    def __str__(self) -> str:
        text = f"{self.brief} win {self.window}"
        if self.flags & URG or self.urgent:
            text += f" urg {self.urgent}"
        if self.raw_options is not None:
            text += f" <raw {self.raw_options.hex()}>"
        elif self.options:
            text += f" <{format_options(self.options)}>"
        for name, value in (("checksum", self.checksum), ("offset", self.data_offset)):
            if value is not None:
                text += f" {name} {'wrong' if value == WRONG_CHECKSUM else f'{value:#x}'}"
        return text + (f" reserved {self.reserved:#x}" if self.reserved else "")
