"""Makes programs from a seed: the same seed and theme, the same programs. Pure.

A segment is one that a peer would send but for few respects: a second odd thing hides what is done with the first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from random import Random
from typing import TypeGuard, TypeVar

from msgspec.structs import asdict, replace

from harness.explore.attempt import (
    ACK_FROM,
    SEQ_FROM,
    SIZED,
    SOCKET_OPTIONS,
    SYSCTLS,
    About,
    Act,
    Attempt,
    AttemptStep,
    Icmp,
    Pause,
    Put,
)
from harness.explore.numbers import MSS
from harness.explore.starts import STARTS
from harness.explore.themes import THEMES, Theme
from harness.tcp.segment import SYN, Flags
from harness.wire.icmp import KINDS

T = TypeVar("T")

MOST_STEPS = 15

_OTHER_START = 0.3
"""How many programs come into their first state on a way that is another in one step, of all."""

_OTHER_WINDOW = 0.1
"""How many begin with another window of the peer's than the largest, of all."""
_OTHER_BITS = 0.05
"""How many begin with a SYN of the peer's that has more bits set, of all."""

_ODD = {0: 3, 1: 6, 2: 3, 3: 1}
"""In how many respects a segment is not what a peer would send."""
_RESPECTS = {"seq": 4, "ack": 3, "window": 2, "options": 3, "length": 4, "bits": 1}
# half the circle away a number is neither before nor behind another, and no RFC says what it is then
_NEAR = {0: 4, 1: 5, -1: 5, 5: 2, -5: 1, 100: 1, 2**20: 1, -(2**20): 1, 2**31 - 1: 1, 1 - 2**31: 1}
_WINDOWS = {0: 3, 1: 2, 1000: 2, 1500: 1, 5000: 2}
# segments for a window of 1 are so short that it counts how many frames lie in one page of the kernel's
_SYN_WINDOWS = {size: weight for size, weight in _WINDOWS.items() if size != 1}
_USUAL = tuple(name for name in SOCKET_OPTIONS if name != "fastopen")
"""Options that a socket of any theme may have."""
_LANDMARK = 0.6
"""How often a number that is odd counts from the usual landmark."""
_BITS = (Flags.PSH, Flags.URG, Flags.ECE, Flags.CWR, Flags.AE, Flags.ECE | Flags.CWR, Flags.ECE | Flags.CWR | Flags.AE)
# what an error says of a route's MTU stays with the route, and so with later programs
_ERRORS = {
    version: tuple(name for name, kind in KINDS.items() if kind[version == 6] and name != "packet too big")
    for version in (4, 6)
}


def attempt(seed: int, number: int, theme: Theme) -> Attempt:
    """The program of a number, from 0 on."""
    chance = Random(f"{seed} {number}")
    if theme.mixed:
        theme = dataclasses.replace(THEMES[_pick(chance, theme.mixed)], longest_ms=theme.longest_ms)
    steps = list(_start(chance, theme))
    if not theme.usual_syn and chance.random() < 0.4:
        offered = chance.choice(("full", "full", "full", "stamped", "wide"))
        steps = [replace(step, options=offered) if _is_syn(step) else step for step in steps]
    if chance.random() < _OTHER_WINDOW:
        window = _pick(chance, _SYN_WINDOWS)
        steps = [replace(step, window=window) if _is_syn(step) else step for step in steps]
    if chance.random() < _OTHER_BITS:
        bits = chance.choice(_BITS)
        steps = [replace(step, flags=step.flags | bits) if _is_syn(step) else step for step in steps]
    if steps and chance.random() < _OTHER_START:
        at = chance.randrange(len(steps))
        steps[at] = with_another_value(chance, steps[at], theme)
    if chance.random() < theme.settings:
        steps.insert(0, _setting(chance, theme))
    more = chance.randint(1, 6 if chance.random() < 0.8 else MOST_STEPS)
    version = 6 if chance.random() < theme.ipv6 else 4
    steps += [one_step(chance, theme, version) for _ in range(more)]
    return Attempt(tuple(steps[:MOST_STEPS]), version)


