"""The eleven states, in the ways in which a connection comes into them: the steps that programs begin with. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

from msgspec.structs import replace

from harness.explore.attempt import COOKIE, KEYS, SIGNED, SIZED, SOCKET_OPTIONS, SYSCTLS, Act, Attempt, AttemptStep, Put
from harness.tcp.segment import ACK, CWR, ECE, FIN, SYN

Steps = tuple[AttemptStep, ...]

_SYN, _ACK, _FIN = Put(SYN), Put(ACK), Put(FIN | ACK)
_FIN_CROSSED = Put(FIN | ACK, ack=-1)
_HALF_OPEN = (Act("listen"), _SYN)
_UNACCEPTED = (*_HALF_OPEN, _ACK)
_OPENED: Mapping[str, Steps] = {
    "": (*_UNACCEPTED, Act("accept")),
    " actively": (Act("connect"), Put(SYN | ACK)),
    " unaccepted": _UNACCEPTED,
}
_ENDED: Mapping[str, Act] = {"": Act("shutdown_wr"), " orphaned": Act("close")}


def _tails(end: Act) -> Mapping[str, Steps]:
    """What leads from ESTABLISHED into each state that lies behind the end of what the process sends."""
    return {
        "FIN-WAIT-1": (end,),
        "FIN-WAIT-2": (end, _ACK),
        "CLOSING": (end, _FIN_CROSSED),
        "LAST-ACK": (_FIN, end),
        "TIME-WAIT": (end, _FIN),
    }


def _states() -> Iterator[tuple[str, Steps]]:
    yield from (("CLOSED", ()), ("LISTEN", (Act("listen"),)), ("SYN-SENT", (Act("connect"),)))
    yield from (("SYN-RECEIVED", _HALF_OPEN), ("SYN-RECEIVED crossed", (Act("connect"), _SYN)))
    for how, opened in _OPENED.items():
        yield f"ESTABLISHED{how}", opened
        yield f"CLOSE-WAIT{how}", (*opened, _FIN)
        if opened is _UNACCEPTED:
            continue  # nobody holds it who could end it
        for kept, end in _ENDED.items():
            yield from ((f"{state}{how}{kept}", (*opened, *tail)) for state, tail in _tails(end).items())
    sending = (*_OPENED[" actively"], Act("send", 20_000))
    yield from (("ESTABLISHED sending", sending), ("FIN-WAIT-1 sending", (*sending, Act("shutdown_wr"))))
    yield "CLOSE-WAIT sending", (*sending, _FIN)
    yield "ESTABLISHED with ECN", (Act("tcp_ecn_1"), Act("listen"), Put(SYN | ECE | CWR), _ACK, Act("accept"))
    yield "ESTABLISHED actively with ECN", (Act("tcp_ecn_1"), Act("connect"), Put(SYN | ACK | ECE))


def _opened_fast() -> Iterator[tuple[str, Steps]]:
    """The listener takes data with a SYN, where that has the cookie (RFC 7413)."""
    listens = (Act("fastopen"), Act("listen"))
    half_open = (*listens, Put(SYN, length=5, options=COOKIE))
    accepted = (*half_open, Act("accept"))
    for state, steps in (
        ("LISTEN", listens),
        ("SYN-RECEIVED unaccepted", half_open),
        ("SYN-RECEIVED", accepted),
        ("SYN-RECEIVED sending", (*accepted, Act("send", 5))),
        ("FIN-WAIT-1 orphaned", (*accepted, Act("recv", 20), Act("close"))),
        ("ESTABLISHED", (*accepted, _ACK)),
        ("CLOSE-WAIT", (*accepted, _FIN)),
    ):
        yield f"{state} with fast open", steps


def _signed(plain: Mapping[str, Steps]) -> Iterator[tuple[str, Steps]]:
    """Both sides share a key (RFC 2385)."""
    for name, steps in plain.items():
        if name.endswith(("unaccepted", "sending", "ECN")) or not steps:
            continue
        of_peer = (replace(step, options=SIGNED) if isinstance(step, Put) else step for step in steps)
        yield f"{name} signed", (Act("md5_key"), *of_peer)


_PLAIN = dict(_states())
STARTS: Mapping[str, Steps] = {**_PLAIN, **dict(_opened_fast()), **dict(_signed(_PLAIN))}
"""By state and how it is held; steps of a program like all others."""


def lead(attempt: Attempt) -> int:
    """How many steps only lead into the state that a program begins in: one of ``STARTS``, whatever its SYN offers."""
    rests = [attempt.steps[at:] for at in range(_settings(attempt.steps) + 1)]  # a start may have settings of its own
    return max(len(one) for one in STARTS.values() for rest in rests if _begins(rest, one))


def opened_actively(steps: Steps) -> Steps | None:
    """The same on a connection that the kernel has opened, which takes fewer steps; None where it has already."""
    at = _settings(steps)
    accepted = _OPENED[""]
    if not _begins(steps[at:], accepted):
        return None
    syn = steps[at + 1]
    answer = Put(SYN | ACK, options=syn.options if isinstance(syn, Put) else "")
    return (*steps[:at], Act("connect"), answer, *steps[at + len(accepted) :])


def _settings(steps: Sequence[AttemptStep]) -> int:
    """How many steps a program begins with that set something for the sockets to be."""
    several = takewhile(
        lambda step: isinstance(step, Act) and step.name in (*SYSCTLS, *SOCKET_OPTIONS, *SIZED, *KEYS), steps
    )
    return len(list(several))


def _begins(steps: Sequence[AttemptStep], start: Steps) -> bool:
    return tuple(map(_plain, steps[: len(start)])) == tuple(map(_plain, start))


def _plain(step: AttemptStep) -> AttemptStep:
    return replace(step, options="") if isinstance(step, Put) and step.flags & SYN else step
