"""gcov's notes on an object (.gcno) and its counts (.gcda): which lines the counts say were reached.

gcov itself takes a tenth of a second for each object of a kernel, too long to ask it after each of thousands of
scenarios; the tables and pages of a whole run are gcov's and gcovr's. The formats are those of gcc/gcov-io.h and
gcc/gcov.cc, from GCC 10 on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.errors import FinwaitError

_NOTES, _COUNTS = 0x67636E6F, 0x67636461  # "gcno", "gcda"
_FUNCTION, _ARCS, _LINES, _COUNTERS = 0x01000000, 0x01430000, 0x01450000, 0x01A10000
_ON_TREE = 1
_IN_BYTES_FROM = 12  # GCC 12 counts lengths in bytes, those before in words
_ENTRY, _EXIT = 0, 1


@dataclass(frozen=True, slots=True)
class _Arc:
    source: int
    target: int
    counted: bool


@dataclass(frozen=True)
class CountedFunction:
    """A function as the compiler noted it: its flow graph, and the lines of each block.

    Args:
        ident: its number in the object.
        arcs: from block to block.
        blocks: for each block that has lines, these, by source file and number; inlined ones with their own file's.
    """

    ident: int
    arcs: tuple[_Arc, ...]
    blocks: dict[int, tuple[tuple[str, int], ...]]

    @property
    def lines(self) -> frozenset[tuple[str, int]]:
        """The lines that have code."""
        return frozenset(line for lines in self.blocks.values() for line in lines)

    def reached(self, counts: Sequence[int]) -> frozenset[tuple[str, int]]:
        """The lines that were reached.

        Args:
            counts: of the arcs that are counted, in their order; the others follow from what flows in and out.
        """
        known: list[int | None] = [None] * len(self.arcs)
        numbers = iter(counts)
        for place, arc in enumerate(self.arcs):
            if arc.counted:
                known[place] = next(numbers)
        for place, plus, minus in self._order:
            known[place] = sum(known[one] or 0 for one in plus) - sum(known[one] or 0 for one in minus)
        taken = [arc for arc, count in zip(self.arcs, known, strict=True) if (count or 0) > 0]
        hit = {block for arc in taken for block in (arc.source, arc.target)}
        return frozenset(line for block in hit for line in self.blocks.get(block, ()))

    @cached_property
    def _order(self) -> tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]:
        """The arcs that are not counted, as they can be computed: each is the sum of some less the sum of others."""
        into: dict[int, list[int]] = {}
        out: dict[int, list[int]] = {}
        for place, arc in enumerate(self.arcs):
            out.setdefault(arc.source, []).append(place)
            into.setdefault(arc.target, []).append(place)
        unknown = {place for place, arc in enumerate(self.arcs) if not arc.counted}
        order = []
        waiting = [block for block in {*into, *out} if block not in (_ENTRY, _EXIT)]
        while waiting:
            block = waiting.pop()
            here, there = into.get(block, []), out.get(block, [])
            for own, other in ((here, there), (there, here)):
                open_arcs = [place for place in own if place in unknown]
                if len(open_arcs) == 1 and unknown.isdisjoint(other):
                    (place,) = open_arcs
                    order.append((place, tuple(other), tuple(one for one in own if one != place)))
                    unknown.remove(place)
                    waiting += {self.arcs[place].source, self.arcs[place].target} - {block, _ENTRY, _EXIT}
        return tuple(order)


def stamp(content: bytes) -> int:
    """What tells one compilation from another, in notes and counts alike.

    Raises:
        FinwaitError: it is neither.
    """
    magic, _, number = struct.unpack_from("=III", content) if len(content) >= 12 else (0, 0, 0)
    if magic not in (_NOTES, _COUNTS):
        raise FinwaitError("these are neither notes nor counts of gcov")
    return int(number)


def functions(notes: bytes) -> tuple[CountedFunction, ...]:
    """The functions of an object, from its notes."""
    found: list[tuple[int, list[_Arc], dict[int, tuple[tuple[str, int], ...]]]] = []
    for tag, record in _records(notes):
        if tag == _FUNCTION:
            found.append((record.word(), [], {}))
        elif tag == _ARCS and found:
            source = record.word()
            while record.more:
                target, flags = record.word(), record.word()
                found[-1][1].append(_Arc(source, target, not flags & _ON_TREE))
        elif tag == _LINES and found:
            block = record.word()
            found[-1][2][block] = tuple(_lines(record))
    return tuple(CountedFunction(ident, tuple(arcs), blocks) for ident, arcs, blocks in found)


def counters(counts: bytes) -> dict[int, tuple[int, int]]:
    """Where the counts of each function stand, by its number: the first byte behind ``counts``' begin, and how many.

    A kernel writes all of them each time, so they stand in the same place in all that are read of one object.
    """
    places: dict[int, tuple[int, int]] = {}
    ident = None
    for tag, record in _records(counts):
        if tag == _FUNCTION:
            ident = record.word() if record.more else None
        elif tag == _COUNTERS and ident is not None:
            places[ident] = record.place, (record.end - record.place) // 8
    return places


def _lines(record: _Record) -> Iterator[tuple[str, int]]:
    file = ""
    while record.more:
        if number := record.word():
            yield file, number
        elif not (file := record.text()):
            return


class _Record:
    """A record's content, read from the front."""

    def __init__(self, content: bytes, place: int, end: int, *, in_bytes: bool) -> None:
        self.content, self.place, self.end, self._in_bytes = content, place, end, in_bytes

    @property
    def more(self) -> bool:
        return self.place < self.end

    def word(self) -> int:
        self.place += 4
        return int(struct.unpack_from("=I", self.content, self.place - 4)[0])

    def text(self) -> str:
        length = self.word() * (1 if self._in_bytes else 4)
        self.place += length
        return self.content[self.place - length : self.place].rstrip(b"\0").decode(errors="surrogateescape")


def _records(content: bytes) -> Iterator[tuple[int, _Record]]:
    stamp(content)
    version = struct.unpack_from("=I", content, 4)[0].to_bytes(4, "big").decode(errors="replace")  # "B22*" for 12.2
    in_bytes = (ord(version[0]) - ord("A")) * 10 + int(version[1]) >= _IN_BYTES_FROM
    head = _Record(content, 12 + 4 * in_bytes, len(content), in_bytes=in_bytes)  # since then there is a checksum
    if struct.unpack_from("=I", content)[0] == _NOTES:
        head.text()  # the folder that it was compiled in
        head.word()  # whether blocks can be marked as never executed
    place = head.place
    while place + 8 <= len(content):
        tag, length = struct.unpack_from("=II", content, place)
        end = place + 8 + length * (1 if in_bytes else 4)
        if not tag:
            return
        yield tag, _Record(content, place + 8, end, in_bytes=in_bytes)
        place = end
