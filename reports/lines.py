"""Lines of text with colours: the same lines for a terminal, a pipe and a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.tcp.timing import MS
from harness.tcp.verdict import Outcome

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Line = list[tuple[str, str]]
"""Pieces of text with the style that rich gives them; together one line."""

WIDTH = 100
"""Columns of a report that is not for a terminal."""

AFTER_COMMAS = re.compile(r"[^,]*,|[^,]+")
"""The pieces of a list whose parts have spaces, for ``wrap``: a segment's options."""

_AFTER_SPACES_AND_COMMAS = re.compile(r"[^ ,]*[ ,]|[^ ,]+")
_PARTS_OF_AN_ID = re.compile(r"(?:::|\[)?(?:(?!::|\[|/).)*(?:/|(?=::|\[|$))")
_FINER = {AFTER_COMMAS: _AFTER_SPACES_AND_COMMAS, _AFTER_SPACES_AND_COMMAS: _PARTS_OF_AN_ID}
"""Where a piece is broken that is too long by itself."""
_DRAWN = str.maketrans("│┊─◀▶", "|:-<>")

OUTCOME_STYLES = {
    Outcome.CONFORMS: "green",
    Outcome.DEVIATES: "bold red",
    Outcome.UNSUPPORTED: "yellow",
    Outcome.LOST: "bold magenta",
}
OUTCOME_MARKS = {Outcome.CONFORMS: ".", Outcome.DEVIATES: "X", Outcome.UNSUPPORTED: "-", Outcome.LOST: "?"}
"""What stands for an outcome where there is no room for the word."""


def plain(lines: Iterable[Line]) -> str:
    """The lines without colours, and without spaces at their ends."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def coloured(lines: Iterable[Line]) -> Text:
    """The lines for rich; none is folded."""
    from rich.text import Text  # noqa: PLC0415 - 40 ms that plain text does not need

    texts = [Text.assemble(*line, no_wrap=True, overflow="ignore") for line in lines]
    for text in texts:
        text.rstrip()
    return Text("\n", no_wrap=True, overflow="ignore").join(texts)


def in_ascii(lines: Iterable[Line]) -> list[Line]:
    """The lines for an output that has no line-drawing characters; what else it lacks becomes a question mark."""
    return [
        [(text.translate(_DRAWN).encode("ascii", "replace").decode(), style) for text, style in line] for line in lines
    ]


def wrap(text: str, width: int, pieces: re.Pattern[str] = _AFTER_SPACES_AND_COMMAS) -> list[str]:
    """The text in lines of at most ``width`` columns, broken between its pieces; none for an empty one."""
    return [line.rstrip() for line in _broken(text, width, pieces)]


def _broken(text: str, width: int, pieces: re.Pattern[str]) -> list[str]:
    lines: list[str] = []
    for piece in pieces.findall(text):
        if lines and len(lines[-1]) + len(piece.rstrip()) <= width:
            lines[-1] += piece
            continue
        rest = piece.lstrip() if lines else piece
        if len(rest.rstrip()) <= width:
            lines.append(rest)
        elif finer := _FINER.get(pieces):
            lines += _broken(rest, width, finer)
        else:
            lines += [rest[start : start + width] for start in range(0, len(rest), width)]
    return [line for line in lines if line]


def set_in(text: str, depth: int, style: str, width: int) -> list[Line]:
    """The text ``depth`` columns from the left, and where it goes on two more; together ``width`` columns wide."""
    return [
        [(" " * (depth + 2 * bool(number)) + line, style)]
        for number, line in enumerate(wrap(text, width - depth - 2) or [""])
    ]


def width_of(console: Console) -> int:
    """How wide a report for this console may be: a pipe or a file has no width but the one that COLUMNS gives it."""
    return console.width if console.is_terminal or "COLUMNS" in os.environ else WIDTH


def show(console: Console, lines: Iterable[Line]) -> None:
    """Print lines that were made for the console's width."""
    fit = lines if console.encoding.startswith("utf") else in_ascii(lines)
    console.print(coloured(fit), soft_wrap=True)


def short_ms(low: int, high: int) -> str:
    """A time, or the range of several, in milliseconds with as many places as tell them apart from nothing."""
    texts = dict.fromkeys(_ms(ns / MS) for ns in (low, high))
    return "-".join(texts) + " ms"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"
