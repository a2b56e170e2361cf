"""What the near side's process may have called to end a connection; a capture shows only what the kernel made of it."""

from __future__ import annotations

from collections.abc import Iterator
from socket import SHUT_RD, SHUT_RDWR, SHUT_WR
from typing import NamedTuple

from harness.capture.conversation import Sighting
from harness.capture.timers import GivenUp, given_up, let_go
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
    """Calls as steps on the socket of this name; a sysctl is the namespace's."""
    return (Call(on="session" if name == "sysctl" else socket, name=name, args=args) for name, args in calls)


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
    resets, gave = _resets_at_last(own), given_up(sightings, near)
    if any(one.flags & FIN for one in own):
        seconds = let_go(sightings, near)
        found: tuple[EndingGuess, ...] = (*WITH_A_FIN, _lingering(seconds)) if seconds else WITH_A_FIN
        found = (*found, *_giving_up_a_fin(gave)) if gave else found
        return (*found, *WITH_BOTH) if resets else found
    if not resets or not any(one.flags & (SYN | ACK) for one in own):
        return NONE_AT_ALL
    found = (*_giving_up(gave), *WITH_A_RST) if gave else WITH_A_RST
    return (*NONE_AT_ALL, *found) if _answers_by_a_reset(sightings, near) else found


def _answers_by_a_reset(sightings: list[Sighting], near: int) -> bool:
    """Whether the first RST may answer an ACK for which no connection is open yet, or any more (RFC 9293 3.10.7.1)."""
    place = next(at for at, one in enumerate(sightings) if one.side == near and one.segment.flags & RST)
    reset, cause = sightings[place].segment, sightings[place - 1]
    opening = all(one.segment.flags & SYN for one in sightings[:place] if one.side == near)
    return opening and cause.side != near and not reset.flags & ACK and cause.segment.ack == reset.seq


def _giving_up(gave: GivenUp) -> tuple[EndingGuess, ...]:
    before = ("set_option", ("TCP_USER_TIMEOUT", gave.user_timeout))
    limit = ("sysctl", ("net/ipv4/tcp_retries2", gave.retries))
    return (
        EndingGuess(f"no call, with TCP_USER_TIMEOUT of {gave.user_timeout} ms", (), before=(before,)),
        EndingGuess(f"no call, with tcp_retries2 of {gave.retries}", (), before=(limit,)),
    )


def _giving_up_a_fin(gave: GivenUp) -> tuple[EndingGuess, ...]:
    owned = (one._replace(words=f"shutdown(SHUT_WR){one.words[len('no call') :]}") for one in _giving_up(gave))
    limit = ("sysctl", ("net/ipv4/tcp_orphan_retries", gave.retries))
    orphaned = EndingGuess(
        f"close(), with tcp_orphan_retries of {gave.retries}", (_CLOSE,), closes=True, before=(limit,)
    )
    return (*(one._replace(calls=(_shutdown(SHUT_WR),)) for one in owned), orphaned)


def _resets_at_last(own: list[Segment]) -> bool:
    """Whether only RSTs come behind the first: out of SYN-SENT one answers what is not acceptable, and ends nothing."""
    resets = [bool(one.flags & RST) for one in own]
    return any(resets) and all(resets[resets.index(True) :])
