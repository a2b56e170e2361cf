"""A program as the steps of a scenario: what one kernel did is what the scenario expects. Pure."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence

from harness.errors import FinwaitError
from harness.explore.attempt import (
    NOT_MADE,
    SIZED,
    SOCKET_OPTIONS,
    About,
    Act,
    Attempt,
    CameBack,
    Icmp,
    Noted,
    Pause,
    Put,
)
from harness.explore.differences import state_of
from harness.explore.numbers import burst, put_segment
from harness.program.steps import AnyStep, Call, Expect, Made, Octets, Open, Program, Ref, Send, Value
from harness.tcp.options import format_options
from harness.tcp.segment import ACK, PSH

_SOCKETS: Mapping[str, tuple[str, tuple[Value, ...]]] = {
    **{name: ("set_option", option) for name, option in SOCKET_OPTIONS.items()},
    "close": ("close", ()),
    "shutdown_rd": ("shutdown", (0,)),
    "shutdown_wr": ("shutdown", (1,)),
    "shutdown_rdwr": ("shutdown", (2,)),
    "linger_0": ("linger", (0,)),
    "abort": ("disconnect", ()),
}
_OPENING = ("listen", "connect")
_WAITS = {errno.errorcode[number] for number in (errno.EAGAIN, errno.EALREADY)}


def scenario(attempt: Attempt, noted: Sequence[Noted]) -> Program:
    """The program as a scenario that a kernel passes which does what was noted.

    Raises:
        FinwaitError: no scenario can say it: time passes, or a call would wait.
    """
    opening = next((step.name for step in attempt.steps if isinstance(step, Act) and step.name in _OPENING), "listen")
    if attempt.ip_version != 4:
        raise FinwaitError("it needs IPv6", hint="finwait explore with the same seed")
    active = opening == "connect"
    owner = "client" if active else "listener"
    steps: list[AnyStep] = [_open("session", "socket" if active else "listen", owner)]
    steps.append(_open("session", "new_peer", "peer", Ref(f"{owner}.port")))
    endpoint, opened = owner, False
    for step, one in zip(attempt.steps, noted, strict=True):
        match step:
            case Pause():
                raise FinwaitError("time passes in it", hint="finwait explore with the same seed")
            case About():
                raise FinwaitError("it has several connections", hint="finwait explore with the same seed")
            case Icmp():
                raise FinwaitError("an ICMP error comes in it", hint="finwait explore with the same seed")
            case Put():
                steps += _sent(step, one)
            case Act("listen") if opening == "listen" and not opened:
                opened = True
            case Act("connect") if active and not opened:
                opened = True
                steps.append(Call(on="client", name="connect", args=(Ref("peer"),), named={"wait": False}))
            case Act("accept") if not active and one.result == "0":
                endpoint = "server"
                steps.append(_open("listener", "accept", "server"))
            case Act():
                steps.append(_called(step, one, endpoint))
        steps += map(_expected, one.back)
    if noted:
        steps.append(Expect(on="session", name="expect_state", args=(Ref("peer"), state_of(noted[-1]))))
    return Program(steps=tuple(steps))


def _open(on: str, name: str, gives: str, *args: Value) -> Open:
    return Open(on=on, name=name, args=args, gives=(gives,))


def _called(act: Act, noted: Noted, endpoint: str) -> Call:
    if noted.error in (*_WAITS, NOT_MADE) or act.name in ("listen", "connect", "accept"):
        raise FinwaitError(f"its {act.name} gives {noted.result}", why="it would wait in a scenario, or have no socket")
    error = noted.error
    if act.name == "send":
        result = None if error else int(noted.result)
        return Call(on=endpoint, name="send", args=(Octets(bytes(act.size)),), result=result, error=error)
    if act.name == "recv":
        got = None if error else Octets(bytes(int(noted.result)))
        return Call(on=endpoint, name="receive", args=(act.size,), result=got, error=error)
    if act.name in SIZED:
        return Call(on=endpoint, name="set_option", args=(SIZED[act.name], act.size), error=error)
    if act.name not in _SOCKETS:
        raise FinwaitError(f"it sets {act.name}", hint="finwait explore with the same seed")
    name, args = _SOCKETS[act.name]
    return Call(on=endpoint, name=name, args=args, error=error)


def _sent(put: Put, noted: Noted) -> Iterator[Send]:
    for one in burst(put_segment(put, noted.sent), 4):
        named: dict[str, Value] = {"seq": one.seq, "window": one.window}
        if one.flags & ACK:
            named["ack"] = one.ack
        if one.data:
            named["data"] = Octets(one.data)
        if one.raw_options is not None:
            named["raw_options"] = Octets(one.raw_options)
        else:
            named["options"] = format_options(one.options)
        yield Send(on="peer", name="send", args=(_flags(one.flags),), named=named)


def _expected(back: CameBack) -> Expect:
    named: dict[str, Value] = {"seq": back.seq}
    if back.flags & ACK:
        named["ack"] = back.ack
    if back.length:
        named["length"] = back.length
    return Expect(on="peer", name="expect", args=(_flags(back.flags & ~PSH),), named=named)


def _flags(flags: int) -> Made:
    return Made("Flags", {"value": flags})
