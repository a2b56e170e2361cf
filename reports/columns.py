"""The columns of a ladder: how wide each is, and how one row of it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import msgspec

from reports.lines import AFTER_COMMAS, Line, wrap

NARROWEST = 60
"""Columns that a ladder needs at least."""

_LANE, _PAUSE, _SHAFT, _LEFT, _RIGHT = "│┊─◀▶"
_LEAD = 4  # the arrow's head or its shaft, in front of the label
_TAIL = 4  # and behind it
_AROUND = 5  # a remark on the shaft: a space on each side, and a piece of the shaft in front of it
_AROUND_LABEL = _LEAD + _TAIL + 2
_NARROWEST_SIDE = 14
_WIDEST_SIDE = 24  # fits shutdown(SHUT_RDWR) = 0; more is wrapped where it would cost the arrows their room
_WIDEST_STATE = 19  # fits the state of one of two kernels: client SYN-RECEIVED
_MARK = 4  # the column that tells connections apart
_STATE = "bold yellow"
_COLOURS = ("", "blue", "magenta", "yellow", "green")


class Arrow(msgspec.Struct, frozen=True):
    """A segment that travels from one lane to another, across those in between.

    Args:
        tail: number of the lane that it leaves.
        head: number of the lane that it reaches.
        label: what travels.
        remark: what became of it.
        style: its colour.
        whole: the label with all that a brief one leaves out.
        ends: whether it got no further than its head.
    """

    tail: int
    head: int
    label: str
    remark: str = ""
    style: str = ""
    whole: str = ""
    ends: bool = False

    @property
    def spans(self) -> int:
        """How many gaps between lanes it crosses."""
        return abs(self.head - self.tail)


class LadderRow(msgspec.Struct, frozen=True):
    """One moment: an arrow, or something at the kernel's side alone.

    Args:
        at: ns since the epoch.
        connection: which connection it belongs to; 0 for none.
        arrow: what travels, if anything does.
        side: what stands beside the last lane: a call, or what a probe saw.
        side_style: the colour of ``side``.
        state: what the socket's state became.
    """

    at: int
    connection: int = 0
    arrow: Arrow | None = None
    side: str = ""
    side_style: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands. Widths are in columns.

    Args:
        lanes: names from left to right.
        time: of the column of times.
        mark: of the column that tells connections apart, 0 for none.
        span: between two neighbouring lanes.
        state: of the column of states, right of the last lane; 0 for none.
        side: right of that, for calls and notes.
    """

    lanes: tuple[str, ...]
    time: int
    mark: int
    span: int
    state: int
    side: int

    @classmethod
    def fitted(cls, width: int, lanes: tuple[str, ...], times: Sequence[str], rows: Sequence[LadderRow]) -> Layout:
        """The layout that shows all in ``width`` columns, and is no wider than it has to be.

        Where that is too little, options go to a second line first, then what stands at the side is wrapped, and
        segments last.
        """
        time = max([2, *map(len, times)])
        mark = _MARK if len({row.connection for row in rows if row.connection}) > 1 else 0
        state = min(_WIDEST_STATE, max([0, *(len(row.state) for row in rows)]))
        arrows = [row.arrow for row in rows if row.arrow]
        side = max([_NARROWEST_SIDE, len(lanes[-1]) // 2, *(len(row.side) for row in rows)])
        wanted = min(side, _WIDEST_SIDE)
        heads = max([len(lanes[0]) + _AROUND_LABEL, *(_per_span(arrow, _head(arrow)) for arrow in arrows)])
        whole = max([heads, *(_per_span(arrow, _whole(arrow)) for arrow in arrows)])
        spans = len(lanes) - 1
        # two columns after the times, one after the last lane, two after the state
        free = width - (time + 2 + mark + len(lanes) + 1 + (state + 2 if state else 0))
        span = min(whole, max(heads, (free - wanted) // spans))
        # what is too long for the side goes below the state, so that the two may be narrow together
        span = min(span, (free - max(2, _NARROWEST_SIDE - state)) // spans)
        return cls(lanes, time, mark, span, state, min(side, free - span * spans))

    def lane(self, number: int) -> int:
        """The column in which a lane's line stands."""
        return self.time + 2 + self.mark + number * (self.span + 1)


def draw_title(layout: Layout) -> list[Line]:
    """The heading: a name over each lane."""
    title = f"{'ms':>{layout.time}}"
    end = layout.lane(len(layout.lanes) - 1) + 2 + layout.side + layout.state
    for number, name in enumerate(layout.lanes):
        start = min(layout.lane(number) - len(name) // 2, end - len(name))
        title = title.ljust(max(len(title) + 2, start)) + name
    below = _between(layout, _LANE)
    if layout.state:
        below.append((" state", "dim italic"))
    return [[(title, "bold")], below]


def draw_pause(layout: Layout, length: str) -> Line:
    """A row for time that passes without anything happening; a narrow one says only how long."""
    line = _between(layout, _PAUSE)
    said = next((text for text in (f" {length} pass ", f" {length} ") if len(text) <= layout.span), length)
    return [*line[:2], (said[: layout.span].center(layout.span), "dim italic"), *line[3:]]


def _between(layout: Layout, lane: str) -> Line:
    line: Line = [(" " * layout.lane(0), ""), (lane, "dim")]
    for _ in layout.lanes[1:]:
        line += [(" " * layout.span, ""), (lane, "dim")]
    return line


def draw_row(layout: Layout, time: str, row: LadderRow) -> list[Line]:
    """One moment, in as many lines as its texts need."""
    path: list[Line] = _draw_arrow(layout, row.arrow) if row.arrow else [[]]
    beside = _beside(layout, row)
    mark = f"#{row.connection}" if layout.mark and row.connection else ""
    first = [(f"{time:>{layout.time}}  ", "dim"), (mark.ljust(layout.mark), _colour(row.connection))]
    rest = [(" " * layout.lane(0), "")]
    lines: list[Line] = []
    for arrow, pieces in zip_longest(path, beside):
        line: Line = list(rest if lines else first)
        number = 0
        while number < len(layout.lanes):
            line.append((_LANE, "dim"))
            here = bool(arrow) and row.arrow is not None and number == min(row.arrow.tail, row.arrow.head)
            if number < len(layout.lanes) - 1:
                line += arrow if arrow and here else [(" " * layout.span, "")]
            number += row.arrow.spans if here and row.arrow else 1
        line += pieces or []
        lines.append(line)
    return lines


def _beside(layout: Layout, row: LadderRow) -> list[Line]:
    """What stands right of the last lane: the state, and beside it the note, or below it where it is too long."""
    column = f" {row.state[: layout.state]:<{layout.state}} " if layout.state else ""
    if len(row.side) <= layout.side:
        return [[(column, _STATE), (f" {row.side}", row.side_style)]] if row.state or row.side else []
    notes = wrap(row.side, layout.state + layout.side)
    return [
        *([[(column, _STATE)]] if row.state else []),
        *([(f"   {note}" if layout.state else f" {note}", row.side_style)] for note in notes),
    ]


def _whole(arrow: Arrow) -> int:
    """How wide an arrow is with all its text on its shaft."""
    remark = len(arrow.remark) + _AROUND if arrow.remark else 0
    return len(arrow.label) + remark + _AROUND_LABEL


def _head(arrow: Arrow) -> int:
    """How wide it is with its options on a line of their own."""
    return len(arrow.label.partition(" <")[0]) + _AROUND_LABEL


def _per_span(arrow: Arrow, width: int) -> int:
    """How wide each gap must be for an arrow of a width; the lanes that it crosses give it room too."""
    return -(-(width - arrow.spans + 1) // arrow.spans)


def _draw_arrow(layout: Layout, arrow: Arrow) -> list[Line]:
    width = layout.span * arrow.spans + arrow.spans - 1
    room = width - _AROUND_LABEL
    rightwards = arrow.head > arrow.tail
    lines = _label_lines(arrow.label, room)
    # The remark goes onto the shaft where it leaves three columns of it free, and below the label otherwise.
    on_shaft = bool(arrow.remark) and len(lines[0]) + len(arrow.remark) + _AROUND <= room
    remarks = wrap(f"({arrow.remark})", room) if arrow.remark and not on_shaft else []
    lead = _SHAFT * _LEAD if rightwards else _LEFT + _SHAFT * (_LEAD - 1)
    tail = _SHAFT * (_TAIL - 1) + (_RIGHT if rightwards else _SHAFT)
    remark = f" {arrow.remark} " if on_shaft else ""
    shaft = _SHAFT * (room - len(lines[0]) - len(remark))
    first: Line = [
        (f"{lead} ", arrow.style),
        (lines[0], arrow.style),
        (f" {shaft}", arrow.style),
        (remark, _STATE),
        (tail, arrow.style),
    ]
    dim = "dim " + arrow.style.removeprefix("bold ")
    below = [(line, dim) for line in lines[1:]] + [(line, _STATE) for line in remarks]
    return [first, *([((" " * (_LEAD + 1) + line).ljust(width), style)] for line, style in below)]


def _label_lines(label: str, room: int) -> list[str]:
    if len(label) <= room:
        return [label]
    head, bracket, options = label.partition(" <")
    # An option is taken apart only where it is too long by itself.
    return wrap(head, room) + wrap((bracket + options).strip(), room, AFTER_COMMAS)


def _colour(connection: int) -> str:
    return "bold " + _COLOURS[1 + (connection - 1) % (len(_COLOURS) - 1)] if connection else ""
