"""Read a run folder: all that was recorded, also after a crash in the middle of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.errors import FinwaitError
from harness.program.steps import Program
from harness.tcp.verdict import Outcome
from harness.trace import format1
from harness.trace.events import Event
from harness.trace.folder import RESULTS, RUN, RunFolder
from harness.trace.records import FORMAT, Result, RunRecord, TimelineRecord

UNSAID = "the run ended before anything was said of it"
"""The message of a scenario that was planned and has no result."""

# Where a line holds two results, the one that says less good of the kernel stands: nothing is reclassified afterwards.
_SEVERITY = {Outcome.CONFORMS: 0, Outcome.UNSUPPORTED: 1, Outcome.LOST: 2, Outcome.DEVIATES: 3}
# How a record begins. Inside a JSON string the quotes would stand escaped, so it begins nothing else.
_BEGIN = b'{"scenario":'
_FORMAT = re.compile(rb'\{"format":(\d+),')

Record = TypeVar("Record")


class _Version(msgspec.Struct):
    format: int


class _Started(msgspec.Struct):
    started: str


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run folder in memory.

    Args:
        path: the folder.
        record: its ``run.json``.
        results: by scenario, in the order in which they were planned; a planned one without a result is ``lost``.
        torn: how many lines of ``results.jsonl`` a crash left unfinished.
    """

    path: Path
    record: RunRecord
    results: Mapping[str, Result]
    torn: int = 0

    @property
    def name(self) -> str:
        """What the run is called in a report's heading: the kernel by the name it was asked for."""
        return self.record.kernel_name or self.record.kernel

    @property
    def release(self) -> str:
        """The kernel's release, such as ``6.1.0-49-cloud-amd64``, without what stands behind it."""
        return next(iter(self.record.kernel.split()), "?")

    def timeline(self, result: Result) -> tuple[Event, ...]:
        """The events of a scenario in the order of their time; none where the run kept none.

        Raises:
            FinwaitError: the file is gone, unreadable, or of a version this reader does not know.
        """
        kept = self.kept(result)
        return tuple(sorted(kept.events, key=lambda event: event.at)) if kept else ()

    def program(self, result: Result) -> Program:
        """What a scenario did, as data.

        Raises:
            FinwaitError: the run kept nothing of it, or see ``timeline``.
        """
        kept = self.kept(result)
        if kept is None or kept.program is None:
            raise FinwaitError(
                f"{self.path} holds no program of {result.scenario}",
                why="it never had a lab, the run kept no evidence, or an older version wrote it",
                hint="run it again, without --captures=none",
            )
        return kept.program

    def kept(self, result: Result) -> TimelineRecord | None:
        """All that was recorded of a scenario; None where the run kept nothing of it.

        Raises:
            FinwaitError: see ``timeline``.
        """
        if not result.timeline:
            return None
        name, _, start = result.timeline.partition(":")
        begin = int(start) if start.isdecimal() else None
        return _decode(self.file("timeline", name), TimelineRecord, format1.timeline, begin)

    def file(self, what: str, name: str) -> Path:
        """Where a file of the run lies, whether or not it is there.

        Raises:
            FinwaitError: outside of the folder.
        """
        path = _inside(self.path, name)
        if path is None:
            raise FinwaitError(
                f"the {what} {name!r} lies outside of its run folder {self.path}",
                why="the run folder was changed afterwards",
            )
        return path


@cache
def _inside(folder: Path, name: str) -> Path | None:
    """Looked up once: thousands of timelines lie in one file."""
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) else None


def load(path: Path) -> LoadedRun:
    """Read a run folder.

    A line of ``results.jsonl`` that a crash tore is counted and left out; what stands behind it is read.

    Raises:
        FinwaitError: there is no run folder, its format is another version's, or a whole record is not one.
    """
    try:
        if not path.is_dir() or not (path / RUN).is_file():
            raise _no_run(path)
    except PermissionError as error:
        raise FinwaitError(f"{path} cannot be read ({error.strerror})", why="it belongs to another user") from error
    record = _decode(path / RUN, RunRecord)
    found, torn = _results(path / RESULTS)
    results = {scenario: Result(scenario=scenario, outcome=Outcome.LOST, message=UNSAID) for scenario in record.planned}
    if record.format == 1:
        found = {scenario: format1.converted(result) for scenario, result in found.items()}
    return LoadedRun(path, record, results | found, torn)


