"""Segments and ICMP errors as packetdrill writes them, and what of them its language lacks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from harness.program.steps import Expect, Made, Value, referred
from harness.program.values import decoded
from harness.tcp.options import Option, encode_option
from harness.tcp.pattern import Between, Pattern
from harness.tcp.segment import ACK, Flags, Segment, format_flags

TIMES = ("within", "at_least", "after")
"""What an expectation names of its time."""

_KINDS = {"opt 19": "md5", "opt 34": "FO"}
"""Options that it has a name for and that are bytes here."""

_ICMP: Mapping[str, tuple[str, str]] = {
    "net unreachable": ("unreachable net_unreachable", "unreachable net_unreachable"),
    "host unreachable": ("unreachable host_unreachable", "unreachable address_unreachable"),
    "protocol unreachable": ("unreachable protocol_unreachable", "parameter_problem unknown_next_header"),
    "port unreachable": ("unreachable port_unreachable", "unreachable port_unreachable"),
    "packet too big": ("unreachable frag_needed", "packet_too_big"),
    "source route failed": ("unreachable source_route_failed", ""),
    "prohibited": ("unreachable packet_filtered", "unreachable admin_prohibited"),
    "source quench": ("source_quench", ""),
    "time exceeded": ("time_exceeded", "time_exceeded exceeded_hop_limit"),
    "reassembly time exceeded": ("", "time_exceeded exceeded_frag_time"),
    "parameter problem": ("parameter_problem", "parameter_problem header_field"),
}
"""ICMP errors over IPv4 and IPv6 by our name; empty where packetdrill has no code for it."""


def flags_text(flags: int) -> str:
    """The letters of the flags; that of ACK is the last one there."""
    letters = format_flags(flags)
    return letters.replace(".", "") + "." if flags & ACK else letters


def fault(segment: Segment) -> str:
    """What of a segment packetdrill cannot send; empty for nothing."""
    told = (
        ("a checksum of one's own", segment.checksum is not None),
        ("a data offset of one's own", segment.data_offset is not None),
        ("reserved bits", bool(segment.reserved)),
        ("raw option bytes", segment.raw_options is not None),
        ("an option that it does not know", any(_option(one) is None for one in segment.options)),
        ("numbers that begin anew inside of it", segment.end < segment.seq),
        ("a flow label", bool(segment.flow_label)),
    )
    return ", ".join(what for what, wrong in told if wrong)


def inbound(segment: Segment) -> str:
    """A segment that packetdrill is to send, see ``fault``."""
    text = f"{flags_text(segment.flags)} {segment.seq}:{segment.end}({len(segment.data)})"
    text += f" ack {segment.ack}" if segment.flags & ACK else ""
    text += f" win {segment.window}"
    text += f" urg {segment.urgent}" if segment.urgent else ""
    return text + (f" <{options_text(segment.options)}>" if segment.options else "")


def seconds(ns: int) -> str:
    """A time as a script has it."""
    return f"{ns / 1e9:.6f}".rstrip("0").rstrip(".")


def stamps(seen: Segment | None) -> list[int]:
    """The timestamp that a segment of the kernel's has in the script, if it has one."""
    shown = seen is not None and seen_options(seen) != "..."
    return [seen.timestamp] if shown and seen is not None else []


def echoing(segment: Segment, shown: Sequence[int]) -> Segment:
    """The segment with an echo that packetdrill can translate: the last that was shown, where its own was not."""
    stamp = segment.option("TS")
    if stamp is None or not stamp.values or not shown or not segment.flags & ACK or stamp.values[1] in shown:
        return segment
    known = Option("TS", (stamp.values[0], shown[-1]))
    return msgspec.structs.replace(segment, options=tuple(known if one is stamp else one for one in segment.options))


def options_text(options: tuple[Option, ...]) -> str:
    """Options; packetdrill does not pad them to whole words by itself."""
    missing = -sum(len(encode_option(one)) for one in options) % 4
    return ",".join([*(_option(one) or str(one) for one in options), *("eol",) * missing])


def _option(one: Option) -> str | None:
    if not one.name.startswith("opt "):
        return str(one)
    name = _KINDS.get(one.name)
    return f"{name} {one.raw.hex()}".strip() if name else None


def unsaid(pattern: Pattern) -> Iterator[str]:
    """What a scenario demands of a segment and packetdrill does not look at."""
    fields = (("seq", pattern.seq), ("ack", pattern.ack), ("window", pattern.window), ("length", pattern.length))
    for name, value in fields:
        if isinstance(value, Between):
            yield f"any {name} of {value}; it was the one below"
    if pattern.options or pattern.without:
        yield f"of its options: <{pattern.options}>, and not <{pattern.without}>"
    if pattern.flow_label is not None:
        yield f"flow label {pattern.flow_label}"
    if pattern.data:
        yield f"its data: {pattern.data!r}"


def outbound(pattern: Pattern, seen: Segment | None) -> str:
    """What packetdrill is to expect: what the pattern leaves open is as it was seen."""
    seq = pattern.seq if isinstance(pattern.seq, int) else seen.seq if seen else 0
    length = pattern.length if isinstance(pattern.length, int) else len(seen.data) if seen else 0
    flags = seen.flags if seen else pattern.flags
    text = f"{flags_text(flags)} {seq}:{(seq + length) % 2**32}({length})"
    if flags & ACK:
        text += f" ack {pattern.ack if isinstance(pattern.ack, int) else seen.ack if seen else 0}"
    if isinstance(pattern.window, int):
        text += f" win {pattern.window}"
    return f"{text} <{seen_options(seen)}>"


def seen_options(seen: Segment | None) -> str:
    """The options as they were seen with timestamps, for later ones echo them; all others may be any."""
    stamped = seen is not None and seen.option("TS") and not any(_option(one) is None for one in seen.options)
    return options_text(seen.options) if seen is not None and stamped else "..."


def icmp(kind: str, about: Segment, mtu: int, version: int) -> str:
    """An ICMP error about a segment of the kernel's; empty where packetdrill has none of that kind."""
    name = _ICMP.get(kind, ("", ""))[version == 6]
    size = f" mtu {mtu}" if mtu else ""
    return f"icmp {name}{size} [{about.seq}:{about.end}({len(about.data)})]" if name else ""


def pattern_of(step: Expect) -> Pattern | None:
    """The one segment that a step expects; None where it expects something else."""
    flags = _value(step.args[0]) if step.args else None
    if not isinstance(flags, Flags):
        return None
    fields = {name: _value(value) for name, value in _said_now(step.named).items() if name not in TIMES}
    return Pattern(flags, **fields)  # type: ignore[arg-type]  # as the scenario gave them


def alternatives(step: Expect) -> dict[str, Pattern]:
    """The declared answers of a step by their names."""
    found = {name: one for name, one in step.named.items() if isinstance(one, Made)}
    live = {name: _value(Made(one.kind, _said_now(one.fields))) for name, one in found.items()}
    return {name: one for name, one in live.items() if isinstance(one, Pattern)}


def _value(value: Value) -> object:
    return decoded(value, str)


def _said_now(fields: Mapping[str, Value]) -> dict[str, Value]:
    return {name: one for name, one in fields.items() if not any(referred(one))}


def said_later(step: Expect) -> Iterator[str]:
    """The demands that rest on what an earlier step gives when the program runs."""
    seen = step.named.get(str(step.result))
    for name, one in (seen.fields if isinstance(seen, Made) else step.named).items():
        if any(referred(one)):
            yield f"{name} {_value(one)}"
