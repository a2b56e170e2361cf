"""What happened in a scenario, in order: segments, calls, and what the probes saw. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort_right
from collections.abc import Iterable, Iterator
from operator import attrgetter

import msgspec

from harness.program.recording import Recording
from harness.tcp.kernel_view import socket_text
from harness.tcp.segment import Segment
from harness.tcp.timing import MS, format_ms


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """The peer put a segment on the wire; ``at`` is the kernel's stamp, ns since the epoch."""

    at: int
    segment: Segment
    step: str
    connection: int = 1


class Received(msgspec.Struct, frozen=True, tag="received"):
    """The kernel under test put a segment on the wire.

    ``judged`` is the alternative that it matched, or why it matched none; empty where there was only one.
    """

    at: int
    segment: Segment
    step: str = ""
    connection: int = 1
    judged: str = ""


class OtherPacket(msgspec.Struct, frozen=True, tag="other packet"):
    """A packet that is no segment passed the wire: a message of ICMP, or a datagram of UDP.

    Args:
        at: the kernel's stamp, or where there is none when it was sent; ns since the epoch.
        what: it is: ``ICMP port unreachable``.
        about: which segment an error of ICMP is, where that is told.
        of_kernel: whether the kernel under test sent it, and not the peer.
        step: the scenario's step that it is.
        connection: that it is about.
    """

    at: int
    what: str
    about: Segment | None = None
    of_kernel: bool = False
    step: str = ""
    connection: int = 1

    @property
    def text(self) -> str:
        """What it is, and what it is about."""
        return f"{self.what} about {self.about}" if self.about else self.what


class Called(msgspec.Struct, frozen=True, tag="called"):
    """A system call of the endpoint, a sysctl that was set, or a program that was run.

    Args:
        at: when it was entered.
        end: when it was back.
        name: of the call: ``send``, ``sysctl``, ``run``.
        arguments: without the socket; data by their length, constants by name.
        result: what it gave: a number, such as the length of data, or a text.
        error: the errno's name where it failed.
        step: the scenario's step that it is.
        connection: the socket's number.
        side: ``client`` or ``server`` where both ends are kernels.
        ports: the socket's own and that of its other end; 0 where it has none.
    """

    at: int
    end: int
    name: str
    arguments: tuple[int | str, ...] = ()
    result: int | str = 0
    error: str = ""
    step: str = ""
    connection: int = 1
    side: str = ""
    ports: tuple[int, int] = (0, 0)

    @property
    def call(self) -> str:
        """The call as C has it, without the socket."""
        return call_text(self.name, self.arguments)


def call_text(name: str, arguments: Iterable[int | str]) -> str:
    """A call as C has it."""
    return f"{name}({', '.join(map(str, arguments))})"


