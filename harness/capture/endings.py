"""What the near side's process may have called to end a connection; a capture shows only what the kernel made of it."""

from __future__ import annotations

from collections.abc import Iterator
from socket import SHUT_RD, SHUT_RDWR, SHUT_WR
from typing import NamedTuple

from harness.capture.conversation import Sighting
from harness.capture.timers import given_up, let_go
from harness.program.steps import AnyStep, Call, Value
from harness.tcp.segment import ACK, FIN, RST, SYN, Segment
from harness.tcp.timing import SECOND, TIMEWAIT_LEN

_ABOVE_TIME_WAIT = 2 * TIMEWAIT_LEN.ns // SECOND.ns
"""Seconds: FIN-WAIT-2 keeps its full socket where it lasts longer than TIME-WAIT."""


CallGuess = tuple[str, tuple[Value, ...]]
"""The name of a call on a socket, and its arguments."""


class EndingGuess(NamedTuple):
    """Calls that may have ended a connection.

    Args:
        words: what they are.
        calls: what ends it, in order: name and arguments.
        reads: whether what came is read before.
        closes: whether the socket is the process's no more.
        before: what it calls as soon as the connection is open.
        aborts: what it calls for a RST behind its FIN.
    """

    words: str
    calls: tuple[CallGuess, ...]
    reads: bool = True
    closes: bool = False
    before: tuple[CallGuess, ...] = ()
    aborts: tuple[CallGuess, ...] = ()

    def steps(self, socket: str) -> Iterator[AnyStep]:
        """The calls on the socket of this name."""
        return calls_on(socket, self.calls)


def calls_on(socket: str, calls: tuple[CallGuess, ...]) -> Iterator[AnyStep]:
    """Calls as steps on the socket of this name."""
    return (Call(on=socket, name=name, args=args) for name, args in calls)


_CLOSE: CallGuess = ("close", ())


def _shutdown(how: int) -> CallGuess:
    return "shutdown", (how,)


def _linger(seconds: int) -> CallGuess:
    return "linger", (seconds,)


def _lingering(seconds: int) -> EndingGuess:
    words = f"close() with TCP_LINGER2 of {seconds} s"
    return EndingGuess(words, (("set_option", ("TCP_LINGER2", seconds)), _CLOSE), closes=True)


WITH_A_FIN = (
    EndingGuess("close()", (_CLOSE,), closes=True),
    EndingGuess("close() last by a child process", (("close_by_child", ()),), closes=True),
    EndingGuess("shutdown(SHUT_WR)", (_shutdown(SHUT_WR),)),
    EndingGuess("shutdown(SHUT_RDWR)", (_shutdown(SHUT_RDWR),)),
    EndingGuess("shutdown(SHUT_RD), then close()", (_shutdown(SHUT_RD), _CLOSE), closes=True),
    EndingGuess("shutdown(SHUT_WR), then close()", (_shutdown(SHUT_WR), _CLOSE), closes=True),
    EndingGuess("close() with SO_LINGER of 1 s", (_linger(1), _CLOSE), closes=True),
    _lingering(_ABOVE_TIME_WAIT),
)
"""The endings that send a FIN."""

_SHUT = "shutdown(SHUT_WR), later"
WITH_BOTH = (
    EndingGuess(f"{_SHUT} close() with SO_LINGER of 0 s", (_shutdown(SHUT_WR),), aborts=(_linger(0), _CLOSE)),
    EndingGuess(f"{_SHUT} connect() to AF_UNSPEC", (_shutdown(SHUT_WR),), aborts=(("disconnect", ()),)),
)
"""The endings that send a FIN and then a RST."""

WITH_A_RST = (
    EndingGuess("close() with SO_LINGER of 0 s", (_linger(0), _CLOSE), closes=True),
    EndingGuess("close() with unread data", (_CLOSE,), reads=False, closes=True),
    EndingGuess("close(), and data came later", (_CLOSE,), closes=True),
    EndingGuess("connect() to AF_UNSPEC", (("disconnect", ()),), closes=True),
)
"""The endings that send a RST."""

NONE_AT_ALL = (EndingGuess("no call", ()),)
"""Where the near side did not end it, or the capture is over before."""


def guesses(sightings: list[Sighting], near: int) -> tuple[EndingGuess, ...]:
    """The endings that can have made the near side send what ends its direction."""
    own = [one.segment for one in sightings if one.side == near]
    if any(one.flags & FIN for one in own):
        seconds = let_go(sightings, near)
        found = (*WITH_A_FIN, _lingering(seconds)) if seconds else WITH_A_FIN
        return (*found, *WITH_BOTH) if _resets_at_last(own) else found
    if not _resets_at_last(own) or not any(one.flags & (SYN | ACK) for one in own):
        return NONE_AT_ALL
    if ms := given_up(sightings, near):
        before = (("set_option", ("TCP_USER_TIMEOUT", ms)),)
        return (EndingGuess(f"no call, with TCP_USER_TIMEOUT of {ms} ms", (), before=before), *WITH_A_RST)
    return WITH_A_RST


def _resets_at_last(own: list[Segment]) -> bool:
    """Whether only RSTs come behind the first: out of SYN-SENT one answers what is not acceptable, and ends nothing."""
    resets = [bool(one.flags & RST) for one in own]
    return any(resets) and all(resets[resets.index(True) :])
