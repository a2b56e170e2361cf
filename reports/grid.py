"""A table of text: headings, rows in sections, columns as wide as what stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.lines import OUTCOME_MARKS, WIDTH, Line, set_in, wrap

Cell = tuple[str, str]
"""A text and its style."""

_NARROWEST = 16  # a first column


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a heading of their own, which may be empty."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table.

    Args:
        headings: one a column.
        sections: each row has as many cells as there are headings.
        right: the columns whose texts stand at the right.
        rule: the character of the line below the headings.
    """

    headings: tuple[str, ...]
    sections: tuple[Section, ...]
    right: frozenset[int] = frozenset()
    rule: str = "─"

    @property
    def width(self) -> int:
        """Columns that the rows take."""
        return sum(self._widths()) + 2 * (len(self.headings) - 1)

    def lines(self, width: int = WIDTH) -> list[Line]:
        """The table as text with styles; titles and the first column go on in another line where they are too wide.

        Args:
            width: columns that there are.
        """
        widths = self._widths()
        rest = self.width - widths[0]
        widths[0] = min(widths[0], max(width - rest, _NARROWEST))
        most = max(width, widths[0] + rest)
        rule = max([widths[0] + rest, *(min(most, len(part.title)) for part in self.sections)])
        lines = [
            self._line([(heading, "bold") for heading in self.headings], widths),
            [(self.rule * rule, "dim")],
        ]
        for section in self.sections:
            lines += [[(piece, "italic")] for piece in wrap(section.title, most)]
            for row in section.rows:
                *before, last = _broken(row[0], widths[0])
                lines += [*([piece] for piece in before), self._line((last, *row[1:]), widths)]
        return lines

    def _widths(self) -> list[int]:
        rows = [row for section in self.sections for row in section.rows]
        return [
            max([len(heading), *(len(row[number][0]) for row in rows)]) for number, heading in enumerate(self.headings)
        ]

    def _line(self, cells: Sequence[Cell], widths: Sequence[int]) -> Line:
        line: Line = []
        for number, ((text, style), width) in enumerate(zip(cells, widths, strict=True)):
            room = " " * (width - len(text))
            before, after = (room, "") if number in self.right else ("", room)
            line += [(before, ""), (text, style), (after + "  ", "")]
        return line


def _broken(cell: Cell, width: int) -> list[Cell]:
    """The cell in as many as it needs, each as far from the left."""
    text, style = cell
    depth = len(text) - len(text.lstrip())
    return [(" " * depth + piece, style) for piece in wrap(text.lstrip(), width - depth)] or [cell]


def numbers(names: Sequence[str]) -> tuple[str, ...]:
    """Headings of columns that have no room for these names."""
    return tuple(map(str, range(1, len(names) + 1)))


def key(names: Sequence[str], nothing: str, width: int) -> list[Line]:
    """What the marks and ``numbers`` of a narrow table stand for, and a cell with nothing in it."""
    marks = ", ".join(f"{mark} {outcome}" for outcome, mark in OUTCOME_MARKS.items())
    made: list[Line] = [[(f"{marks}, empty: {nothing}", "dim")]]
    for number, name in zip(numbers(names), names, strict=True):
        made += set_in(f"{number}  {name}", 0, "dim", width)
    return made
