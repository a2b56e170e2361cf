"""What a scenario expects of a segment, and where a seen one differs from it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import NamedTuple, TypedDict

from harness.errors import FinwaitError
from harness.tcp.options import Option, format_options, parse_options
from harness.tcp.segment import ACK, PSH, Flags, Segment, check_data, check_range, format_flags


@dataclass(frozen=True, slots=True)
class Between:
    """A range for a number, both ends included.

    Raises:
        FinwaitError: nothing lies in it.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise FinwaitError(f"no number lies in {self}", hint=f"Between({self.high}, {self.low})")

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"


ANY = Between(0, 2**32 - 1)
"""Any number at all."""

Number = int | Between


NO_ACK = "no ack"
"""What is seen of the number in a segment without ACK, whose field says nothing (RFC 9293 3.1)."""


class Difference(NamedTuple):
    """One field of a segment that is not as expected."""

    field: str
    expected: str
    seen: str

    def __str__(self) -> str:
        return f"{'' if self.seen == NO_ACK else f'{self.field}: '}{self.seen}, not {self.expected}"


def fits(expected: Number | None, seen: int) -> bool:
    """Whether a number is the expected one, lies in the expected range, or nothing was expected of it."""
    if expected is None:
        return True
    if isinstance(expected, Between):
        return expected.low <= seen <= expected.high
    return expected == seen


class PatternFields(TypedDict, total=False):
    """What else may be expected of a segment; see ``Pattern``."""

    window: Number
    data: bytes
    length: Number
    options: str
    without: str
    flow_label: Number


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a scenario expects of a segment: a field that is left out may have any value, except flags and length.

    The flags are exact; passing ``ack`` adds ACK. PSH counts only where the pattern names it, since a sender
    may set it as it likes (RFC 9293 3.9.1, MAY-15 to MAY-17). The length is 0 unless ``data`` or ``length`` is given.

    Args:
        flags: control bits.
        seq: relative sequence number, from -2**31 to 2**32 - 1, or a range.
        ack: relative acknowledgment number, likewise.
        window: the window field as on the wire, 0 to 65535, or a range.
        data: the payload, byte by byte.
        length: bytes of payload, or a range; ``ANY`` for any.
        options: options that must be there, such as ``mss 1460,TS``; a name alone stands for any value.
        without: names of options that must not be there.
        flow_label: of the IPv6 header around it, 0 to 2**20 - 1, or a range; with IPv4 it is 0.

    Raises:
        FinwaitError: a number does not fit its field or is none, data are not bytes, an option is unknown, or length
            and data disagree.
    """

    flags: Flags
    _: KW_ONLY
    seq: Number | None = None
    ack: Number | None = None
    window: Number | None = None
    data: bytes | None = None
    length: Number = 0
    options: str = ""
    without: str = ""
    flow_label: Number | None = None
    _present: tuple[Option, ...] = field(init=False, repr=False, compare=False)
    _absent: tuple[Option, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        put: Callable[[str, object], None] = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        put("_present", parse_options(self.options))
        put("_absent", parse_options(self.without))
        for name, bits in (("seq", 32), ("ack", 32), ("window", 16), ("flow_label", 20)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Between):
                put(name, check_range(name, value, bits))
        if self.ack is not None:
            put("flags", self.flags | ACK)
        if self.data is not None:
            check_data(self.data)
            if not fits(self.length or None, len(self.data)):
                raise FinwaitError(
                    f"length={self.length} does not fit data of {len(self.data)} bytes",
                    hint="leave out length, which follows from the data",
                )
            put("length", len(self.data))
        elif self.length is not None and not isinstance(self.length, Between):
            check_range("length", self.length, 16)

    def differences(self, segment: Segment) -> tuple[Difference, ...]:
        """Every field in which the segment is not as expected; empty where it matches."""
        found = [*self._flag_difference(segment), *self._ack_difference(segment)]
        numbers = (
            ("seq", self.seq, segment.seq),
            ("window", self.window, segment.window),
            ("length", self.length, len(segment.data)),
            ("flow label", self.flow_label, segment.flow_label),
        )
        found += [Difference(name, str(want), str(seen)) for name, want, seen in numbers if not fits(want, seen)]
        if self.data is not None and self.data != segment.data and len(self.data) == len(segment.data):
            found.append(Difference("data", repr(self.data), repr(segment.data)))
        return (*found, *self._option_differences(segment)) if self._present or self._absent else tuple(found)

    def _flag_difference(self, segment: Segment) -> tuple[Difference, ...]:
        different = self.flags ^ segment.flags
        if different == 0 or (different == PSH and not self.flags & PSH):
            return ()
        return (Difference("flags", format_flags(self.flags), format_flags(segment.flags)),)

    def _ack_difference(self, segment: Segment) -> tuple[Difference, ...]:
        acknowledges = bool(segment.flags & ACK)
        if self.ack is None or (acknowledges and fits(self.ack, segment.ack)):
            return ()
        return (Difference("ack", str(self.ack), str(segment.ack) if acknowledges else NO_ACK),)

    def _option_differences(self, segment: Segment) -> tuple[Difference, ...]:
        seen = f"<{format_options(segment.options)}>"
        missing = [
            Difference("options", str(option), seen)
            for option in self._present
            if not any(_option_fits(option, other) for other in segment.options)
        ]
        names = {option.name for option in segment.options}
        unwanted = [Difference("options", f"without {o.name}", seen) for o in self._absent if o.name in names]
        return (*missing, *unwanted)

    def matches(self, segment: Segment) -> bool:
        """Whether the segment is as expected."""
        return not self.differences(segment)

    def __str__(self) -> str:
        parts = [format_flags(self.flags)]
        parts.append(self._sequence_text())
        if self.ack is not None:
            parts.append(f"ack {self.ack}")
        if self.window is not None:
            parts.append(f"win {self.window}")
        if self.options or self.without:
            absent = [f"!{option.name}" for option in self._absent]
            parts.append(f"<{','.join([*map(str, self._present), *absent])}>")
        if self.flow_label is not None:
            parts.append(f"flow label {self.flow_label}")
        return " ".join(parts)

    def _sequence_text(self) -> str:
        length = "*" if self.length == ANY else str(self.length)
        if isinstance(self.seq, int) and isinstance(self.length, int):
            return f"{self.seq}:{(self.seq + self.length) % 2**32}({length})"
        return f"{'*' if self.seq is None else self.seq}({length})"


def _option_fits(expected: Option, seen: Option) -> bool:
    if expected.name != seen.name or (expected.raw and expected.raw != seen.raw):
        return False
    return not expected.values or expected.values == seen.values
