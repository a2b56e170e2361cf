"""A script's TCP options and flags as they are on the wire, and those of the wire as a script has them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from harness.packetdrill.script import OptionSpec, TcpPacket
from harness.tcp.options import Option, encode_option
from harness.tcp.segment import Flags, add, format_flags

_FLAGS = {
    ".": Flags.ACK,
    "F": Flags.FIN,
    "S": Flags.SYN,
    "R": Flags.RST,
    "P": Flags.PSH,
    "E": Flags.ECE,
    "W": Flags.CWR,
    "A": Flags.AE,
    "U": Flags.URG,
}
_ACE = ((4, Flags.AE), (2, Flags.CWR), (1, Flags.ECE))
ACE = Flags.AE | Flags.CWR | Flags.ECE
"""The flags that Accurate ECN counts with (RFC 9768 2.1)."""

_RAW = {"md5": "opt 19", "FO": "opt 34", "FOEXP": "opt 254"}
_FAST_OPEN_MAGIC = b"\xf9\x89"  # RFC 7413 4.1.1
_ACCURATE_ECN = {"e0b": "opt 172", "e1b": "opt 174"}  # RFC 9768 3.2.3, by the counter that comes first


def flags_of(packet: TcpPacket) -> int:
    """The flags of a segment, those of its counter of Accurate ECN too."""
    return _bits(packet.flags, packet.ace or 0)


@cache
def _bits(letters: str, ace: int) -> int:
    return sum(_FLAGS[letter] for letter in set(letters)) | sum(flag for bit, flag in _ACE if ace & bit)


def flags_text(flags: int, counted: bool) -> str:
    """Flags as a script has them, as a counter where it counts."""
    if not counted:
        return format_flags(flags)
    count = sum(bit for bit, flag in _ACE if flags & flag)
    return (format_flags(flags & ~ACE).replace("-", "") if flags & ~ACE else "") + str(count)


def encoded(options: Iterable[OptionSpec]) -> bytes:
    """The octets of options in their order, nothing added."""
    return b"".join(encode_option(_live(one)) for one in options)


def _live(option: OptionSpec) -> Option:
    if option.name == "ECN":
        first = option.counters[0] if option.counters else "e0b"
        return Option(_ACCURATE_ECN[first], raw=b"".join(number.to_bytes(3) for number in option.numbers))
    if option.name in _RAW:
        magic = _FAST_OPEN_MAGIC if option.name == "FOEXP" else b""
        return Option(_RAW[option.name], raw=magic + option.octets)
    return Option(option.name, option.numbers)


def shifted(options: Iterable[Option], by: int) -> tuple[Option, ...]:
    """Options of the wire, their blocks of SACK counted from elsewhere."""

    def move(option: Option) -> Option:
        if option.name != "sack":
            return option
        return Option("sack", tuple(add(value, by) for value in option.values))

    return tuple(map(move, options))


def options_differ(wanted: Iterable[OptionSpec], seen: Iterable[Option]) -> bool:
    """Whether the kernel's options are others than the script's; values of timestamps are not looked at here."""
    return _without_stamps(map(_live, wanted)) != _without_stamps(seen)


def _without_stamps(options: Iterable[Option]) -> list[Option]:
    return [Option("TS") if one.name == "TS" else one for one in options]


def timestamp(options: Iterable[OptionSpec]) -> tuple[int, int] | None:
    """Value and echo of a script's timestamp."""
    for option in options:
        if option.name == "TS":
            return option.numbers[0], option.numbers[1]
    return None
