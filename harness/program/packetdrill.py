"""Prints a program as a packetdrill script; what its language cannot say stands in a comment at its place. Pure.

The script is for packetdrill of May 2026. It knows one connection, one kernel, and segments without faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from harness.program import packetdrill_packets as packets
from harness.program.packetdrill_calls import asserted, call_text, settings_text
from harness.program.steps import (
    AnyStep,
    Assign,
    Call,
    Enter,
    Expect,
    Fail,
    Judge,
    Leave,
    Open,
    Program,
    Send,
    Unsaid,
    Value,
    Wait,
)
from harness.program.values import decoded
from harness.tcp.segment import Segment
from harness.tcp.timing import PROMPT, QUIET, Span, span_of
from harness.tcp.verdict import LabCondition

_DESCRIPTORS = 3  # the first one of a script
_OPENING = ("listen", "establish", "connect", "send_opening")
_NEEDLESS = ("timestamps", "window", "settle")
"""What each segment shows by itself; and packetdrill goes on only when the kernel has taken in what it sent."""


def packetdrill(program: Program, scenario: str, conditions: Sequence[LabCondition] = ()) -> str:
    """The script of a program, which says in a comment whose it is, and sets what ``conditions`` says of the lab."""
    head = [f"// {scenario}, as it ran, printed by finwait"]
    if program.topology != "session":
        said = "// cannot be said: two kernels and a path between them; packetdrill has one kernel"
        return "\n".join([*head, said, ""])
    version = 6 if program.settings.get("ip_version") == 6 else 4
    if version == 6:
        head.append("--ip_version=ipv6")
    if program.settings.get("hold_timers") is False:
        conditions = [one for one in conditions if not one.freed]
    gaps = (f"// cannot be said: {gap}" for gap in program.gaps)
    return "\n".join([*head, *settings_text(conditions, version), *gaps, *_Script(program).lines(), ""])


class _Script:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._version = 6 if program.settings.get("ip_version") == 6 else 4
        self._descriptors: dict[str, int] = {}
        self._segments: dict[str, Segment] = {}  # made, or seen, by the name that its step gave it
        self._begun: dict[str, tuple[int, str, int, AnyStep]] = {}
        self._opened = False
        self._stamps: list[int] = []  # of the kernel's timestamps, those that the script shows
        self._peer = ""
        self._clock = 0
        self._pause = 0
        self._out: list[str] = []
        stamps = "nop,nop,sackOK" if program.settings.get("timestamps") is False else "sackOK,TS val 1 ecr 0"
        self._syn_options = f"mss 1460,{stamps},nop,wscale 7"

    def lines(self) -> list[str]:
        """The script, line by line."""
        for step in self._program.steps:
            self._out += self._step(step)
        if self._pause:
            self._out.append(f"{self._at()} %{{ pass }}%")
        return self._out

    def _at(self, least: int = 0, most: int = 0) -> str:
        """When: packetdrill counts from the event before."""
        begin, self._pause = self._pause + least, 0
        self._clock += begin
        if most > least:
            return f"+{packets.seconds(begin)}~+{packets.seconds(begin + most - least)}"
        return f"+{packets.seconds(begin)}"

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
            if step.on != self._peer or not self._opened:
                yield _comment("a second connection" if self._opened else "packets of no socket that opens", step)
                return
        self._opened = self._opened or step.name in _OPENING
        match step:
            case Judge(error=""):
                pass  # the answer that stands there already
            case Assign() | Wait() if step.name in _NEEDLESS:
                pass
            case Fail() | Unsaid():
                ended = isinstance(step, Fail)
                what = f"the scenario {step.name} here by its own Python" if ended else step.name
                yield _comment(what, step, str(step.result or ""))
            case Open():
                yield from self._open(step)
            case Send():
                yield from self._send(step)
            case Expect():
                yield from self._expect(step)
            case Wait() if step.name == "collect":
                yield _comment(f"all that comes in {self._wait(step)}", step)
            case Enter() | Leave() if step.on in self._descriptors:
                yield self._flags(self._descriptors[step.on], waits=isinstance(step, Leave))
            case Call():
                yield from self._call(step)
            case _:
                yield _said(step)

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
                yield f"{self._at()} bind({number}, ..., ...) = 0"
                if step.name == "listen":
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
            case "begin_send" | "begin_receive" if step.gives and step.on in self._descriptors:
                self._begun[step.gives[0]] = len(self._out), self._at(), self._clock, step
                yield _comment("a call that never returned", step)
            case _:
                yield _comment(f"{step.on}.{step.name}", step)

    def _shaken(self, step: Open, *, passive: bool) -> Iterator[str]:
        """A handshake that is one step here and three segments there."""
        self._stamps += packets.stamps(step.segment)
        self._peer = self._peer or self._given(step, 1)
        offered = step.named.get("options")
        options = offered if isinstance(offered, str) else self._syn_options
        if passive:
            listener = next(iter(self._descriptors.values()), _DESCRIPTORS)
            yield f"{self._at()} < S 0:0(0) win 65535 <{options}>"
            yield f"{self._at(0, PROMPT.ns)} > S. 0:0(0) ack 1 <{packets.seen_options(step.segment)}>"
            yield f"{self._at()} < . 1:1(0) ack 1 win 65535"
            yield f"{self._at()} accept({listener}, ..., ...) = {self._new(self._given(step))}"
        else:
            number = self._new(self._given(step))
            yield f"{self._at()} socket(..., SOCK_STREAM, IPPROTO_TCP) = {number}"
            yield self._flags(number, waits=False)
            yield f"{self._at()} connect({number}, ..., ...) = -1 EINPROGRESS (Operation now in progress)"
            yield f"{self._at(0, PROMPT.ns)} > S 0:0(0) <{packets.seen_options(step.segment)}>"
            yield f"{self._at()} < S. 0:0(0) ack 1 win 65535 <{options}>"
            yield f"{self._at(0, PROMPT.ns)} > . 1:1(0) ack 1 <...>"

    # -- segments

    def _send(self, step: Send) -> Iterator[str]:
        if step.name == "make" and step.segment and step.gives:
            self._segments[step.gives[0]] = step.segment  # sent where it is named
            return
        if step.name == "send_icmp":
            yield self._icmp(step)
            return
        if step.name not in ("send", "send_together"):
            yield _comment("an IP header of one's own", step, *map(_plain, step.args))
            return
        several = [step.segment] if step.segment else [self._segment(one) for one in step.args]
        for segment in several:
            if segment is None:
                yield _comment("a segment that was made earlier", step, _plain(step.args[0]))
            elif fault := packets.fault(segment):
                yield _comment(f"{fault}: < {segment}", step)
            else:
                yield f"{self._at()} < {packets.inbound(packets.echoing(segment, self._stamps))}"

    def _segment(self, value: Value) -> Segment | None:
        live = _live(value)
        return live if isinstance(live, Segment) else self._segments.get(str(live))

    def _icmp(self, step: Send) -> str:
        kind = _plain(step.args[0])
        about = self._segment(step.args[1] if len(step.args) > 1 else step.named.get("quoting"))
        mtu = step.named.get("mtu", 0)
        text = (
            packets.icmp(kind, about, int(_plain(mtu)), self._version) if about and "quoted" not in step.named else ""
        )
        return f"{self._at()} < {text}" if text else _comment("this ICMP error", step, kind)

    def _expect(self, step: Expect) -> Iterator[str]:
        if step.name == "expect_count":
            bounds = [f"{name}={step.named[name]}" for name in ("at_least", "at_most") if name in step.named]
            yield _comment(f"how many come in {self._wait(step)}: > {_plain(step.args[0])}", step, *bounds)
            return
        if step.name == "expect_silence":
            self._wait(step)
            yield _comment("silence until the next line; a segment too many shows there, or not at all", step)
            return
        within, least, after = (_span(_live(step.named.get(name))) for name in packets.TIMES)
        if after:
            within = least = after
        alternatives = packets.alternatives(step)
        pattern = alternatives.get(str(step.result)) or packets.pattern_of(step)
        if len(alternatives) > 1:
            yield _comment(f"one of several answers ({', '.join(alternatives)}); it was {step.result}", step)
        if pattern is None:
            yield _comment(step.name, step, str(step.result or ""))
            return
        low, high = least.ns if least else 0, within.ns if within else PROMPT.ns
        for what in (*packets.unsaid(pattern), *packets.said_later(step)):
            yield _comment(what, step)
        if step.segment and step.gives:
            self._segments[step.gives[0]] = step.segment
        self._stamps += packets.stamps(step.segment)
        text = packets.outbound(pattern, step.segment)
        when = "*" if "within" in step.named and within is None else self._at(low, max(high, low + low // 8))
        yield f"{when} > {text}"

    # -- calls

    def _flags(self, number: int, *, waits: bool) -> str:
        return f"{self._at()} fcntl({number}, F_SETFL, {'O_RDWR' if waits else 'O_RDWR|O_NONBLOCK'}) = 0"

    def _call(self, step: Call) -> Iterator[str]:
        if step.name == "sysctl" and step.on == "session" and len(step.args) == 2:
            yield "{} `sysctl -q -w {}='{}'`".format(self._at(), *map(_plain, step.args))
            return
        number = self._descriptors.get(step.on)
        if number is None:
            yield from self._end(step) if step.on in self._begun else (_said(step),)
            return
        if step.name == "tcp_info" and (code := asserted(step)):
            yield f"{self._at()} {code}"
            return
        begins = step.name == "connect" and step.named.get("wait") is False
        if begins:
            yield self._flags(number, waits=False)
        text = call_text(step, number)
        yield f"{self._at()} {text}" if text else _said(step)
        if begins:
            yield self._flags(number, waits=True)

    def _end(self, step: Call) -> tuple[str, ...]:
        """Write what a call that waited gave, and when it was back, where it was begun; nothing here."""
        index, when, since, begun = self._begun.pop(step.on)
        whole = msgspec.structs.replace(begun, result=step.result, error=step.error)
        text = call_text(whole, self._descriptors[begun.on])
        self._out[index] = f"{when}...{packets.seconds(self._clock + self._pause - since)} {text}"
        return ()


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


def _said(step: AnyStep) -> str:
    return _comment(f"{step.on}.{step.name}", step, *map(_plain, step.args))


def _comment(what: str, step: AnyStep, *more: str) -> str:
    text = " ".join(f"cannot be said: {what} ({step.on}.{step.name}) {' '.join(more)}".split())
    return f"// {text}"