def plan_no_more(folder: RunFolder) -> None:
    """Have a run that was told to end early plan no more than it did: what was not begun is not lost.

    Raises:
        FinwaitError: see ``load``.
    """
    run = load(folder.path)
    begun = tuple(name for name in run.record.planned if run.results[name].message != UNSAID)
    folder.write_run(msgspec.structs.replace(run.record, planned=begun))


def titles(runs: Sequence[LoadedRun]) -> list[str]:
    """What to call each of several runs: by its kernel's name, and by as much more as tells it from the others."""
    for candidates in (
        [run.name for run in runs],
        [f"{run.name} {run.release}" for run in runs],
    ):
        if len(set(candidates)) == len(runs):
            return candidates
    return [f"{run.name} {run.record.id}" for run in runs]


def latest(parent: Path) -> Path:
    """The run folder below ``parent`` whose run started last.

    Raises:
        FinwaitError: there is none.
    """
    started = []
    for path in _run_folders(parent):
        try:
            started.append((msgspec.json.decode((path / RUN).read_bytes(), type=_Started).started, path.name, path))
        except (msgspec.DecodeError, OSError):
            continue  # not a run's record: load() says so to whoever names it
    if not started:
        raise FinwaitError(f"there is no run below {parent}", why="nothing was run yet", hint="finwait run")
    return max(started)[-1]


def _run_folders(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if (path / RUN).is_file())
    except OSError:
        return []


def _no_run(path: Path) -> FinwaitError:
    inside, beside = _run_folders(path), _run_folders(path.parent)
    near = ", ".join(str(folder) for folder in (inside or beside)[-3:])
    if not path.exists():
        return FinwaitError(f"there is no run folder {path}", hint=near or "finwait run, which makes one")
    if not path.is_dir():
        return FinwaitError(f"{path} is a file, not a run folder", hint=str(path.parent) if path.name == RUN else near)
    return FinwaitError(
        f"{path} is not a run folder",
        why=f"it has no {RUN}: it is some other folder, or the run died before its first record",
        hint=near,
    )


def _decode(
    path: Path, kind: type[Record], old: Callable[[bytes], Record] | None = None, start: int | None = None
) -> Record:
    try:
        with path.open("rb") as file:
            file.seek(start or 0)
            content = file.read() if start is None else file.readline()
    except OSError as error:
        raise FinwaitError(f"{path} cannot be read ({error.strerror})") from error
    try:
        begun = _FORMAT.match(content)  # ours begins so; to read all of it for that would take as long once more
        version = int(begun[1]) if begun else msgspec.json.decode(content, type=_Version).format
        if version == 1 and old:
            return old(content)
        if version in (1, FORMAT):
            return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise FinwaitError(f"{path} is not a record of a run ({error})", why="it was changed or damaged") from error
    raise FinwaitError(
        f"{path} has format {version}, and this version reads formats 1 and {FORMAT}",
        why="another version of finwait wrote it",
        hint="read it with that version, or run again",
    )


def _results(path: Path) -> tuple[dict[str, Result], int]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}, 0  # the run died before its first result
    except OSError as error:
        raise FinwaitError(f"{path} cannot be read ({error.strerror})") from error
    results: dict[str, Result] = {}
    torn = 0
    for number, line in enumerate(content.split(b"\n"), 1):
        found, whole = _line(line, f"{path}, line {number},")
        torn += not whole
        if found is None:
            continue
        before = results.get(found.scenario)
        if before is None or _SEVERITY[Outcome(before.outcome)] <= _SEVERITY[Outcome(found.outcome)]:
            results[found.scenario] = found
    return results, torn


def _line(line: bytes, where: str) -> tuple[Result | None, bool]:
    """The result that a line holds, and whether the line was whole."""
    if not line.strip():
        return None, True
    for begin in _beginnings(line):
        try:
            result = msgspec.json.decode(line[begin:], type=Result)
        except msgspec.ValidationError as error:
            if not _whole(line[begin:]):  # a typed one may stumble over a field before it sees the tear
                continue
            raise FinwaitError(
                f"{where} is not a result ({error})", why="the run folder was changed afterwards"
            ) from error
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if result.outcome not in set(Outcome):
            raise FinwaitError(
                f"{where} has the outcome {result.outcome!r}",
                why="another version of finwait wrote it, or it was changed afterwards",
                hint="an outcome is one of " + ", ".join(Outcome),
            )
        return result, begin == 0
    return None, False


def _beginnings(line: bytes) -> Iterator[int]:
    """Where a record may begin: a worker that died in mid-write leaves a piece, which the next one's line follows."""
    yield 0
    yield from reversed([match.start() for match in re.finditer(re.escape(_BEGIN), line)])


def _whole(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
