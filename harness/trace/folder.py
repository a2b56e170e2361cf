"""The folder that a run leaves behind: written whole or not at all, readable after any crash, owned by the caller."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from harness.errors import FinwaitError
from harness.trace.owner import hand_back
from harness.trace.records import CodeRecord, Result, RunRecord, TimelineRecord

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder that the harness lies in."""

RESULTS = "results.jsonl"
RUN = "run.json"
CONSOLE = "console.txt"
CODE = "code"
"""The folder of what was reached of the kernel's code, where that was counted."""


class Unwritable(FinwaitError):
    """A record cannot be kept, whatever the kernel did; those before it can be read."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"{path} cannot be written ({error.strerror})",
            why="what was recorded before is whole and can be read",
            hint="--run-dir with a folder where there is room",
        )


def new_name(prefix: str = "") -> str:
    """A name for a run: when it began, in UTC, and the process, since several may begin at once."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return "-".join(filter(None, (prefix, stamp, str(os.getpid()))))


def make_folder(path: Path) -> Path:
    """A new folder, with those above it that are not there yet.

    Raises:
        FinwaitError: it cannot be made, or is there already.
    """
    try:
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True)
        for folder in made:
            hand_back(folder)
    except FileExistsError:
        raise FinwaitError(f"there is a run folder {path} already", hint="another --run-name, or none") from None
    except OSError as error:
        what = f"the run folder {path} cannot be made ({error.strerror})"
        raise FinwaitError(what, hint="--run-dir with a folder of your own, where there is room") from error
    return path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or none, also after a crash in between.

    Raises:
        Unwritable: the disk is full, or the folder is gone or read-only; nothing is left of the try.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # not by pathlib, which makes three more calls to learn what kind of file it is: a run writes thousands
        _write(unfinished, os.O_TRUNC, content)
        hand_back(unfinished)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise Unwritable(path, error) from error


def _write(path: Path, how: int, content: bytes) -> int:
    """The byte of the file that the content begins with."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o644)
    try:
        left = memoryview(content)
        while left:  # a disk that is nearly full takes a part of it
            left = left[os.write(descriptor, left) :]
        return os.lseek(descriptor, 0, os.SEEK_CUR) - len(content)
    finally:
        os.close(descriptor)


def file_name(scenario: str) -> str:
    """A file name for a pytest node id: readable, and unique by a digest of the whole id."""
    digest = hashlib.sha256(scenario.encode()).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", scenario.rpartition("::")[2]).strip("-")
    return f"{readable[:80]}-{digest}"


class RunFolder:
    """Writes one run's folder; several processes may write to the same one.

    Args:
        path: an existing run folder, see ``create``.

    Attributes:
        host_seconds: between the last two timelines, see ``Result``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._timelines = self._code = ""
        self._written = self.host_seconds = 0.0

    @classmethod
    def create(cls, parent: Path, *, name: str | None = None) -> RunFolder:
        """A new folder below ``parent``, named by the time in UTC unless a name is given.

        Raises:
            FinwaitError: it cannot be written, or the name is taken.
        """
        path = make_folder(parent / (name or new_name()))
        for part in ("timelines", "captures"):
            make_folder(path / part)
        return cls(path)

    def write_run(self, record: RunRecord) -> None:
        """Write or renew ``run.json``.

        Raises:
            Unwritable: it cannot be; likewise for the other records.
        """
        write_whole(self.path / RUN, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")

    def describe_by_lab(self, describe: Callable[[], RunRecord]) -> None:
        """Renew ``run.json`` with what a lab told, unless another process did so already.

        The lock is on the folder itself: it leaves nothing behind, also when its holder dies.
        """
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if not self._is_described_by_lab():
                self.write_run(describe())
        finally:
            fcntl.flock(folder, fcntl.LOCK_UN)  # closing does not, where a process that was forked since has it too
            os.close(folder)

    def _is_described_by_lab(self) -> bool:
        try:
            record = msgspec.json.decode((self.path / RUN).read_bytes(), type=RunRecord)
        except FileNotFoundError:
            return False
        return bool(record.preconditions)

    def append_result(self, result: Result | str) -> None:
        """Add a line to ``results.jsonl``: one write, so that lines of several processes never mix.

        Args:
            result: or its JSON, as it came from the process that ran the scenario.
        """
        line = result.encode() if isinstance(result, str) else msgspec.json.encode(result)
        path = self.path / RESULTS
        try:
            if not _write(path, os.O_APPEND, line + b"\n"):
                hand_back(path)
        except OSError as error:
            raise Unwritable(path, error) from error

    def write_timeline(self, record: TimelineRecord) -> str:
        """Add a scenario's timeline as a line to this process's file of them.

        Returns:
            Where it is: the file's path inside the run folder, a colon, and the byte that the line begins with.
        """
        # by what stands in it first: no other process, and no other part of the run, has that
        self._timelines = self._timelines or f"timelines/{file_name(record.scenario)}.jsonl"
        path = self.path / self._timelines
        try:
            # not held open: what is closed is on its way to the host, also when a guest's kernel dies then
            start = _write(path, os.O_APPEND, msgspec.json.encode(record) + b"\n")
            if not start:
                hand_back(path)
            written = path.stat().st_mtime  # a guest sees what the host stamped (hostfs)
        except OSError as error:
            raise Unwritable(path, error) from error
        self.host_seconds = round(written - self._written, 4) if self._written else 0.0
        self._written = written
        return f"{self._timelines}:{start}"

    def append_code(self, record: CodeRecord) -> None:
        """Add what a scenario reached of the kernel's code, as a line to this process's file of that."""
        if not self._code:
            if not (self.path / CODE).is_dir():
                make_folder(self.path / CODE)
            self._code = f"{CODE}/{file_name(record.scenario)}.jsonl"
        path = self.path / self._code
        try:
            if not _write(path, os.O_APPEND, msgspec.json.encode(record) + b"\n"):
                hand_back(path)
        except OSError as error:
            raise Unwritable(path, error) from error

    def write_capture(self, scenario: str, content: bytes) -> str:
        """Write a scenario's capture; its path inside the run folder."""
        name = f"captures/{file_name(scenario)}.pcapng"
        write_whole(self.path / name, content)
        return name


def default_parent() -> Path:
    """Where run folders go unless told otherwise: beside the harness, also for scenarios that lie elsewhere."""
    return CHECKOUT / "reports" / "runs"
