"""A ladder as SVG: lanes with the sockets' states as bands along them, and pauses folded. Needs nothing beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from html import escape
from importlib.resources import files
from typing import NamedTuple

from harness.tcp.timing import MS, PROMPT
from reports.columns import Arrow, LadderRow
from reports.ladder import Ladder, length

_LETTER = 7.3  # how wide a letter of the 12 px fixed-width face is
_ROW = 30
_REMARK = 12  # more, where something stands below the arrow
_FOLD = 40
_LONGEST_WAY = 40  # for the time that passes without being folded: a pixel for 1 ms
_SLOPE = 6  # an arrow arrives lower than it set out
_TOP = 44
_BAND = 10
_GAP = 10
_NARROWEST_SPAN = 190
_SIDES = ("client", "server")
_CLASSES = {"red": "rst", "bold red": "rst", "cyan": "in", "green": "out", "bold green": "out", "dim": "dim"}
# XML has no way to write these, so a payload that holds one would make the whole picture unreadable
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@lru_cache(maxsize=1 << 14)  # the same segments come in thousands of cases
def in_xml(text: str) -> str:
    """Any text as the content of an element or a quoted attribute; what XML cannot hold is replaced."""
    return escape(_NOT_IN_XML.sub("\ufffd", text))


@cache
def styles() -> str:
    """The CSS of a ladder, for a page that holds pictures without their own."""
    return (files("reports.pages") / "ladder.css").read_text(encoding="utf-8")


def picture(drawn: Ladder, *, name: str = "", own_style: bool = True, odd: str = "", marked: int = -1) -> str:
    """The ladder as an SVG element; with its own style it is a file by itself.

    Args:
        drawn: a ladder; what a brief one leaves out is shown where the pointer rests on it.
        name: what it is called for those who cannot see it.
        own_style: whether the CSS is inside.
        odd: the segment that a verdict rests on, in full: the last such arrow is marked.
        marked: when an arrow was seen that is marked instead, ns since the epoch.
    """
    return _Picture(drawn, odd, marked).svg(name, own_style=own_style)


class _Beside(NamedTuple):
    """What stands beside a lane in one row: right of it, or left where it is the client's."""

    left: bool
    state: str
    side: str


def _beside(row: LadderRow) -> _Beside:
    whose, _, state = row.state.rpartition(" ")
    first, _, rest = row.side.partition(" ")
    side = rest if first in _SIDES else row.side
    return _Beside("client" in (whose, first), state, side)


