"""What a kernel noted of a program as the events that a ladder is drawn from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.explore.attempt import (
    SIZED,
    SOCKET_OPTIONS,
    SYSCTLS,
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
from harness.explore.numbers import put_segment
from harness.probes.records import DROPPED
from harness.tcp.options import parse_options
from harness.tcp.segment import Segment
from harness.tcp.timing import MS
from harness.trace.events import Called, Event, OtherPacket, Probed, Received, Sent

_CALLS: Mapping[str, tuple[str, tuple[int | str, ...]]] = {
    "defer_accept": ("setsockopt", ("TCP_DEFER_ACCEPT", 1)),
    "shutdown_rd": ("shutdown", ("SHUT_RD",)),
    "shutdown_wr": ("shutdown", ("SHUT_WR",)),
    "shutdown_rdwr": ("shutdown", ("SHUT_RDWR",)),
    "linger_0": ("setsockopt", ("SO_LINGER", 0)),
    "abort": ("connect", ("AF_UNSPEC",)),
    "md5_key": ("setsockopt", ("TCP_MD5SIG", "its key")),
    "md5_no_key": ("setsockopt", ("TCP_MD5SIG", "no key")),
}


def events(attempt: Attempt, noted: Sequence[Noted]) -> Iterator[Event]:
    """The events, in order; time passes in pauses alone."""
    at = 0
    state, connection = "CLOSED", 1
    for step, one in zip(attempt.steps, noted, strict=False):
        match step:
            case Put():
                yield Sent(at, put_segment(step, one.sent), "", connection)
            case About():
                connection = step.connection
            case Icmp():
                yield OtherPacket(at, f"ICMP {step.name}")
            case Act():
                name, arguments = _call(step)
                result = 0 if one.error else int(one.result)
                yield Called(at, at, name, arguments, result, one.error, connection=connection)
        yield from (
            Received(at + back.at_ms * MS + number, back_segment(back), "", back.connection)
            for number, back in enumerate(one.back)
        )
        at += len(one.back) + 1 + (step.ms * MS if isinstance(step, Pause) else 0)
        for reason in one.drops or ():
            yield Probed(at, "", DROPPED, details={"reason": reason}, connection=connection)
            at += 1
        now = state_of(one)
        if now != state:
            yield Probed(at, "", state=now, connection=connection)
            at, state = at + 1, now


def back_segment(back: CameBack) -> Segment:
    """A segment of the kernel's."""
    options, data = parse_options(back.options), bytes(back.length)
    return Segment(flags=back.flags, seq=back.seq, ack=back.ack, window=back.window, data=data, options=options)


def _call(act: Act) -> tuple[str, tuple[int | str, ...]]:
    if act.name in ("send", "recv"):
        return act.name, (act.size,)
    if act.name in SYSCTLS:
        name, _, value = act.name.rpartition("_")
        return "sysctl", (name, int(value))
    if act.name in SIZED:
        return "setsockopt", (SIZED[act.name], act.size)
    if act.name in SOCKET_OPTIONS:
        return "setsockopt", SOCKET_OPTIONS[act.name]
    return _CALLS.get(act.name, (act.name, ()))
