"""The functions of a source file in the kernel's style (Documentation/process/coding-style.rst), found by its lines.

The compiler's own list lacks those that it put into their callers before it began to count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.code.index import CodeFunction

_OPENS = re.compile(r"\{\s*$|[A-Za-z_].*\)\s*\{\s*$")
_BREAKS = re.compile(r"\s*$|[#}]|\s*/?\*|.*;\s*$")
_NAME = re.compile(r"\b(?!__printf\b|__attribute__\b|__aligned\b|__section\b)([A-Za-z_]\w*)\s*\(")


def functions_of(text: str) -> tuple[CodeFunction, ...]:
    """The functions of a file: each from the first line of its declaration to the brace that closes it."""
    return tuple(_functions(text.splitlines()))


def _functions(lines: Sequence[str]) -> Iterator[CodeFunction]:
    end = -1
    for place, line in enumerate(lines):
        if place <= end or not _OPENS.match(line):
            continue
        first = place
        while first > 0 and first - 1 > end and not _BREAKS.match(lines[first - 1]):
            first -= 1
        name = _NAME.search(" ".join(lines[first : place + 1]))
        if name is None:
            continue
        end = next((later for later in range(place + 1, len(lines)) if lines[later].startswith("}")), len(lines) - 1)
        yield CodeFunction(name[1], first + 1, end + 1)
