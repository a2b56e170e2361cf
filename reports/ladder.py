"""A scenario as a sequence diagram in text: who sent what when, what the endpoint called, and what its socket became.

Time runs downwards, in ms. Segments stand in packetdrill's notation on the arrow that they travel by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.tcp.kernel_view import HOLDERS
from harness.tcp.segment import RST, Segment
from harness.tcp.timing import MS, PROMPT, format_ms
from harness.trace.events import Called, Event, Forwarded, OtherPacket, Probed, Received, Sent, seen_text
from reports.columns import (
    NARROWEST,
    Arrow,
    LadderRow,
    Layout,
    draw_pause,
    draw_row,
    draw_title,
)
from reports.lines import WIDTH, Line, coloured, in_ascii, plain

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

PEER, KERNEL = 0, 1
CLIENT, BETWEEN, SERVER = 0, 1, 2
_STRAIGHT = ("forwarded", "duplicated", "corrupted")


@dataclass(frozen=True, slots=True)
class Ladder:
    """A drawn-out scenario; ``str`` gives plain text, and rich prints it in colours at the console's width.

    Args:
        rows: in the order of their time.
        zero: the moment that is 0.000, in ns since the epoch.
        lanes: the names of the lanes from left to right.
        width: the most columns a line may have, at least 60.
    """

    rows: tuple[LadderRow, ...]
    zero: int
    lanes: tuple[str, ...] = ("peer", "kernel under test")
    width: int = WIDTH

    def lines(self, width: int | None = None) -> list[Line]:
        """The drawing as pieces of text with their styles."""
        if not self.rows:
            return [[("nothing was recorded", "dim")]]
        times = [self._time(row) for row in self.rows]
        layout = Layout.fitted(max(NARROWEST, width or self.width), self.lanes, times, self.rows)
        lines = draw_title(layout)
        before: LadderRow | None = None
        for time, row in zip(times, self.rows, strict=True):
            # What comes without a timer's help comes promptly; a longer pause is worth an eye.
            if before is not None and row.at - before.at > PROMPT.ns:
                lines.append(draw_pause(layout, length(row.at - before.at)))
            lines += draw_row(layout, time, row)
            before = row
        return lines

    def __str__(self) -> str:
        return plain(self.lines())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Text]:
        lines = self.lines(min(self.width, options.max_width))
        yield coloured(in_ascii(lines) if options.ascii_only else lines)

    def _time(self, row: LadderRow) -> str:
        return f"{(row.at - self.zero) / MS:.3f}"


def ladder(
    events: Iterable[Event],
    *,
    zero: int | None = None,
    width: int = WIDTH,
    kernel: str = "kernel under test",
    brief: bool = False,
) -> Ladder:
    """The sequence diagram of a scenario's timeline.

    A socket's state stands beside what brought it about when it was seen within 1 ms, and on a line of its own
    otherwise. A call that blocked for 1 ms or more while something happened has two lines. Between two kernels the path
    has a lane of its own: an arrow ends there where a segment was held or dropped, and begins there where it went on.

    Args:
        events: of one scenario, in any order.
        zero: ns since the epoch of the moment to call 0.000; the first event's when left out.
        width: columns, 60 or more; less is taken as 60.
        kernel: the heading of the kernel's lane.
        brief: leave out windows and options.
    """
    label: Callable[[Segment], str] = (lambda segment: segment.brief) if brief else str
    ordered = sorted(events, key=lambda event: event.at)
    known: dict[tuple[int, str], tuple[str, str]] = {}
    drawn = [row for event in ordered for row in _rows(event, ordered, known, label)]
    rows: list[LadderRow] = []
    for row in sorted(drawn, key=lambda row: row.at):
        merged = _with_state(rows[-1], row) if rows else None
        if merged:
            rows[-1] = merged
        else:
            rows.append(row)
    start = zero if zero is not None else (rows[0].at if rows else 0)
    between = any(isinstance(event, Forwarded) for event in ordered)
    return Ladder(tuple(rows), start, ("client", "path", "server") if between else ("peer", kernel), width)


def _rows(
    event: Event,
    everything: list[Event],
    known: dict[tuple[int, str], tuple[str, str]],
    label: Callable[[Segment], str],
) -> list[LadderRow]:
    match event:
        case Sent() | Received() | OtherPacket():
            return [LadderRow(event.at, event.connection, _arrow(event, label))]
        case Forwarded():
            return _passage(event, label(event.segment))
        case Called():
            return _call(event, everything)
        case Probed() if event.state:
            return _state(event, known)
        case Probed():
            note = _of(event.side) + (f"{event.source}: " if event.source else "") + seen_text(event)
            style = "red" if event.what == "dropped" else "dim"
            return [LadderRow(event.at, event.connection, side=note, side_style=style)]


def _arrow(event: Sent | Received | OtherPacket, label: Callable[[Segment], str]) -> Arrow:
    match event:
        case OtherPacket():
            ends = (KERNEL, PEER) if event.of_kernel else (PEER, KERNEL)
            about = f" about {label(event.about)}" if event.about else ""
            return Arrow(*ends, event.what + about, style="magenta", whole=event.text)
        case Sent():
            style = "red" if event.segment.flags & RST else "cyan"
            return Arrow(PEER, KERNEL, label(event.segment), style=style, whole=str(event.segment))
    style = "bold red" if event.segment.flags & RST else "bold green"
    return Arrow(KERNEL, PEER, label(event.segment), _judged(event), style, str(event.segment))


def _passage(event: Forwarded, label: str) -> list[LadderRow]:
    """A segment between two kernels: one arrow where it went straight on, else one for each half of its way."""
    client = event.side == "client"
    tail, head = (CLIENT, SERVER) if client else (SERVER, CLIENT)
    judged = _judged(event)
    colour = "red" if event.segment.flags & RST else "cyan" if client else "green"
    fate = "" if event.fate == "forwarded" else event.fate
    remark = ", ".join(filter(None, (fate, judged)))
    straight = bool(event.left) and event.left[0] - event.at < MS and event.fate in _STRAIGHT
    ends = fate in ("dropped", "lost")
    if not event.left and not ends:
        remark += ", and stays"
    whole = str(event.segment)
    first = Arrow(tail, head if straight else BETWEEN, label, remark, colour, whole, ends)
    onwards = Arrow(BETWEEN, head, label, "", colour, whole)
    later = [LadderRow(at, event.connection, onwards) for at in event.left[straight:]]
    return [LadderRow(event.at, event.connection, first), *later]


def _of(side: str) -> str:
    return f"{side} " if side else ""


def _state(event: Probed, known: dict[tuple[int, str], tuple[str, str]]) -> list[LadderRow]:
    """What is new in a look at the socket: its state, and what the probe says beside it."""
    detail = HOLDERS.get(event.holder, event.what)
    key = event.connection, event.side
    before, detail_before = known.get(key, ("", ""))
    known[key] = event.state, detail or detail_before
    state = _of(event.side) + event.state if event.state != before else ""
    # with two kernels there is no room for who holds the socket
    detail = detail if detail != detail_before and not event.side else ""
    return (
        [LadderRow(event.at, event.connection, side=detail, side_style="dim", state=state)] if state or detail else []
    )


def _call(event: Called, everything: list[Event]) -> list[LadderRow]:
    call, gave = _of(event.side) + event.call, event.error or event.result
    blocked = event.end - event.at >= MS
    if blocked and any(event.at < other.at < event.end for other in everything):
        return [
            LadderRow(event.at, event.connection, side=f"{call} ...", side_style="bold"),
            LadderRow(event.end, event.connection, side=f"... {call} = {gave}", side_style="bold"),
        ]
    took = f"  ({format_ms(event.end - event.at)})" if blocked else ""
    return [LadderRow(event.at, event.connection, side=f"{call} = {gave}{took}", side_style="bold")]


def _judged(event: Received | Forwarded) -> str:
    """What became of a segment; or why it belongs to no connection."""
    return event.judged if event.connection else event.step


def length(ns: int) -> str:
    """How long a pause is, as one reads it."""
    if ns < 10_000 * MS:
        return format_ms(ns)
    tenths = round(ns / MS / 100)
    return f"{tenths / 10} s" if tenths < 600 else format_ms(tenths * 100 * MS)


def _with_state(before: LadderRow, row: LadderRow) -> LadderRow | None:
    """The row before with the state that it led to, or None where the state needs a line of its own."""
    if not row.state or row.arrow or before.state or (before.side and row.side):
        return None
    if before.connection != row.connection or row.at - before.at > MS:
        return None
    side, style = (row.side, row.side_style) if row.side else (before.side, before.side_style)
    return LadderRow(before.at, before.connection, before.arrow, side, style, row.state)
