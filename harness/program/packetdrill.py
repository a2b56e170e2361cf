"""Prints a program as a packetdrill script; what its language cannot say stands in a comment at its place. Pure.

The script is for packetdrill of May 2026. It knows one connection, one kernel, and segments without faults.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.program.steps import AnyStep, Enter, Expect, Fail, Judge, Leave, Octets, Open, Program, Send, Value, Wait
from harness.program.values import decoded
from harness.tcp.options import format_options
from harness.tcp.pattern import Between, Pattern
from harness.tcp.segment import ACK, Flags, Segment, format_flags
from harness.tcp.timing import PROMPT, QUIET, Span, span_of

_DESCRIPTORS = 3  # the first one of a script
_SHUT = ("SHUT_RD", "SHUT_WR", "SHUT_RDWR")


def packetdrill(program: Program, scenario: str) -> str:
    """The script of a program, which says in a comment whose it is."""
    head = [f"// {scenario}, as it ran, printed by finwait"]
    if program.topology != "session":
        return "\n".join(
            [*head, "// cannot be said: two kernels and a path between them; packetdrill has one kernel", ""]
        )
    if program.settings.get("ip_version") == 6:
        head.append("--ip_version=ipv6")
    return "\n".join([*head, *(f"// cannot be said: {gap}" for gap in program.gaps), *_Script().lines(program), ""])


class _Script:
    def __init__(self) -> None:
        self._descriptors: dict[str, int] = {}
        self._made: dict[str, Segment] = {}
        self._syn_options = ""
        self._peer = ""
        self._pause = 0

    def lines(self, program: Program) -> Iterator[str]:
        """The script, line by line."""
        stamps = "nop,nop,sackOK" if program.settings.get("timestamps") is False else "sackOK,TS val 1 ecr 0"
        self._syn_options = f"mss 1460,{stamps},nop,wscale 7"
        for step in program.steps:
            yield from self._step(step)
        if self._pause:
            yield f"{self._at()} %{{ pass }}%"

    def _at(self, least: int = 0, most: int = 0) -> str:
        """When: packetdrill counts from the event before."""
        begin, self._pause = self._pause + least, 0
        if most > least:
            return f"+{_seconds(begin)}~+{_seconds(begin + most - least)}"
        return f"+{_seconds(begin)}"

    def _wait(self, step: AnyStep) -> Span:
        """Have the next line come as much later as the step waits."""
        named = [step.named.get(name) for name in ("for_", "span", "within")]
        given = [_span(_live(value)) for value in (*step.args, *named)]
        span = next((one for one in given if one), QUIET)
        self._pause += span.ns
        return span

    def _step(self, step: AnyStep) -> Iterator[str]:
        if isinstance(step, Send | Expect) and step.on.startswith("peer"):
            self._peer = self._peer or step.on
            if step.on != self._peer:
                yield _comment("a second connection", step)
                return
        match step:
            case Judge() if not step.error:
                pass  # the answer that stands there already
            case Fail():
                yield _comment(f"the scenario {step.name} here by its own Python", step, str(step.result))
            case Open():
                yield from self._open(step)
            case Send():
                yield from self._send(step)
            case Expect():
                yield from self._expect(step)
            case Wait() if step.name == "collect":
                yield _comment(f"all that comes in {self._wait(step)}", step)
            case Enter() | Leave():
                yield _comment("calls that fail where they would wait", step)
            case _ if step.on in self._descriptors and step.name in _CALLS:
                yield self._call(step)
            case _:
                yield _comment(f"{step.on}.{step.name}", step, *map(_plain, step.args))

    # -- what is opened

    def _new(self, name: str) -> int:
        return self._descriptors.setdefault(name, _DESCRIPTORS + len(self._descriptors))

    def _given(self, step: AnyStep, index: int = 0) -> str:
        return step.gives[index] if len(step.gives) > index else f"{step.name}{len(self._descriptors)}"

    def _open(self, step: Open) -> Iterator[str]:
        match step.name:
            case "socket" | "unbound_socket" | "listen":
                number = self._new(self._given(step))
                yield f"{self._at()} socket(..., SOCK_STREAM, IPPROTO_TCP) = {number}"
                if step.name == "unbound_socket":
                    return
                yield f"{self._at()} setsockopt({number}, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0"
                if step.name == "listen":
                    yield f"{self._at()} bind({number}, ..., ...) = 0"
                    yield f"{self._at()} listen({number}, {step.named.get('backlog', 16)}) = 0"
            case "establish":
                yield from self._shaken(step, passive=True)
            case "connect":
                yield from self._shaken(step, passive=False)
            case "accept":
                listener = self._descriptors.get(step.on, _DESCRIPTORS)
                yield f"{self._at()} accept({listener}, ..., ...) = {self._new(self._given(step))}"
            case "new_peer":
                pass  # packetdrill's remote end is there from the start
            case _:
                yield _comment(f"{step.on}.{step.name}", step)

    def _shaken(self, step: Open, *, passive: bool) -> Iterator[str]:
        """A handshake that is one step here and three segments there."""
        self._peer = self._peer or self._given(step, 1)
        offered = step.named.get("options")
        options = offered if isinstance(offered, str) else self._syn_options
        if passive:
            listener = next(iter(self._descriptors.values()), _DESCRIPTORS)
            yield f"{self._at()} < S 0:0(0) win 65535 <{options}>"
            yield f"{self._at(0, PROMPT.ns)} > S. 0:0(0) ack 1 <...>"
            yield f"{self._at()} < . 1:1(0) ack 1 win 65535"
            yield f"{self._at()} accept({listener}, ..., ...) = {self._new(self._given(step))}"
        else:
            number = self._new(self._given(step))
            yield f"{self._at()} socket(..., SOCK_STREAM, IPPROTO_TCP) = {number}"
            yield f"{self._at()} fcntl({number}, F_SETFL, O_RDWR|O_NONBLOCK) = 0"
            yield f"{self._at()} connect({number}, ..., ...) = -1 EINPROGRESS (Operation now in progress)"
            yield f"{self._at(0, PROMPT.ns)} > S 0:0(0) <...>"
            yield f"{self._at()} < S. 0:0(0) ack 1 win 65535 <{options}>"
            yield f"{self._at(0, PROMPT.ns)} > . 1:1(0) ack 1 <...>"

    # -- segments

    def _send(self, step: Send) -> Iterator[str]:
        if step.name == "make" and step.segment and step.gives:
            self._made[step.gives[0]] = step.segment  # sent where it is named
            return
        if step.name not in ("send", "send_together"):
            yield _comment(f"{step.name}: an IP header or an ICMP error of one's own", step, *map(_plain, step.args))
            return
        several = [step.segment] if step.segment else [self._made.get(str(one), one) for one in map(_live, step.args)]
        for segment in several:
            if not isinstance(segment, Segment):
                yield _comment("a segment that was made earlier", step, _plain(step.args[0]))
            elif fault := _fault(segment):
                yield _comment(f"{fault}: < {segment}", step)
            else:
                yield f"{self._at()} < {_inbound(segment)}"

    def _expect(self, step: Expect) -> Iterator[str]:
        if step.name == "expect_count":
            bounds = [f"{name}={step.named[name]}" for name in ("at_least", "at_most") if name in step.named]
            yield _comment(f"how many come in {self._wait(step)}: > {_plain(step.args[0])}", step, *bounds)
            return
        if step.name == "expect_silence":
            self._wait(step)
            yield _comment("silence until the next line; a segment too many shows there, or not at all", step)
            return
        within, least, after = (_span(_live(step.named.get(name))) for name in ("within", "at_least", "after"))
        if after:
            within = least = after
        alternatives = {name: one for name, value in step.named.items() if isinstance(one := _live(value), Pattern)}
        pattern = alternatives.get(str(step.result)) or _pattern_of(step)
        if len(alternatives) > 1:
            yield _comment(f"one of several answers ({', '.join(alternatives)}); it was {step.result}", step)
        if pattern is None:
            yield _comment(step.name, step, str(step.result or ""))
            return
        low, high = least.ns if least else 0, within.ns if within else PROMPT.ns
        yield from _unsaid(pattern, step)
        text = _outbound(pattern, step.segment)
        when = "*" if "within" in step.named and within is None else self._at(low, max(high, low + low // 8))
        yield f"{when} > {text}"

    def _call(self, step: AnyStep) -> str:
        number = self._descriptors[step.on]
        result = f"-1 {step.error} ({step.error})" if step.error else str(step.result if step.result is not None else 0)
        data = step.args[0].data if step.args and isinstance(step.args[0], Octets) else b""
        match step.name:
            case "send":
                text = f"write({number}, ..., {len(data)})"
            case "receive":
                size = step.args[0] if step.args else 65536
                text = f"read({number}, ..., {size})"
                result = result if step.error else str(len(step.result.data) if isinstance(step.result, Octets) else 0)
            case "shutdown":
                how = step.args[0]
                text = f"shutdown({number}, {_SHUT[how] if isinstance(how, int) else how})"
            case "listen":
                text = f"listen({number}, {step.args[0] if step.args else 16})"
            case _:
                text = f"close({number})"
        return f"{self._at()} {text} = {result}"


_CALLS = ("send", "receive", "shutdown", "listen", "close")


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:.6f}".rstrip("0").rstrip(".")


def _live(value: Value) -> object:
    """The value itself; a name stands for itself."""
    return decoded(value, str)


def _span(value: object) -> Span | None:
    """A time that a step was given, in seconds or as a span."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return span_of(value, "")
    return value if isinstance(value, Span) else None


