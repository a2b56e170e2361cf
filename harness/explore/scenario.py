"""A program as the steps of a scenario: what one kernel did is what the scenario expects. Pure."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence

from harness.errors import FinwaitError
from harness.explore.attempt import (
    COOKIE,
    NOT_MADE,
    SIGNATURES,
    SIZED,
    SOCKET_OPTIONS,
    About,
    Act,
    Attempt,
    AttemptStep,
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


_AGAIN = "finwait explore with the same seed"


def scenario(attempt: Attempt, noted: Sequence[Noted]) -> Program:
    """The program as a scenario that a kernel passes which does what was noted.

    Raises:
        FinwaitError: no scenario can say it: time passes, a call would wait, or a secret is needed.
    """
    opening = next((step.name for step in attempt.steps if isinstance(step, Act) and step.name in _OPENING), "listen")
    written = _Written(attempt.ip_version, active=opening == "connect")
    for step, one in zip(attempt.steps, noted, strict=True):
        written.take(step, one)
    return written.program(noted)


class _Written:
    """The steps so far.

    Args:
        version: of IP.
        active: whether the kernel opens the connection.
    """

    def __init__(self, version: int, *, active: bool) -> None:
        self._version, self._active = version, active
        self._owner = "client" if active else "listener"
        self._steps: list[AnyStep] = [_open("session", "socket" if active else "listen", self._owner)]
        self._endpoints: dict[int, str] = {}
        self._connection, self._opened = 1, False
        self._peers: set[int] = set()
        self._about(1)

    def _about(self, connection: int) -> None:
        self._connection = connection
        if connection not in self._peers:
            self._peers.add(connection)
            self._steps.append(_open("session", "new_peer", _peer(connection), Ref(f"{self._owner}.port")))

    def take(self, step: AttemptStep, one: Noted) -> None:
        """Add a step, and what the kernel did."""
        match step:
            case Pause():
                raise FinwaitError("time passes in it", hint=_AGAIN)
            case About(connection):
                self._about(connection)
            case Icmp():
                raise FinwaitError("an ICMP error comes in it", hint=_AGAIN)
            case Put():
                self._steps += _sent(step, one, _peer(self._connection), self._version)
            case Act("listen") if not self._active and not self._opened:
                self._opened = True
            case Act("connect") if self._active and not self._opened:
                self._opened = True
                call = Call(on="client", name="connect", args=(Ref(_peer(self._connection)),), named={"wait": False})
                self._steps.append(call)
            case Act("accept") if not self._active and one.result.isdecimal():
                self._accept(int(one.result) or self._connection)
            case Act():
                self._steps.append(_called(step, one, self._endpoints.get(self._connection, self._owner)))
                if step.name == "close":
                    self._endpoints.pop(self._connection, None)
        self._steps += [_expected(back) for back in one.back]

    def _accept(self, connection: int) -> None:
        self._endpoints[connection] = _numbered("server", connection)
        self._steps.append(_open("listener", "accept", self._endpoints[connection]))

    def program(self, noted: Sequence[Noted]) -> Program:
        """All of them, and the state that the connection has in the end."""
        if noted:
            ends = Ref(_peer(self._connection)), state_of(noted[-1])
            self._steps.append(Expect(on="session", name="expect_state", args=ends))
        return Program(steps=tuple(self._steps), settings={"ip_version": 6} if self._version == 6 else {})


def _numbered(name: str, connection: int) -> str:
    return f"{name}_{connection}" if connection > 1 else name


def _peer(connection: int) -> str:
    return _numbered("peer", connection)


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
    if act.name not in _SOCKETS or act.name == "fastopen":
        raise FinwaitError(f"it sets {act.name}", hint=_AGAIN)
    name, args = _SOCKETS[act.name]
    return Call(on=endpoint, name=name, args=args, error=error)


def _sent(put: Put, noted: Noted, peer: str, version: int) -> Iterator[Send]:
    if put.options in (COOKIE, *SIGNATURES):
        raise FinwaitError("a segment has a cookie of the kernel's, or is signed", hint=_AGAIN)
    for one in burst(put_segment(put, noted.sent), version):
        named: dict[str, Value] = {"seq": one.seq, "window": one.window}
        if one.flags & ACK:
            named["ack"] = one.ack
        if one.data:
            named["data"] = Octets(one.data)
        if one.raw_options is not None:
            named["raw_options"] = Octets(one.raw_options)
        else:
            named["options"] = format_options(one.options)
        yield Send(on=peer, name="send", args=(_flags(one.flags),), named=named)


def _expected(back: CameBack) -> Expect:
    named: dict[str, Value] = {"seq": back.seq}
    if back.flags & ACK:
        named["ack"] = back.ack
    if back.length:
        named["length"] = back.length
    return Expect(on=_peer(back.connection), name="expect", args=(_flags(back.flags & ~PSH),), named=named)


def _flags(flags: int) -> Made:
    return Made("Flags", {"value": flags})
