"""Makes programs from a seed: the same seed and theme, the same programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from msgspec.structs import replace

from harness.errors import FinwaitError
from harness.explore.attempt import SYSCTLS, About, Act, Attempt, AttemptStep, Icmp, Pause, Put
from harness.explore.numbers import MSS
from harness.tcp.segment import ACK, CWR, ECE, FIN, NONE, PSH, RST, SYN, URG
from harness.wire.icmp import KINDS

T = TypeVar("T")

MOST_STEPS = 15

_SYN, _SYN_ACK, _ACK, _FIN = Put(SYN), Put(SYN | ACK), Put(ACK), Put(FIN | ACK)
_HALF_OPEN = (Act("listen"), _SYN)
_UNACCEPTED = (*_HALF_OPEN, _ACK)
_PASSIVE = (*_UNACCEPTED, Act("accept"))
_ACTIVE = (Act("connect"), _SYN_ACK)
_END = Act("shutdown_wr")

STARTS: Mapping[str, tuple[AttemptStep, ...]] = {
    "CLOSED": (),
    "LISTEN": (Act("listen"),),
    "SYN-SENT": (Act("connect"),),
    "SYN-RECEIVED": _HALF_OPEN,
    "SYN-RECEIVED crossed": (Act("connect"), _SYN),
    "ESTABLISHED unaccepted": _UNACCEPTED,
    "ESTABLISHED": _PASSIVE,
    "ESTABLISHED actively": _ACTIVE,
    "FIN-WAIT-1": (*_PASSIVE, _END),
    "FIN-WAIT-1 orphaned": (*_PASSIVE, Act("close")),
    "FIN-WAIT-2": (*_PASSIVE, _END, _ACK),
    "FIN-WAIT-2 orphaned": (*_PASSIVE, Act("close"), _ACK),
    "CLOSE-WAIT": (*_PASSIVE, _FIN),
    "CLOSE-WAIT unaccepted": (*_UNACCEPTED, _FIN),
    "CLOSING": (*_PASSIVE, _END, Put(FIN | ACK, ack=-1)),
    "CLOSING orphaned": (*_PASSIVE, Act("close"), Put(FIN | ACK, ack=-1)),
    "LAST-ACK": (*_PASSIVE, _FIN, _END),
    "LAST-ACK orphaned": (*_PASSIVE, _FIN, Act("close")),
    "TIME-WAIT": (*_PASSIVE, _END, _FIN),
    "TIME-WAIT orphaned": (*_PASSIVE, Act("close"), _FIN),
    "ESTABLISHED with ECN": (Act("tcp_ecn_1"), Act("listen"), Put(SYN | ECE | CWR), _ACK, Act("accept")),
    "ESTABLISHED actively with ECN": (Act("tcp_ecn_1"), Act("connect"), Put(SYN | ACK | ECE)),
}
"""The eleven states, in the ways in which they are held: steps of the program like all others."""


@dataclass(frozen=True, slots=True)
class Theme:
    """What a program is likely to do; each mapping gives weights.

    Args:
        starts: names of ``STARTS``.
        flags: of segments.
        calls: names of ``CALLS``.
        kinds: ``put``, ``act``, ``pause``, ``icmp`` and ``about``.
        sizes: octets of data, of segments and calls.
        settings: how many programs begin with a sysctl, of all.
        connections: at most, each of which begins as ``starts`` say; ``about`` is a kind then.
    """

    starts: Mapping[str, int]
    flags: Mapping[int, int]
    calls: Mapping[str, int]
    kinds: Mapping[str, int]
    sizes: Mapping[int, int]
    settings: float = 0.0
    connections: int = 1


_FLAGS = {
    **{int(ACK): 8, int(FIN | ACK): 6, int(PSH | ACK): 2, int(RST): 2, int(RST | ACK): 2, int(SYN): 2},
    **{int(SYN | ACK): 1, int(FIN): 1, int(NONE): 1, int(SYN | FIN): 1, int(SYN | RST | FIN | ACK): 1},
    **{int(URG | ACK): 1, int(ECE | CWR | SYN): 1},
}
_CLOSING_CALLS = {"close": 3, "shutdown_wr": 3, "shutdown_rdwr": 2, "shutdown_rd": 1, "send": 2, "recv": 2}
_SETTINGS = {"linger_0": 1, "linger2_120": 1, "abort": 1}
_RARE = dict.fromkeys(("nodelay", "cork", "keepalive", "user_timeout", "defer_accept"), 1)
_SIZES = {0: 8, 1: 3, 5: 3, 1448: 1}
_ANY_STATE = dict.fromkeys(STARTS, 1)
_OPENED = [name for name in STARTS if not name.startswith(("CLOSED", "LISTEN", "SYN-"))]

THEMES: Mapping[str, Theme] = {
    "closing": Theme(
        dict.fromkeys(_OPENED, 1),
        _FLAGS,
        {**_CLOSING_CALLS, **_SETTINGS, "accept": 1},
        {"put": 7, "act": 3},
        _SIZES,
    ),
    "opening": Theme(
        {name: 3 if name.startswith(("LISTEN", "SYN-", "CLOSED")) else 1 for name in STARTS},
        {**_FLAGS, int(SYN): 6, int(SYN | ACK): 4, int(RST): 4},
        {"accept": 3, "connect": 3, "listen": 2, "close": 2, "send": 1, "recv": 1, "shutdown_wr": 1, "abort": 1},
        {"put": 8, "act": 2},
        _SIZES,
    ),
    "windows": Theme(
        {"ESTABLISHED": 3, "ESTABLISHED unaccepted": 2, "ESTABLISHED actively": 2, "CLOSE-WAIT": 1, "FIN-WAIT-2": 1},
        {**_FLAGS, int(PSH | ACK): 10},
        {"send": 6, "recv": 4, "shutdown_wr": 2, "close": 1, "rcvbuf": 2},
        {"put": 7, "act": 3},
        {0: 3, 1: 3, 5: 2, 1448: 3, 20_000: 1, 60_000: 2},
    ),
    "time": Theme(
        _ANY_STATE,
        _FLAGS,
        {**_CLOSING_CALLS, **_SETTINGS, "accept": 1, "connect": 1},
        {"put": 5, "act": 2, "pause": 3},
        _SIZES,
    ),
    "several": Theme(
        {name: 1 for name in STARTS if STARTS[name][:1] == (Act("listen"),)} | {"ESTABLISHED": 4, "LISTEN": 3},
        {**_FLAGS, int(SYN): 6},
        {**_CLOSING_CALLS, "accept": 4, "abort": 1, "linger_0": 1, "defer_accept": 1},
        {"put": 6, "act": 3, "about": 3},
        _SIZES,
        connections=3,
    ),
    "any": Theme(
        _ANY_STATE,
        _FLAGS,
        {**_CLOSING_CALLS, **_SETTINGS, "accept": 1, "connect": 1, "listen": 1, "rcvbuf": 1, **_RARE},
        {"put": 32, "act": 12, "pause": 4, "icmp": 1},
        {**_SIZES, 20_000: 1},
        settings=0.1,
    ),
}

# half the circle away a number is neither before nor behind another, and no RFC says what it is then
_NEAR = {0: 24, 1: 5, -1: 5, 5: 2, -5: 1, 100: 1, 2**20: 1, -(2**20): 1, 2**31 - 1: 1, 1 - 2**31: 1}
_WINDOWS = {65535: 12, 0: 3, 1: 2, 1000: 2}
_OPTIONS = {"": 40, "none": 4, "stale": 8, "unsent": 2, "malformed": 1, "unknown": 1, "sack": 3}
# what an error says of a route's MTU stays with the route, and so with later programs
_ERRORS = tuple(name for name, kind in KINDS.items() if kind.v4 and name != "packet too big")
# none is a timer's length, nor the sum of some: a segment that comes at the end of a pause comes before or after it
_PAUSES = {2: 2, 55: 2, 1_370: 4, 3_870: 2, 61_700: 2, 7_250_000: 1}


def theme_of(name: str) -> Theme:
    """A theme by its name.

    Raises:
        FinwaitError: there is none of that name.
    """
    if name not in THEMES:
        raise FinwaitError(f"there is no theme {name!r}", hint=", ".join(THEMES))
    return THEMES[name]


def attempt(seed: int, number: int, theme: Theme) -> Attempt:
    """The program of a number, from 0 on."""
    chance = Random(f"{seed} {number}")
    steps = list(_start(chance, theme))
    if chance.random() < 0.4:
        steps = [replace(step, options="full") if _is_syn(step) else step for step in steps]
    if theme.settings and chance.random() < theme.settings:
        steps.insert(0, Act(chance.choice(SYSCTLS)))
    more = chance.randint(1, 6 if chance.random() < 0.8 else MOST_STEPS)
    steps += [one_step(chance, theme) for _ in range(more)]
    return Attempt(tuple(steps[:MOST_STEPS]))


def _start(chance: Random, theme: Theme) -> Iterator[AttemptStep]:
    for connection in range(1, chance.randint(2, theme.connections) + 1 if theme.connections > 1 else 2):
        if connection > 1:
            yield About(connection)
        yield from STARTS[_pick(chance, theme.starts)]


def _is_syn(step: AttemptStep) -> bool:
    return isinstance(step, Put) and bool(step.flags & SYN)


def one_step(chance: Random, theme: Theme) -> AttemptStep:
    """A step as a theme makes it likely."""
    match _pick(chance, theme.kinds):
        case "act":
            name = _pick(chance, theme.calls)
            return Act(name, max(1, _pick(chance, theme.sizes)) if name in ("send", "recv") else 0)
        case "icmp":
            return Icmp(chance.choice(_ERRORS), chance.choice((0, -1)))
        case "about":
            return About(chance.randint(1, theme.connections))
        case "pause":
            return Pause(_pick(chance, _PAUSES))
    from_right = chance.random() < 0.15
    put = Put(
        _pick(chance, theme.flags),
        _pick(chance, _NEAR),
        _pick(chance, _NEAR),
        from_right,
        _pick(chance, theme.sizes),
        _pick(chance, _WINDOWS),
        _pick(chance, _OPTIONS),
    )
    return replace(put, length=min(put.length, MSS // 2)) if _is_syn(put) else put  # no SYN in every part of a burst


def _pick(chance: Random, weights: Mapping[T, int]) -> T:
    return chance.choices(list(weights), list(weights.values()))[0]
