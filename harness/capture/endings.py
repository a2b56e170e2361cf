"""What the near side's process may have called to end a connection; a capture shows only what the kernel made of it."""

from __future__ import annotations

from collections.abc import Iterator
from socket import SHUT_RD, SHUT_RDWR, SHUT_WR
from typing import NamedTuple

from harness.program.steps import AnyStep, Call, Value

_ABOVE_TIME_WAIT = 120
"""Seconds, more than TCP_TIMEWAIT_LEN (60 s, include/net/tcp.h): FIN-WAIT-2 then keeps its full socket."""


class EndingGuess(NamedTuple):
    """Calls that may have ended a connection.

    Args:
        words: what they are.
        calls: what ends it, in order: name and arguments.
        reads: whether what came is read before.
        closes: whether the socket is the process's no more.
    """

    words: str
    calls: tuple[tuple[str, tuple[Value, ...]], ...]
    reads: bool = True
    closes: bool = False

    def steps(self, socket: str) -> Iterator[AnyStep]:
        """The calls on the socket of this name."""
        for name, args in self.calls:
            yield Call(on=socket, name=name, args=args)


_CLOSE: tuple[str, tuple[Value, ...]] = ("close", ())


def _shutdown(how: int) -> tuple[str, tuple[Value, ...]]:
    return "shutdown", (how,)


def _linger(seconds: int) -> tuple[str, tuple[Value, ...]]:
    return "linger", (seconds,)


WITH_A_FIN = (
    EndingGuess("close()", (_CLOSE,), closes=True),
    EndingGuess("shutdown(SHUT_WR)", (_shutdown(SHUT_WR),)),
    EndingGuess("shutdown(SHUT_RDWR)", (_shutdown(SHUT_RDWR),)),
    EndingGuess("shutdown(SHUT_RD), then close()", (_shutdown(SHUT_RD), _CLOSE), closes=True),
    EndingGuess("shutdown(SHUT_WR), then close()", (_shutdown(SHUT_WR), _CLOSE), closes=True),
    EndingGuess("close() with SO_LINGER of 1 s", (_linger(1), _CLOSE), closes=True),
    EndingGuess(
        "close() with TCP_LINGER2 of 120 s", (("set_option", ("TCP_LINGER2", _ABOVE_TIME_WAIT)), _CLOSE), closes=True
    ),
)
"""The endings that send a FIN."""

WITH_A_RST = (
    EndingGuess("close() with SO_LINGER of 0 s", (_linger(0), _CLOSE), closes=True),
    EndingGuess("close() with unread data", (_CLOSE,), reads=False, closes=True),
    EndingGuess("close(), and data came later", (_CLOSE,), closes=True),
    EndingGuess("connect() to AF_UNSPEC", (("disconnect", ()),), closes=True),
)
"""The endings that send a RST."""

NONE_AT_ALL = (EndingGuess("no call", ()),)
"""Where the near side did not end it, or the capture is over before."""