def _start(chance: Random, theme: Theme) -> Iterator[AttemptStep]:
    for connection in range(1, chance.randint(2, theme.connections) + 1 if theme.connections > 1 else 2):
        if connection > 1:
            yield About(connection)
        yield from STARTS[_pick(chance, theme.starts)]


def _setting(chance: Random, theme: Theme) -> Act:
    """What counts for the sockets that the program makes."""
    name = chance.choice((*SYSCTLS, *_USUAL, *SIZED, *SIZED, *SIZED))
    return Act(name, _pick(chance, theme.buffers) if name in SIZED else 0)


def _is_syn(step: AttemptStep) -> TypeGuard[Put]:
    return isinstance(step, Put) and bool(step.flags & SYN)


def one_step(chance: Random, theme: Theme, version: int = 4) -> AttemptStep:
    """A step as a theme makes it likely, over that version of IP."""
    match _pick(chance, theme.kinds):
        case "act":
            name = _pick(chance, theme.calls)
            if name in SIZED:
                return Act(name, _pick(chance, theme.buffers))
            return Act(name, max(1, _pick(chance, theme.sizes)) if name in ("send", "recv") else 0)
        case "icmp":
            return Icmp(chance.choice(_ERRORS[version]), chance.choice((0, -1)))
        case "about":
            return About(chance.randint(1, theme.connections))
        case "pause":
            return Pause(_pick(chance, {ms: weight for ms, weight in theme.pauses.items() if ms <= theme.longest_ms}))
    return _segment(chance, theme)


def _segment(chance: Random, theme: Theme) -> Put:
    flags = _pick(chance, theme.flags)
    put = Put(flags, options=theme.usual_syn if flags & SYN else theme.usual)
    respects = dict(_RESPECTS)
    for _ in range(_pick(chance, _ODD)):
        respect = _pick(chance, respects)
        del respects[respect]
        put = _odd(chance, put, respect, theme)
    return replace(put, length=min(put.length, MSS // 2)) if _is_syn(put) else put  # no SYN in every part of a burst


def _odd(chance: Random, put: Put, respect: str, theme: Theme) -> Put:
    """The segment with another value in that respect."""
    match respect:
        case "seq":
            return replace(put, seq=_pick(chance, _NEAR), seq_from=_landmark(chance, SEQ_FROM))
        case "ack":
            return replace(put, ack=_pick(chance, _NEAR), ack_from=_landmark(chance, ACK_FROM))
        case "window":
            return replace(put, window=_pick(chance, _SYN_WINDOWS if put.flags & SYN else _WINDOWS))
        case "options":
            return replace(put, options=chance.choice(theme.syn_options if put.flags & SYN else theme.options))
        case "bits":
            return replace(put, flags=put.flags | chance.choice(_BITS))
    return replace(put, length=_pick(chance, theme.sizes))


def _landmark(chance: Random, landmarks: tuple[str, ...]) -> str:
    return landmarks[0] if chance.random() < _LANDMARK else chance.choice(landmarks[1:])


def with_another_value(chance: Random, step: AttemptStep, theme: Theme) -> AttemptStep:
    """A step with one field as another step of the same kind has it; another step where it has one field alone."""
    if isinstance(step, Put) and chance.random() < 0.8:
        return _odd(chance, step, _pick(chance, _RESPECTS), theme)
    other = one_step(chance, theme)
    if type(step) is not type(other) or len(asdict(step)) == 1:
        return other
    name = chance.choice(sorted(asdict(step)))
    return other if name == "name" else replace(step, **{name: asdict(other)[name]})


def _pick(chance: Random, weights: Mapping[T, int]) -> T:
    return chance.choices(list(weights), list(weights.values()))[0]
