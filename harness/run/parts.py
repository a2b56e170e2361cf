"""Has a run done in parts, and makes one run folder of those that they left behind, also in an earlier try."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.kernels.supply.spec import KernelKind
from harness.run.costs import costs_of
from harness.run.jobs import Task
from harness.run.request import KernelReply
from harness.run.workers import TakesTasks
from harness.trace.folder import CODE, CONSOLE, RESULTS, RUN, RunFolder, make_folder, write_whole
from harness.trace.records import RunRecord
from harness.trace.runs import UNSAID, load

_KINDS = ("timelines", "captures", CODE)


def ask_in_parts(
    workers: TakesTasks, whole: Sequence[Task], boots: int, *, more: bool = False
) -> list[list[KernelReply]]:
    """Have each task done; where its run folder is there already, only what has no result in it.

    Args:
        workers: who are asked.
        whole: in the order of the replies.
        boots: in how many parts each is done at once, where it can be.
        more: whether others will follow.

    Returns:
        The replies of each one's parts.
    """
    parts = [_parts(task, boots) for task in whole]
    try:
        replies = iter(workers.ask([part for several in parts for part in several], more=more))
    finally:
        for task in whole:
            if _place(task.folder).is_dir():
                join(_place(task.folder), task.folder)
    return [[next(replies) for _ in several] for several in parts]


def _parts(task: Task, boots: int) -> list[Task]:
    """A task in as many parts as its kernel is booted; the running one is not."""
    # a file that pytest writes of a part cannot be joined
    if task.spec.kind is KernelKind.HOST or task.request.written:
        boots = 1
    place, request = _place(task.folder), task.request
    if task.folder.is_dir() or place.is_dir():
        done, rest = _begun(task.folder)
        if done and not rest:
            return []
        request = msgspec.structs.replace(request, done=done)
    elif boots == 1:
        return [task]
    if boots > 1:
        request = msgspec.structs.replace(request, costs=costs_of(task.spec))
    parts = [msgspec.structs.replace(request, part=(number, boots)) for number in range(1, boots + 1)]
    return [Task(task.spec, make_folder(place / str(one.part[0])) / task.folder.name, one) for one in parts]


def _begun(folder: Path) -> tuple[tuple[str, ...], bool]:
    """What has a result of a run that ended early, and whether anything has none; it is the first part from now on."""
    place = _place(folder)
    if place.is_dir():
        if folder.is_dir():  # it died while it joined them
            folder.rename(make_folder(place / str(min(map(_number, place.iterdir()), default=1) - 1)) / folder.name)
        join(place, folder)
    if not (folder / RUN).is_file():
        shutil.rmtree(folder, ignore_errors=True)
        return (), True
    results = load(folder).results
    folder.rename(make_folder(place / "0") / folder.name)
    done = tuple(name for name, result in results.items() if result.message != UNSAID)
    return done, len(done) < len(results)


def _place(folder: Path) -> Path:
    """Where the parts of a run lie until they are joined into its folder."""
    return folder.with_name(f".{folder.name}")


def _number(part: Path) -> int:
    return int(part.name)


def join(place: Path, folder: Path) -> None:
    """Move all that the parts of one run recorded into one folder; it reads like that of a run in one part.

    What a part that died did not finish is planned and has no result.

    Args:
        place: where each part has a folder, named by its number, and in it its run folder; gone afterwards.
        folder: the joined run folder; without any of a part's there will be none.
    """
    parts = [path / folder.name for path in sorted(place.iterdir(), key=_number)]
    parts = [part for part in parts if part.is_dir()]
    if parts:
        joined = RunFolder.create(folder.parent, name=folder.name)
        for file in (file for part in parts for kind in _KINDS for file in (part / kind).glob("*")):
            (folder / file.parent.name).mkdir(exist_ok=True)
            file.rename(folder / file.parent.name / file.name)
        for name in (RESULTS, CONSOLE):
            if pieces := [(part / name).read_bytes() for part in parts if (part / name).is_file()]:
                # a part that died in mid-write left a line without its end
                write_whole(folder / name, b"".join(one if one.endswith(b"\n") else one + b"\n" for one in pieces))
        if described := [part for part in parts if (part / RUN).is_file()]:
            joined.write_run(_record(described, folder))
    shutil.rmtree(place)


def _record(parts: Sequence[Path], folder: Path) -> RunRecord:
    """The record of the whole: as the first says that had a lab, since all ran on the same kernel."""
    records = [msgspec.json.decode((part / RUN).read_bytes(), type=RunRecord) for part in parts]
    described = next((number for number, record in enumerate(records) if record.preconditions), 0)
    own = str(parts[described].parent)
    return msgspec.structs.replace(
        records[described],
        started=min(record.started for record in records),
        arguments=tuple(
            str(folder.parent) if one == own else one
            for one in records[described].arguments
            if not one.startswith(("--share=", "--done=", "--costs="))
        ),
    )
