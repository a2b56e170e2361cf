"""Settings of the near side's system that its answers tell of, beside those of its SYN. Pure."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from harness.capture.conversation import Sighting
from harness.capture.facts import Facts
from harness.tcp.segment import ACK, RST, SYN, distance
from harness.tcp.timing import MS

_SERVES_ALL = 1 | 2 | 0x200 | 0x400  # no cookie, and no option of the listener, is asked for (ip-sysctl.rst)
_USUAL_LIMIT_MS = 500


class Sysctl(NamedTuple):
    """A setting: its file below /proc/sys, the value, and what tells of it."""

    name: str
    value: int
    told: str


def sysctls(facts: Facts) -> Iterator[Sysctl]:
    """All of them."""
    if facts.fast_open:
        yield Sysctl("net/ipv4/tcp_fastopen", _SERVES_ALL, "data of a SYN are taken, by whatever cookie")
    if limit := _limit(facts):
        told = "what asks for an ACK that says nothing new is not always answered"
        yield Sysctl("net/ipv4/tcp_invalid_ratelimit", limit, told)
    if probe := _probe_of_the_path(facts):
        copies, size = probe
        told = "what was sent again in vain is sent in smaller segments"
        yield Sysctl("net/ipv4/tcp_mtu_probing", 1, told)
        yield Sysctl("net/ipv4/tcp_retries1", max(1, copies - 1), f"{copies} copies came before them")
        yield Sysctl("net/ipv4/tcp_base_mss", size, "they have as many octets")


def _limit(facts: Facts) -> int:
    """Milliseconds between two ACKs of this kind; 0 where each segment that asks for one was answered."""
    return max((_limit_of(asked, answers) for asked, answers in _asked(facts).values()), default=0)


def _limit_of(asked: list[int], answers: list[int]) -> int:
    unanswered = [at for at in asked if at not in answers and answers and answers[0] <= at]
    ignored = [at - max(one for one in answers if one <= at) for at in unanswered]
    if not ignored or max(ignored) >= _USUAL_LIMIT_MS * MS:
        return 0  # so long after an answer no limit is the reason
    pauses = [later - before for before, later in itertools.pairwise(answers)]
    least = min(pauses, default=_USUAL_LIMIT_MS * MS)
    if least >= _USUAL_LIMIT_MS * MS:
        return _USUAL_LIMIT_MS
    return max(1, (max((one for one in ignored if one < least), default=0) + least) // (2 * MS))


def _asked(facts: Facts) -> dict[int, tuple[list[int], list[int]]]:
    """When segments came that ask for an ACK that says nothing new, and when those of them that got it, by their flags.

    A segment of other flags may be left unanswered for another reason.
    """
    found: dict[int, tuple[list[int], list[int]]] = {}
    came, waits = 1, -1
    for one in facts.sightings:
        segment, kind = one.segment, int(one.segment.flags)
        if one.side == facts.near:
            if waits >= 0 and not one.length and not segment.flags & (SYN | RST):
                asked, answers = found[waits]
                answers.append(asked[-1])
                waits = -1
        elif _says_nothing_new(one, came):
            found.setdefault(kind, ([], []))[0].append(one.at)
            waits = kind
        elif distance(came, segment.seq) <= 0:
            came = segment.next_seq
    return found


def _says_nothing_new(far: Sighting, came: int) -> bool:
    segment = far.segment
    if segment.flags & SYN:
        return bool(segment.flags & ACK) or segment.seq != 0
    if segment.flags & RST:
        return segment.seq != came
    return distance(came, segment.next_seq) < 0 or (far.length > 0 and segment.next_seq == came)


def _probe_of_the_path(facts: Facts) -> tuple[int, int] | None:
    """How many copies a timer has sent of a segment before it sends less of it, and how much (RFC 4821 7.7)."""
    sizes, copies = dict[int, int](), Counter[int]()
    for place, one in enumerate(facts.sightings):
        if one.side != facts.near or not one.segment.data:
            continue
        seq, size = one.segment.seq, len(one.segment.data)
        known = sizes.setdefault(seq, size)
        if facts.by_a_timer(place) and size < known and known > facts.room // 2:
            return copies[seq], size
        copies[seq] += facts.by_a_timer(place)
    return None
