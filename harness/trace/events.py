"""What happened in a scenario, in order: segments, calls, and what the probes saw. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort_right
from collections.abc import Iterator
from operator import attrgetter

import msgspec

from harness.program.recording import Recording
from harness.tcp.segment import Segment
from harness.tcp.timing import format_ms


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """The peer put a segment on the wire; ``at`` is the kernel's stamp, ns since the epoch."""

    at: int
    segment: Segment
    step: str
    connection: int = 1


class Received(msgspec.Struct, frozen=True, tag="received"):
    """The kernel under test put a segment on the wire. ``verdict`` is the alternative that it matched."""

    at: int
    segment: Segment
    step: str = ""
    connection: int = 1


class Called(msgspec.Struct, frozen=True, tag="called"):
    """A system call of the endpoint; ``at`` when it was entered, ``end`` when it was back.

    ``side`` is ``client`` or ``server`` where both ends are kernels. ``ports`` are the socket's own and that of its
    other end; 0 where it has none.
    """

    at: int
    end: int
    call: str
    result: str
    step: str = ""
    connection: int = 1
    side: str = ""
    ports: tuple[int, int] = (0, 0)


class Probed(msgspec.Struct, frozen=True, tag="probed"):
    """What a probe saw of the kernel's inside: explains a verdict, never makes one.

    ``side`` is ``client`` or ``server`` where both ends are kernels.
    """

    at: int
    source: str
    text: str
    state: str = ""
    connection: int = 1
    side: str = ""


class Forwarded(msgspec.Struct, frozen=True, tag="forwarded"):
    """A segment came to the path between two kernels. Times are the kernel's stamps, ns since the epoch.

    Args:
        at: when it arrived.
        segment: in relative numbers.
        side: whence: ``client`` or ``server``.
        left: when it, and each further copy of it, went on; empty where it did not.
        fate: forwarded, held, dropped, duplicated, corrupted, delayed, reordered, limited or lost.
        rule: what the scenario said that brought this about; empty where nothing did.
        step: the scenario's step that it belongs to.
        connection: its number on the path.
    """

    at: int
    segment: Segment
    side: str
    left: tuple[int, ...] = ()
    fate: str = "forwarded"
    rule: str = ""
    step: str = ""
    connection: int = 1


Event = Sent | Received | Called | Probed | Forwarded


_AT = attrgetter("at")


class Timeline:
    """The events of one scenario, in the order of their time. Steps are numbered as they are announced."""

    def __init__(self) -> None:
        self.recording = Recording()
        self._events: list[Event] = []
        self._step = 0

    def step(self, text: str) -> str:
        """Number the next step of the scenario and return how it is called."""
        self._step += 1
        return f"{self._step}: {text}"

    def add(self, event: Event) -> None:
        """Record an event; events of several sources may come out of order, and those of one moment keep theirs."""
        insort_right(self._events, event, key=_AT)

    def replace(self, old: Event, new: Event) -> None:
        """Put more into an event that was recorded before it was judged; its time stays."""
        place = bisect_left(self._events, old.at, key=_AT)
        while self._events[place] is not old:
            place += 1
        self._events[place] = new

    def __iter__(self) -> Iterator[Event]:
        """The events in the order of their time, as they are now: a loop may add to them."""
        return iter(self._events.copy())

    def __len__(self) -> int:
        return len(self._events)


def describe(event: Event) -> str:
    """One line for an event, without its time: ``<`` from the peer or the client, ``>`` from the kernel under test."""
    match event:
        case Sent():
            return f"< {event.segment}"
        case Received():
            return f"> {event.segment}"
        case Forwarded():
            fate = "" if event.fate == "forwarded" else f"   {event.fate}"
            return f"{'<' if event.side == 'client' else '>'} {event.segment}{fate}"
        case Called():
            return f"  {_of(event.side)}{event.call} = {event.result}"
        case Probed():
            return f"  {_of(event.side)}{event.source}: {event.text}"


def _of(side: str) -> str:
    return f"{side}: " if side else ""


def so_far(timeline: Timeline) -> list[str]:
    """What happened, one line each with its time, without what the probes saw."""
    events = [event for event in timeline if not isinstance(event, Probed)]
    start = events[0].at if events else 0
    lines = [(describe(event), format_ms(event.at - start)) for event in events]
    width = max((len(text) for text, _ in lines), default=0)
    return [f"{text:<{width}}  +{when}" for text, when in lines]


class Frame(msgspec.Struct, frozen=True):
    """One frame as captured at the peer's end of the pair; ``at`` is the kernel's stamp, ns since the epoch.

    ``step`` is the scenario's step that the frame belongs to, with what became of it.
    """

    at: int
    outgoing: bool
    data: bytes
    step: str = ""