class Probed(msgspec.Struct, frozen=True, tag="probed"):
    """What a probe saw inside the kernel: explains a verdict, never makes one.

    Args:
        at: when.
        source: the probe, or the program that reported it.
        what: happened, in a few words; empty where the socket's state is all.
        state: the socket's from now on, where it is told; CLOSED where there is none.
        was: its state before, where that is told.
        holder: who has the socket, where that is told, see ``harness.tcp.kernel_view.HOLDERS``.
        details: what belongs to it by name, such as a drop's reason.
        connection: the socket's number.
        side: ``client`` or ``server`` where both ends are kernels.
    """

    at: int
    source: str
    what: str = ""
    state: str = ""
    was: str = ""
    holder: str = ""
    details: dict[str, int | str] = {}
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
        judged: see ``Received``.
    """

    at: int
    segment: Segment
    side: str
    left: tuple[int, ...] = ()
    fate: str = "forwarded"
    rule: str = ""
    step: str = ""
    connection: int = 1
    judged: str = ""


Event = Sent | Received | OtherPacket | Called | Probed | Forwarded


_AT = attrgetter("at")


class Timeline:
    """The events of one scenario, in the order of their time. Steps are numbered as they are announced."""

    def __init__(self) -> None:
        self.recording = Recording()
        self.numbers: dict[tuple[int, int], int] = {}  # of connections, by the kernel's port and the other end's
        self._events: list[Event] = []
        self._step = 0

    def step(self, text: str) -> str:
        """Number the next step of the scenario and return how it is called."""
        self._step += 1
        return f"{self._step}: {text}"

    def add(self, event: Event) -> None:
        """Record an event; events of several sources may come out of order, and those of one moment keep theirs."""
        if self._events and event.at < self._events[-1].at:
            insort_right(self._events, event, key=_AT)
        else:
            self._events.append(event)

    def replace(self, old: Event, new: Event) -> None:
        """Put more into an event that was recorded before it was judged; its time stays."""
        place = bisect_left(self._events, old.at, key=_AT)
        while self._events[place] is not old:
            place += 1
        self._events[place] = new

    def number(self, port: int, connection: int) -> None:
        """The calls on a socket of this port that had no other end yet were on this connection."""
        for event in self:
            if isinstance(event, Called) and event.ports == (port, 0):
                self.replace(event, msgspec.structs.replace(event, connection=connection))

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
        case OtherPacket():
            return f"{'>' if event.of_kernel else '<'} {event.text}"
        case Forwarded():
            fate = "" if event.fate == "forwarded" else f"   {event.fate}"
            return f"{'<' if event.side == 'client' else '>'} {event.segment}{fate}"
        case Called():
            return f"  {_of(event.side)}{event.call} = {event.error or event.result}"
        case Probed():
            return f"  {_of(event.side)}{event.source}: {seen_text(event)}"


def seen_text(event: Probed) -> str:
    """What a probe saw, in a few words."""
    if event.source == "sock_diag":
        return socket_text(event.state, event.holder)
    went = " -> ".join(filter(None, (event.was, event.state or event.what)))
    told = " ".join(f"{name} {value}" if isinstance(value, int) else value for name, value in event.details.items())
    return ": ".join(filter(None, (went, told)))


def _of(side: str) -> str:
    return f"{side}: " if side else ""


def begin(timeline: Timeline) -> int:
    """When the first thing happened that no probe saw, which times are told from; ns since the epoch, 0 for nothing."""
    return next((event.at for event in timeline if not isinstance(event, Probed)), 0)


def connections(timeline: Timeline) -> set[int]:
    """The numbers of the connections that something happened on."""
    return {event.connection for event in timeline if event.connection}


def so_far(timeline: Timeline) -> list[str]:
    """What happened, one line each behind its time, without what the probes saw.

    The number of the connection comes first where there are several.
    """
    events = [event for event in timeline if not isinstance(event, Probed)]
    start, several = begin(timeline), len(connections(timeline)) > 1
    times = [f"+{format_ms(event.at - start)}" for event in events]
    width = max(map(len, times), default=0)
    numbers = [f"#{number} " if number else "   " for number in map(_number, events)] if several else [""] * len(events)
    return [
        f"{when:>{width}}  {number}{describe(event)}{_back(event, start)}"
        for when, number, event in zip(times, numbers, events, strict=True)
    ]


def _number(event: Event) -> int:
    """The connection that an event is told of; a sysctl is no connection's."""
    return 0 if isinstance(event, Called) and event.name == "sysctl" else event.connection


_SHORT_NS = 10 * MS
"""A call that takes no longer is not said to have waited."""


def _back(event: Event, start: int) -> str:
    """When a call came back that waited."""
    waited = isinstance(event, Called) and event.end - event.at > _SHORT_NS
    return f"   back at +{format_ms(event.end - start)}" if isinstance(event, Called) and waited else ""


def ended_at(timeline: Timeline, at: int) -> str:
    """What was over at this moment, as ``so_far`` tells it; empty where nothing was."""
    lines = so_far(timeline)
    events = (event for event in timeline if not isinstance(event, Probed))
    ends = [event.end if isinstance(event, Called) else event.at for event in events]
    found = [line.strip() for line, end in zip(lines, ends, strict=True) if end == at]
    return found[-1] if found else ""


class Frame(msgspec.Struct, frozen=True):
    """One frame as captured at the peer's end of the pair; ``at`` is the kernel's stamp, ns since the epoch.

    ``step`` is the scenario's step that the frame belongs to, with what became of it.
    """

    at: int
    outgoing: bool
    data: bytes
    step: str = ""
