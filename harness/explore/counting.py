"""Which counters of the kernel's code a program moves, read inside the kernel that is asked."""

from __future__ import annotations

import struct
import zlib
from itertools import compress
from operator import ne

from harness.code.notes import counters
from harness.errors import FinwaitError
from harness.explore.attempt import CodeReached
from harness.probes.code_counts import CodeCounts

OBJECTS = "net/ipv4/tcp"
"""How the names of the objects begin that are read."""


class MovedCounters:
    """The counters of a kernel that counts its code, from here on; to be closed.

    Raises:
        FinwaitError: the kernel does not count.
    """

    def __init__(self) -> None:
        try:
            self._counts = CodeCounts(OBJECTS)
        except OSError as error:
            raise FinwaitError(f"the kernel does not count its code ({error.strerror})") from error
        self._counts.reset()
        contents = self._counts.read()
        self._sizes = tuple(map(len, contents))
        self._layouts = [_layout(one) for one in contents]
        self._data = contents
        self._last = self._numbers()
        self._moved: list[tuple[int, ...]] = []

    def take(self) -> None:
        """What was moved since the last time is the next program's."""
        self._data = self._counts.read()
        now = self._numbers()
        self._moved.append(tuple(compress(range(len(now)), map(ne, now, self._last))))
        self._last = now

    def close(self) -> CodeReached:
        """Let go, and tell what all programs have moved."""
        self._counts.close()
        objects = tuple(zip(self._counts.objects, self._sizes, strict=True))
        return CodeReached(objects, zlib.compress(b"".join(self._data), level=1), tuple(self._moved))

    def _numbers(self) -> tuple[int, ...]:
        found: list[int] = []
        for layout, content in zip(self._layouts, self._data, strict=True):
            found += layout.unpack_from(content)
        return tuple(found)


def _layout(content: bytes) -> struct.Struct:
    """Where the counters of an object stand, in their order."""
    code, end = "=", 0
    for place, number in sorted(counters(content).values()):
        code += f"{place - end}x{number}Q"
        end = place + 8 * number
    return struct.Struct(code)
