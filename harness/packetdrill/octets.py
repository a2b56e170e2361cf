"""A script's TCP options and flags as they are on the wire, and those of the wire as a script has them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from harness.packetdrill.script import OptionSpec, TcpPacket
from harness.tcp.options import Option, encode_option
from harness.tcp.segment import Flags, format_flags

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

_TS, _SACK = 8, 5
_KINDS = {"eol": 0, "nop": 1, "mss": 2, "wscale": 3, "sackOK": 4, "sack": _SACK, "TS": _TS, "md5": 19, "FO": 34}
_WIDTHS = {"mss": 2, "wscale": 1, "sack": 4, "TS": 4}
_EXPERIMENT, _FAST_OPEN_MAGIC = 254, b"\xf9\x89"  # RFC 7413 4.1.1
_ACCURATE_ECN = {"e0b": 172, "e1b": 174}  # RFC 9768 3.2.3, by the counter that comes first


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
    return b"".join(map(_encoded, options))


def _encoded(option: OptionSpec) -> bytes:
    match option.name:
        case "eol" | "nop":
            return bytes((_KINDS[option.name],))
        case "ECN":
            first = option.counters[0] if option.counters else "e0b"
            body = b"".join((number % (1 << 24)).to_bytes(3) for number in option.numbers)
            return bytes((_ACCURATE_ECN[first], 2 + len(body))) + body
        case "FOEXP":
            return bytes((_EXPERIMENT, 4 + len(option.octets))) + _FAST_OPEN_MAGIC + option.octets
        case "FO" | "md5":
            return bytes((_KINDS[option.name], 2 + len(option.octets))) + option.octets
        case _:
            width = _WIDTHS.get(option.name, 0)
            body = b"".join((number % (1 << 8 * width)).to_bytes(width) for number in option.numbers)
            return bytes((_KINDS[option.name], 2 + len(body))) + body


def shifted(options: Iterable[Option], by: int) -> tuple[Option, ...]:
    """Options of the wire, their blocks of SACK counted from elsewhere."""

    def move(option: Option) -> Option:
        if option.name != "sack":
            return option
        return Option("sack", tuple((value + by) % (1 << 32) for value in option.values))

    return tuple(map(move, options))


def split(octets: bytes) -> list[tuple[int, bytes]]:
    """Kind and whole octets of each option, up to one that does not fit."""
    found: list[tuple[int, bytes]] = []
    while octets:
        length = 1 if octets[0] < 2 else octets[1] if len(octets) > 1 else 0
        if not 0 < length <= len(octets):
            return [*found, (octets[0], octets)]
        found.append((octets[0], octets[:length]))
        octets = octets[length:]
    return found


def options_differ(wanted: Iterable[OptionSpec], seen: Iterable[Option]) -> bool:
    """Whether the kernel's options are others than the script's; values of timestamps are not looked at here."""
    left, right = split(encoded(wanted)), [pair for one in seen for pair in split(encode_option(one))]
    if [kind for kind, _ in left] != [kind for kind, _ in right]:
        return True
    return any(one != other for one, other in zip(left, right, strict=True) if one[0] != _TS)


def timestamp(options: Iterable[OptionSpec]) -> tuple[int, int] | None:
    """Value and echo of a script's timestamp."""
    for option in options:
        if option.name == "TS":
            return option.numbers[0] % (1 << 32), option.numbers[1] % (1 << 32)
    return None
