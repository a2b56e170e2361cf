"""Lines of text with colours: the same lines for a terminal, a pipe and a file."""

from __future__ import annotations

import os
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
