"""What two runs of one scenario did differently: the answer, its time, the segments, the counters. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from harness.tcp.options import Option
from harness.tcp.segment import PSH, Segment, format_flags
from harness.tcp.timing import Span, TimingProfile
from harness.trace.events import Event, Forwarded, Received
from harness.trace.records import Result
from reports.lines import short_ms

REPEATABLE_NS = 100_000
"""How far two runs lie apart where time stands still while code runs.

Two runs of one kernel: below 20 us where the peer is finwait's own, and up to 61 us where it is a program of its own,
which takes its turns with the one that forwards.
"""

TICK_NS = 4_000_000
"""How much later a timer may expire on one kernel than on another: a tick of a clock with 250 of them a second."""

_TOLD = {"opt 29": 2, "opt 30": 1, "opt 253": 2, "opt 254": 2}
"""How many of an option's first bytes say what it is, where it is none of the named ones.

The keys' numbers of TCP-AO (RFC 5925 2.2), MPTCP's subtype and version (RFC 8684 3.1), an experiment's number (RFC
6994 3). The rest hangs on a key, and so does all of a Fast Open cookie (RFC 7413 4.1.2) and of an MD5 digest (RFC 2385
3.0).
"""

_COUNTERS = {
    # Tcp (RFC 4022)
    "a connection opened, given up, reset": "ActiveOpens PassiveOpens AttemptFails EstabResets OutRsts",
    "a segment repeated or refused": "RetransSegs InErrs InCsumErrors",
    # TcpExt (net/ipv4/proc.c)
    "a connection being opened": """SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts ListenOverflows
        ListenDrops TCPReqQFullDoCookies TCPReqQFullDrop TCPDeferAcceptDrop TCPSynRetrans TCPSYNChallenge
        TCPTimeWaitOverflow TWRecycled TWKilled TCPFastOpenActive TCPFastOpenActiveFail TCPFastOpenPassive
        TCPFastOpenPassiveFail TCPFastOpenCookieReqd""",
    "one that ended other than by FINs": """TCPAbortOnData TCPAbortOnClose TCPAbortOnTimeout TCPAbortOnLinger
        TCPAbortOnMemory TCPAbortFailed""",
    "a segment that was not acceptable (RFC 5961, RFC 7323 5, RFC 2385)": """TCPChallengeACK TCPACKSkippedSynRecv
        TCPACKSkippedPAWS TCPACKSkippedSeq TCPACKSkippedFinWait2 TCPACKSkippedTimeWait TCPACKSkippedChallenge
        PAWSActive PAWSEstab OutOfWindowIcmps TCPMinTTLDrop TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure
        TCPZeroWindowDrop TCPRcvQDrop TCPOFOQueue TCPOFODrop TCPOFOMerge""",
    "what was sent again, why, and what was taken back": """TCPTimeouts TCPLossProbes TCPLossProbeRecovery
        TCPFastRetrans TCPSlowStartRetrans TCPLostRetransmit TCPRetransFail TCPSpuriousRTOs TCPRenoRecovery
        TCPSackRecovery TCPRenoReorder TCPSACKReorder TCPTSReorder TCPFullUndo TCPPartialUndo TCPDSACKUndo
        TCPLossUndo TCPSACKReneging TCPSACKDiscard TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv TCPDSACKOfoRecv
        TCPDSACKIgnoredOld TCPDSACKIgnoredNoUndo""",
    "a peer that reads nothing or says nothing": """TCPWinProbe TCPKeepAlive TCPFromZeroWindowAdv
        TCPToZeroWindowAdv TCPWantZeroWindowAdv""",
}

COUNTERS = frozenset(name for names in _COUNTERS.values() for name in names.split())
"""The counters that tell what TCP decided, by the names that /proc/net/snmp and netstat give them.

All of them exist since 5.10, so that a counter which a later kernel added is never taken for a change of behaviour.
Left out is what tells of the machine instead: octets and packets (the segments themselves are compared), IP and ICMP,
the fast path's hits (TCPHPHits, TCPPureAcks, TCPHPAcks), work that moved between softirq and process
(TCPBacklogCoalesce, TCPRcvCoalesce, DelayedACKLocked), memory, and what a timer counts after the scenario's end (TW,
DelayedACKs).
"""


def group_free(name: str) -> str:
    """A counter's name without nstat's group in front: ``TcpExtTCPChallengeACK`` is ``TCPChallengeACK``."""
    return name.removeprefix("TcpExt") if name.startswith("TcpExt") else name.removeprefix("Tcp")


_SPLIT = {"PAWSTimewait": "PAWSEstab"}
"""What a later kernel counts apart, and an earlier one with others."""


def counters(result: Result) -> dict[str, int]:
    """The counters that tell behaviour, by their short names; what one kernel counts apart, all count together."""
    named = Counter[str]()
    for name, value in result.counters.items():
        short = group_free(name)
        named[_SPLIT.get(short, short)] += value
    return {name: value for name, value in sorted(named.items()) if name in COUNTERS}


def counter_changes(before: Result, after: Result) -> list[str]:
    """One text for each counter that grew by another number."""
    first, second = counters(before), counters(after)
    return [
        f"{name} +{second.get(name, 0)}, was +{first.get(name, 0)}"
        for name in sorted(first | second)
        if first.get(name, 0) != second.get(name, 0)
    ]


def answer_changes(before: Result, after: Result) -> list[str]:
    """What is new in the declared alternative that was seen."""
    if before.answer == after.answer:
        return []
    return [f"answer {after.answer or 'none of those declared'}, was {before.answer or 'none of those declared'}"]


def timing_changes(before: Result, profile: TimingProfile, after: Result, profile_after: TimingProfile) -> list[str]:
    """Whether the same answer came later or earlier than the slowness of the two machines can explain.

    An answer's true time is at most what was measured, and what was measured is late by the profile's slack and the
    timer wheel's rounding at most. So the later one counts as later only when it lies above the upper bound that its
    own machine's profile gives for the earlier one.
    """
    if before.answer_ns < 0 or after.answer_ns < 0 or before.answer != after.answer:
        return []
    times = f"after {short_ms(after.answer_ns, after.answer_ns)}, was {short_ms(before.answer_ns, before.answer_ns)}"
    if after.answer_ns > _bound(before.answer_ns, profile_after):
        return [f"answer later: {times}"]
    if before.answer_ns > _bound(after.answer_ns, profile):
        return [f"answer earlier: {times}"]
    return []


def _bound(ns: int, profile: TimingProfile) -> int:
    ticks = TICK_NS if ns > REPEATABLE_NS else 0  # what came at once waited for no timer
    return max(profile.upper(Span(ns, "the other run's")), ns + REPEATABLE_NS + ticks)


class SentByKernel(NamedTuple):
    """A segment of a kernel's, when it came in ns since the epoch, and what of it is compared, as text."""

    segment: Segment
    at: int
    text: str