def _plain(value: Value) -> str:
    return str(_live(value))


def _comment(what: str, step: AnyStep, *more: str) -> str:
    text = " ".join(f"cannot be said: {what} ({step.on}.{step.name}) {' '.join(more)}".split())
    return f"// {text}"


def _fault(segment: Segment) -> str:
    """What of a segment packetdrill cannot send."""
    told = (
        ("a checksum of one's own", segment.checksum is not None),
        ("a data offset of one's own", segment.data_offset is not None),
        ("reserved bits", bool(segment.reserved)),
        ("raw option bytes", segment.raw_options is not None),
        ("no control bit", not segment.flags),
        ("a flow label", bool(segment.flow_label)),
    )
    return ", ".join(what for what, wrong in told if wrong)


def _inbound(segment: Segment) -> str:
    text = f"{format_flags(segment.flags)} {segment.seq}:{segment.end}({len(segment.data)})"
    text += f" ack {segment.ack}" if segment.flags & ACK else ""
    text += f" win {segment.window}"
    text += f" urg {segment.urgent}" if segment.urgent else ""
    return text + (f" <{format_options(segment.options)}>" if segment.options else "")


def _pattern_of(step: Expect) -> Pattern | None:
    flags = _live(step.args[0]) if step.args else None
    if not isinstance(flags, Flags):
        return None
    fields = {name: _live(value) for name, value in step.named.items()}
    return Pattern(flags, **{name: one for name, one in fields.items() if name not in ("within", "at_least", "after")})  # type: ignore[arg-type]  # as the scenario gave them


