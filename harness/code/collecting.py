"""Makes the index of a run's code out of the counts that its scenarios left, and the sum of these for gcov."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from harness.code.index import ChangedLines, CodeFile, CodeIndex, packed
from harness.code.notes import CountedFunction, counters, functions, stamp
from harness.code.source import functions_of
from harness.errors import FinwaitError
from harness.trace.folder import CODE
from harness.trace.records import CodeRecord

_Lines = frozenset[tuple[str, int]]


class Reached(NamedTuple):
    """What a scenario reached: gcov's data files, and of each object the name and the bytes that it has of them."""

    scenario: str
    data: bytes
    objects: tuple[tuple[str, int], ...]


def records(run: Path) -> Iterator[Reached]:
    """What the scenarios of a run reached.

    Raises:
        FinwaitError: nothing was counted, or a record is none.
    """
    files = sorted((run / CODE).glob("*.jsonl"))
    if not files:
        raise FinwaitError(
            f"no code was counted in {run}",
            why="its kernel was not built for that, or no scenario ran",
            hint="finwait kernels build uml-virtual:7.2 --code-coverage, then finwait matrix with what it is named",
        )
    for file in files:
        objects, first = tuple[tuple[str, int], ...](), b""
        for line in file.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                continue  # a run that died in mid-write left a line without its end
            try:
                record = msgspec.json.decode(line, type=CodeRecord)
                data = record.data(first)
            except (msgspec.DecodeError, zlib.error) as error:
                raise FinwaitError(f"{file} is not what finwait wrote ({error})") from error
            objects, first = objects or record.objects, first or data
            yield Reached(record.scenario, data, objects)


def build_of(reached: Reached, builds: Iterable[Path]) -> Path:
    """The folder of notes and sources whose compilation was counted.

    Args:
        reached: one of a run's.
        builds: a folder each.

    Raises:
        FinwaitError: it is not among them.
    """
    (name, size), *_ = reached.objects
    wanted = stamp(reached.data[:size])
    for build in builds:
        notes = build / f"{name}.gcno"
        if notes.is_file() and stamp(notes.read_bytes()) == wanted:
            return build
    raise FinwaitError(
        "the kernel that the run was made on is not here any more",
        why="the notes and sources of its build tell what the counts mean",
        hint="build it and run again, or finwait coverage where it was built",
    )


@dataclass(slots=True)
class _Counted:
    """A function in an object's data: where its counts are, and what each scenario reached of it."""

    function: CountedFunction
    place: int
    number: int
    total: list[int]
    of_counts: dict[bytes, _Lines] = field(default_factory=dict)
    scenarios: dict[_Lines, int] = field(default_factory=dict)

    def take(self, data: bytes, scenario: int) -> None:
        """What a scenario counted; most functions are reached in few ways by thousands of scenarios."""
        counts = data[self.place : self.place + 8 * self.number]
        if not any(counts):
            return
        numbers = struct.unpack(f"={self.number}Q", counts)
        self.total = [one + more for one, more in zip(self.total, numbers, strict=True)]
        lines = self.of_counts.get(counts)
        if lines is None:
            lines = self.of_counts[counts] = self.function.reached(numbers)
        self.scenarios[lines] = self.scenarios.get(lines, 0) | 1 << scenario


