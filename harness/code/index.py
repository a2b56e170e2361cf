"""Which scenario reaches which line of a kernel's code: an index that is kept as a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from harness.errors import FinwaitError

FILE = "code-index.json"
"""The file of a run folder that has it."""


class CodeFunction(msgspec.Struct, frozen=True):
    """A function of a source file, with the numbers of its first and last line."""

    name: str
    first: int
    last: int


class CodeFile(msgspec.Struct, frozen=True):
    """A source file: its functions in the order of their lines, and its lines that have code.

    Args:
        functions: none lies in another.
        lines: for each line that has code, the place in ``CodeIndex.sets`` of the scenarios that reach it.
    """

    functions: tuple[CodeFunction, ...]
    lines: Mapping[int, int]


class CodeLine(NamedTuple):
    """A line of a source file, and the function it lies in; ``net/ipv4/tcp_input.c``, 4711, ``tcp_ack``."""

    file: str
    line: int
    function: str


class ChangedLines(NamedTuple):
    """Lines of a source file that a patch changes, by their numbers before it, both inclusive."""

    file: str
    first: int
    last: int


class Reaching(NamedTuple):
    """A scenario that reaches what was changed, how many of the lines, and how many lines it reaches in all."""

    scenario: str
    changed: int
    reached: int


class Affected(NamedTuple):
    """What a change of some lines affects.

    Args:
        scenarios: those that reach a changed line or function, the closest first: by how many changed lines they
            reach, then by how few others.
        lines: the changed lines that have code.
        unreached: those of them that no scenario reaches.
        elsewhere: changed lines outside of any function that was counted, which no scenario can be held against.
    """

    scenarios: tuple[Reaching, ...]
    lines: tuple[CodeLine, ...]
    unreached: tuple[CodeLine, ...]
    elsewhere: tuple[ChangedLines, ...]


class CodeIndex(msgspec.Struct, frozen=True):
    """Scenario to lines, and line to scenarios.

    Args:
        kernel: what the run calls it, and its release.
        scenarios: their ids.
        files: source files by their path in the kernel's tree.
        sets: sets of scenarios, each but once: scenario N of ``scenarios`` is bit N % 8 of byte N // 8.
    """

    kernel: str
    scenarios: tuple[str, ...]
    files: Mapping[str, CodeFile]
    sets: tuple[bytes, ...]

    def reaching(self, file: str, line: int) -> tuple[str, ...]:
        """The scenarios that reach a line; none for one without code."""
        code = self.files.get(file)
        place = code.lines.get(line) if code else None
        return () if place is None else tuple(self.scenarios[number] for number in _members(self.sets[place]))

    def reached(self, scenario: str) -> tuple[tuple[str, int], ...]:
        """The lines that a scenario reaches, by file and number."""
        byte, bit = divmod(self.scenarios.index(scenario), 8)
        having = {place for place, one in enumerate(self.sets) if byte < len(one) and one[byte] >> bit & 1}
        return tuple(
            (name, line) for name, code in self.files.items() for line, place in code.lines.items() if place in having
        )

    def unreached(self) -> tuple[CodeLine, ...]:
        """The functions that no scenario reaches, each by its first line."""
        return tuple(
            CodeLine(name, function.first, function.name)
            for name, code in self.files.items()
            for function in code.functions
            if not any(any(self.sets[code.lines[line]]) for line in _within(code, function))
        )

    def affected(self, changed: Iterable[ChangedLines]) -> Affected:
        """The scenarios that reach what a patch changes.

        A line without code of its own, such as the second of a condition, counts as the nearest above it in its
        function that has some.
        """
        lines: dict[CodeLine, None] = {}
        elsewhere: list[ChangedLines] = []
        for one in changed:
            found = self._lines_of(one)
            lines.update(dict.fromkeys(found))
            if not found:
                elsewhere.append(one)
        counts = self._counts((one.file, one.line) for one in lines)
        functions = {(one.file, one.function) for one in lines}
        near = self._counts(
            (name, line)
            for name, function in functions
            for one in self.files[name].functions
            if one.name == function
            for line in _within(self.files[name], one)
        )
        totals = self._counts((name, line) for name, code in self.files.items() for line in code.lines) if near else {}
        ranked = sorted(near, key=lambda number: (-counts.get(number, 0), totals[number], self.scenarios[number]))
        return Affected(
            tuple(Reaching(self.scenarios[one], counts.get(one, 0), totals[one]) for one in ranked),
            tuple(lines),
            tuple(one for one in lines if not any(self.sets[self.files[one.file].lines[one.line]])),
            tuple(elsewhere),
        )

    def _lines_of(self, changed: ChangedLines) -> list[CodeLine]:
        """The lines with code that a range stands for."""
        found: dict[CodeLine, None] = {}
        code = self.files.get(changed.file, CodeFile((), {}))
        for function in code.functions:
            own = _within(code, function)
            for line in range(max(changed.first, function.first), min(changed.last, function.last) + 1):
                above = max((one for one in own if one <= line), default=None)
                if above is not None:
                    found[CodeLine(changed.file, above, function.name)] = None
        return list(found)

    def _counts(self, lines: Iterable[tuple[str, int]]) -> dict[int, int]:
        """How many of the lines each scenario reaches, by its number; without those that reach none."""
        weights: dict[int, int] = {}
        for name, line in lines:
            place = self.files[name].lines[line]
            weights[place] = weights.get(place, 0) + 1
        counts: dict[int, int] = {}
        for place, weight in weights.items():
            for number in _members(self.sets[place]):
                counts[number] = counts.get(number, 0) + weight
        return counts


def load_index(path: Path) -> CodeIndex:
    """Read an index, from a run folder or a file.

    Raises:
        FinwaitError: there is none, or it cannot be read.
    """
    file = path / FILE if path.is_dir() else path
    try:
        return msgspec.json.decode(file.read_bytes(), type=CodeIndex)
    except FileNotFoundError:
        raise FinwaitError(
            f"there is no index of code {file}",
            why="the run was not made on a kernel that counts, or the index was not made of it yet",
            hint="finwait matrix --kernel uml-virtual:7.2,code-coverage, then finwait coverage --code RUN",
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise FinwaitError(
            f"{file} cannot be read ({error})", hint="finwait coverage --code RUN makes it anew"
        ) from error


def packed(scenarios: int) -> bytes:
    """A set of scenarios as ``CodeIndex.sets`` has it, from a number with their bits."""
    return scenarios.to_bytes((scenarios.bit_length() + 7) // 8, "little")


def _members(scenarios: bytes) -> Iterator[int]:
    for place, byte in enumerate(scenarios):
        if byte:
            yield from (8 * place + bit for bit in range(8) if byte >> bit & 1)


def _within(code: CodeFile, function: CodeFunction) -> list[int]:
    """The lines with code of a function."""
    return [line for line in code.lines if function.first <= line <= function.last]