def _unsaid(pattern: Pattern, step: Expect) -> Iterator[str]:
    fields = (("seq", pattern.seq), ("ack", pattern.ack), ("window", pattern.window), ("length", pattern.length))
    for name, value in fields:
        if isinstance(value, Between):
            yield _comment(f"any {name} of {value}; it was the one below", step)
    if pattern.options or pattern.without:
        yield _comment(f"of its options: <{pattern.options}>, and not <{pattern.without}>", step)
    if pattern.flow_label is not None:
        yield _comment(f"flow label {pattern.flow_label}", step)
    if pattern.data:
        yield _comment(f"its data: {pattern.data!r}", step)


def _outbound(pattern: Pattern, seen: Segment | None) -> str:
    """What packetdrill is to expect: what the pattern leaves open is as it was seen."""
    seq = pattern.seq if isinstance(pattern.seq, int) else seen.seq if seen else 0
    length = pattern.length if isinstance(pattern.length, int) else len(seen.data) if seen else 0
    flags = seen.flags if seen else pattern.flags
    text = f"{format_flags(flags)} {seq}:{(seq + length) % 2**32}({length})"
    if flags & ACK:
        text += f" ack {pattern.ack if isinstance(pattern.ack, int) else seen.ack if seen else 0}"
    if isinstance(pattern.window, int):
        text += f" win {pattern.window}"
    return f"{text} <...>"