class CodeCollector:
    """What a run reached of the kernel's code.

    Args:
        build: the folder of notes and sources.
        first: of the run's, which tells the objects.
    """

    def __init__(self, build: Path, first: Reached) -> None:
        self._build = build
        self._objects = first.objects
        self._scenarios: list[str] = []
        self._template = first.data
        self._counted: list[_Counted] = []
        self._prefix = ""
        start = 0
        for name, size in first.objects:
            notes = (build / f"{name}.gcno").read_bytes()
            places = counters(self._template[start : start + size])
            for function in functions(notes):
                self._prefix = self._prefix or _prefix(function, f"{name}.c")
                if function.ident in places:
                    place, number = places[function.ident]
                    self._counted.append(_Counted(function, start + place, number, [0] * number))
            start += size

    def take(self, reached: Reached) -> None:
        """Take in what a scenario reached."""
        number = len(self._scenarios)
        self._scenarios.append(reached.scenario)
        for counted in self._counted:
            counted.take(reached.data, number)

    def index(self, kernel: str) -> CodeIndex:
        """The index of all that was taken in."""
        reaching: dict[tuple[str, int], int] = {}
        for counted in self._counted:
            for line in counted.function.lines:
                reaching.setdefault(line, 0)
            for lines, scenarios in counted.scenarios.items():
                for line in lines:
                    reaching[line] |= scenarios
        places: dict[int, int] = {}
        files: dict[str, dict[int, int]] = {}
        for (file, number), scenarios in sorted(reaching.items()):
            if (name := self.in_tree(file)) is not None:
                files.setdefault(name, {})[number] = places.setdefault(scenarios, len(places))
        return CodeIndex(
            kernel=kernel,
            scenarios=tuple(self._scenarios),
            files={name: self._file(name, lines) for name, lines in sorted(files.items())},
            sets=tuple(packed(scenarios) for scenarios in places),
        )

    def in_tree(self, file: str) -> str | None:
        """A source file by its path in the kernel's tree; None for one that is not kept."""
        name = os.path.normpath(file.removeprefix(self._prefix))
        return name if (self._build / name).is_file() else None

    def _file(self, name: str, lines: dict[int, int]) -> CodeFile:
        text = (self._build / name).read_text(errors="replace")
        known = functions_of(text)
        with_code = (one for one in known if any(one.first <= line <= one.last for line in lines))
        return CodeFile(tuple(with_code), lines)

    def sums(self) -> Iterator[tuple[str, bytes]]:
        """Each object's name and data file, with the counts of all scenarios together."""
        data = bytearray(self._template)
        for counted in self._counted:
            struct.pack_into(f"={counted.number}Q", data, counted.place, *counted.total)
        start = 0
        for name, size in self._objects:
            yield name, bytes(data[start : start + size])
            start += size


class CodeTotals:
    """The lines that several counts have reached together, of the objects' own sources; they take no more room later.

    Args:
        build: the folder of notes and sources.
        first: of the counts, which tells the objects.
    """

    def __init__(self, build: Path, first: Reached) -> None:
        self._functions: list[tuple[CountedFunction, int, int]] = []
        self._places: list[tuple[int, int]] = []
        self._own: set[str] = set()
        start = counted = 0
        for name, size in first.objects:
            known = {one.ident: one for one in functions((build / f"{name}.gcno").read_bytes())}
            prefix = next(filter(None, (_prefix(one, f"{name}.c") for one in known.values())), "")
            self._own.add(f"{prefix}{name}.c")
            found = counters(first.data[start : start + size])
            for ident, (place, number) in sorted(found.items(), key=lambda item: item[1]):
                if ident in known:
                    self._functions.append((known[ident], counted, number))
                self._places.append((start + place, number))
                counted += number
            start += size
        self._total = [0] * counted
        self.lines = len(self._within(line for one, *_ in self._functions for line in one.lines))
        """How many have code."""

    def add(self, data: bytes) -> None:
        """Take counts in, in gcov's data files as the first were."""
        numbers = (one for place, number in self._places for one in struct.unpack_from(f"={number}Q", data, place))
        self._total = [one + more for one, more in zip(self._total, numbers, strict=True)]

    def reached(self) -> int:
        """How many lines were reached."""
        counted = ((one, self._total[at : at + number]) for one, at, number in self._functions)
        return len(self._within(line for one, counts in counted if any(counts) for line in one.reached(counts)))

    def counters_of(self, changed: Iterable[ChangedLines]) -> frozenset[int]:
        """The counters of the functions that have one of these lines, by their place among all."""
        ends = {name: f"/{name}" for name in (one.file for one in changed)}
        wanted = [(ends[one.file], one.first, one.last) for one in changed]
        return frozenset(
            counter
            for function, at, number in self._functions
            if any(
                first <= line <= last and f"/{file}".endswith(end)
                for file, line in function.lines
                for end, first, last in wanted
            )
            for counter in range(at, at + number)
        )

    def _within(self, lines: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        return {line for line in lines if line[0] in self._own}


def _prefix(function: CountedFunction, source: str) -> str:
    """What the compiler had before the path of an object's own source; empty where the function has none of it."""
    return next((file.removesuffix(source) for file, _ in function.lines if file.endswith(f"/{source}")), "")