class _Picture:
    def __init__(self, drawn: Ladder, odd: str, marked: int) -> None:
        self._ladder, self._rows = drawn, drawn.rows
        self._beside = [_beside(row) for row in self._rows]
        self._several = len({row.connection for row in self._rows if row.connection}) > 1
        self._sockets = len({row.connection for row in self._rows if row.state}) if self._several else 1
        odd_ones = (n for n, row in enumerate(self._rows) if row.arrow and (row.at == marked or row.arrow.whole == odd))
        self._odd = max(odd_ones, default=-1)
        self._tops, self._height = self._down()
        self._left_state, left_side = self._widths(left=True)
        self._right_state, right_side = self._widths(left=False)
        self._times = [f"{(row.at - drawn.zero) / MS:.3f}" for row in self._rows]
        times = max(map(len, self._times), default=2)
        first = 28 + times * _LETTER + left_side + self._left_state + len(drawn.lanes[0]) * _LETTER / 2
        span = max([_NARROWEST_SPAN, *(_span(row.arrow) for row in self._rows if row.arrow)])
        self._time_end = 8 + times * _LETTER
        self._lanes = [round(first + number * span) for number in range(len(drawn.lanes))]
        right = self._right_state + right_side + 2 * _GAP
        self._width = round(self._lanes[-1] + max(right, len(drawn.lanes[-1]) * _LETTER / 2) + _GAP)

    def _down(self) -> tuple[list[int], int]:
        """Where each row stands, and where the last one ends."""
        tops: list[int] = []
        y, before = _TOP, None
        for row in self._rows:
            if before is not None:
                passed = row.at - before.at
                y += _FOLD if passed > PROMPT.ns else round(min(_LONGEST_WAY, passed / MS))
            tops.append(y)
            y += _ROW + (_REMARK if row.arrow and row.arrow.remark else 0)
            before = row
        return tops, y

    def _widths(self, *, left: bool) -> tuple[float, float]:
        """How much room states and what else is told take on one side of the lanes."""
        found = [one for one in self._beside if one.left == left]
        state = max((len(one.state) for one in found if one.state), default=-1)
        side = max((len(one.side) for one in found), default=0)
        mark = 3 if self._several else 0
        return (state + 1 + mark) * _LETTER + _BAND * min(4, self._sockets) if state >= 0 else 0.0, side * _LETTER

    def svg(self, name: str, *, own_style: bool) -> str:
        style = f"<style>{styles()}</style>" if own_style else ""
        return "".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" class="ladder" width="{self._width}" height="{self._height}"'
                f' viewBox="0 0 {self._width} {self._height}" role="group" aria-label="{in_xml(name)}">{style}',
                *self._frame(),
                *self._bands(),
                *self._folds(),
                *map(self._row, range(len(self._rows))),
                "</svg>\n",
            )
        )

    def _frame(self) -> Iterator[str]:
        yield f'<rect class="paper" width="{self._width}" height="{self._height}"/>'
        if self._odd >= 0:
            yield self._reach("odd", self._odd)
        yield _text(self._time_end, 16, "ms", "dim end")
        for x, name in zip(self._lanes, self._ladder.lanes, strict=True):
            yield _text(x, 16, name, "name mid")
            yield f'<path class="lane" d="M{x} 24V{self._height - 4}"/>'
        if not self._rows:
            yield _text(self._lanes[0] + _GAP, _TOP, "nothing was recorded", "dim")

    def _bands(self) -> Iterator[str]:
        """Each socket's states along its kernel's lane, from where each was seen to where the next was."""
        open_: dict[tuple[bool, int], tuple[str, int]] = {}
        for row, beside, top in zip(self._rows, self._beside, self._tops, strict=True):
            if beside.state:
                key = beside.left, row.connection
                y = top + (_SLOPE if row.arrow else 0)
                yield from self._band(key, open_.get(key), y)
                open_[key] = beside.state, y
        for key, begun in open_.items():
            yield from self._band(key, begun, self._height - 4)

    def _band(self, key: tuple[bool, int], begun: tuple[str, int] | None, end: int) -> Iterator[str]:
        if begun is None or begun[0] == "CLOSED":
            return
        state, start = begun
        left, connection = key
        shift = _BAND * ((connection - 1) % 4) if self._several and connection else 0
        x = (self._lanes[0] - shift if left else self._lanes[-1] + shift) - _BAND // 2
        yield (
            f'<rect class="band s-{in_xml(state)}" x="{x}" y="{start}" width="{_BAND}" height="{end - start}">'
            f"<title>{in_xml(state)}</title></rect>"
        )

    def _folds(self) -> Iterator[str]:
        for number, (before, row) in enumerate(zip(self._rows, self._rows[1:], strict=False), 1):
            if row.at - before.at > PROMPT.ns:
                y = self._tops[number] - _FOLD + 2
                for x in self._lanes:
                    yield f'<path class="fold" d="M{x - 14} {y}l9 -6 10 12 9 -6"/>'
                middle = (self._lanes[0] + self._lanes[1]) / 2
                yield _text(middle, y + 4, f"{length(row.at - before.at)} pass", "dim mid")

    def _row(self, number: int) -> str:
        row, beside, y = self._rows[number], self._beside[number], self._tops[number]
        time, arrow = self._times[number], row.arrow
        whole = arrow.whole or arrow.label if arrow else beside.side or beside.state
        remark = f"  ({arrow.remark})" if arrow and arrow.remark else ""
        return (
            f'<g class="row"><title>{time} ms  {in_xml(whole + remark)}</title>{self._reach("reach", number)}'
            f'<text class="dim end" x="{self._time_end:.0f}" y="{y + 4}">{time}</text>'
            f"{self._arrow(arrow, y) if arrow else ''}{self._besides(row, beside, y + 4)}</g>"
        )

    def _reach(self, kind: str, number: int) -> str:
        """The whole of a row, to be marked or pointed at."""
        arrow = self._rows[number].arrow
        high = _ROW + (_REMARK if arrow and arrow.remark else 0)
        return f'<rect class="{kind}" x="2" y="{self._tops[number] - 18}" width="{self._width - 4}" height="{high}"/>'

    def _arrow(self, arrow: Arrow, y: int) -> str:
        tail, head = self._lanes[arrow.tail], self._lanes[arrow.head]
        right = head > tail
        tail, head = (tail + 6, head - 6) if right else (tail - 6, head + 6)
        kind = _CLASSES.get(arrow.style, "in")
        tip = "m-5 -5l10 10m0 -10l-10 10" if arrow.ends else "m-8 -6l8 6-9 4" if right else "m8 -6l-8 6 9 4"
        middle = (tail + head) / 2
        drawn = f'<path class="arrow {kind}" d="M{tail} {y}L{head} {y + _SLOPE}{tip}"/>'
        drawn += _text(middle, y - 4, arrow.label, f"{kind} mid")
        if arrow.remark:
            sign = "\N{BLACK FLAG} " if "challenge" in arrow.remark else ""
            drawn += _text(middle, y + 18, f"{sign}{arrow.remark}", "remark mid")
        return drawn

    def _besides(self, row: LadderRow, beside: _Beside, y: int) -> str:
        if not (beside.state or beside.side):
            return ""
        ends, sign = (" end", -1) if beside.left else ("", 1)
        lane = self._lanes[0 if beside.left else -1]
        mark = f"#{row.connection} " if self._several and row.connection else ""
        drawn = ""
        if beside.state:
            sockets = _BAND * min(4, self._sockets)
            drawn = _text(lane + sign * sockets, y, mark + beside.state, f"state{ends}")
        if beside.side:
            beyond = self._left_state if beside.left else self._right_state
            drop = row.side_style == "red"
            if drop:
                drawn += f'<path class="arrow rst" d="M{lane - 5} {y - 9}l10 10m0 -10l-10 10"/>'
            kind = "rst" if drop else "dim" if row.side_style == "dim" else "call"
            text = beside.side if beside.state else mark + beside.side
            drawn += _text(lane + sign * (beyond + _GAP), y, text, kind + ends)
        return drawn


def _span(arrow: Arrow) -> float:
    """How far apart two lanes have to stand for it."""
    longest = max(len(arrow.label), len(arrow.remark) + 2)
    return (longest * _LETTER + 28) / arrow.spans


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}">{in_xml(text)}</text>'
