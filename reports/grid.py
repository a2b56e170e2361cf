"""A table of text: headings, rows in sections, columns as wide as what stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.lines import Line

Cell = tuple[str, str]
"""A text and its style."""


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
        """Columns that the table takes."""
        return max([sum(self._widths()) + 2 * (len(self.headings) - 1), *(len(part.title) for part in self.sections)])

    def lines(self) -> list[Line]:
        """The table as text with styles."""
        widths = self._widths()
        lines = [
            self._line([(heading, "bold") for heading in self.headings], widths),
            [(self.rule * self.width, "dim")],
        ]
        for section in self.sections:
            if section.title:
                lines.append([(section.title, "italic")])
            lines += [self._line(row, widths) for row in section.rows]
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