class Parting(NamedTuple):
    """Where the segments of one sender first differ between two runs.

    Args:
        sender: ``kernel``, or a side of a path.
        place: how many were the same before.
        was: in the first run; None where it sent no more.
        now: in the second.
    """

    sender: str
    place: int
    was: SentByKernel | None
    now: SentByKernel | None

    def __str__(self) -> str:
        was, now = (one.text if one else "none" for one in (self.was, self.now))
        return f"segment {self.place + 1} of the {self.sender}'s: {now}, was {was}"

    @property
    def shape(self) -> str:
        """The same without numbers, which are others in each scenario, and in words where a dot alone would stand."""
        if self.was is None or self.now is None:
            sent = self.now or self.was
            return f"the {self.sender} sends {'one more' if self.now else 'no'} {_named(sent.segment) if sent else ''}"
        was, now = self.was.segment, self.now.segment
        if _named(was) != _named(now):
            return f"the {self.sender} sends {_named(now)}, was {_named(was)}"
        fields = {"seq": (was.seq, now.seq), "length": (len(was.data), len(now.data)), "ack": (was.ack, now.ack)}
        other = [f"another {name}" for name, (first, second) in fields.items() if first != second]
        return f"the {self.sender}'s {_named(now)} has {' and '.join(other) or 'other options'}"


def _letters(segment: Segment) -> str:
    return format_flags(segment.flags & ~PSH)


def _named(segment: Segment) -> str:
    letters = _letters(segment)
    return "ACK" if letters == "." else letters


def partings(before: Iterable[Event], after: Iterable[Event]) -> list[Parting]:
    """Where the kernel's segments first differ: flags, numbers, options, but not times, windows and timestamps.

    A window follows the memory that the machine gives to sockets, PSH may be set as a sender likes, and the bytes of
    an option that is none of the named ones hang on a key, see ``_TOLD``. What two applications say to each other on a
    path is left out where the scenario leaves it open.
    """
    first, second = _by_sender(before), _by_sender(after)
    found = (_parting(sender, first.get(sender, []), second.get(sender, [])) for sender in sorted(first | second))
    return [one for one in found if one]


def _parting(sender: str, first: Sequence[SentByKernel], second: Sequence[SentByKernel]) -> Parting | None:
    for place, (was, now) in enumerate(zip_longest(first, second)):
        if not was or not now or was.text != now.text:
            return Parting(sender, place, was, now)
    return None


def _by_sender(events: Iterable[Event]) -> dict[str, list[SentByKernel]]:
    """How the segments of two kernels interleave hangs on when each was sent, so each kernel's stand for themselves."""
    found: dict[str, list[SentByKernel]] = {}
    for event in events:
        if isinstance(event, Received) or (isinstance(event, Forwarded) and event.step):
            sender = event.side if isinstance(event, Forwarded) else "kernel"
            of = f"#{event.connection} " if event.connection != 1 else ""
            text = of + _essence(event.segment)
            found.setdefault(sender, []).append(SentByKernel(event.segment, event.at, text))
    return found


def _essence(segment: Segment) -> str:
    options = ",".join(map(_option, segment.options))
    text = f"{_letters(segment)} {segment.seq}:{segment.end}({len(segment.data)}) ack {segment.ack}"
    return text + (f" <{options}>" if options else "")


def _option(option: Option) -> str:
    if option.raw:
        told = option.raw[: _TOLD.get(option.name, 0)]
        return f"{Option(option.name, raw=told)} with {len(option.raw) - len(told)} bytes"
    return option.name if option.name == "TS" else str(option)


def changes(
    before: Result,
    after: Result,
    profiles: tuple[TimingProfile, TimingProfile],
    timelines: tuple[Iterable[Event], Iterable[Event]],
) -> tuple[str, ...]:
    """All that the second run of a scenario did differently, one text each; none where it did the same."""
    kept = all(result.timeline for result in (before, after))
    return (
        *answer_changes(before, after),
        *timing_changes(before, profiles[0], after, profiles[1]),
        *(map(str, partings(*timelines)) if kept else ()),
        *counter_changes(before, after),
    )
