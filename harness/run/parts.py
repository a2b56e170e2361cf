"""Makes one run folder of those that the parts of a run left behind."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.trace.folder import CODE, CONSOLE, RESULTS, RUN, RunFolder, write_whole
from harness.trace.records import RunRecord

_KINDS = ("timelines", "captures", CODE)


def join(place: Path, folder: Path) -> None:
    """Move all that the parts of one run recorded into one folder; it reads like that of a run in one part.

    What a part that died did not finish is planned and has no result.

    Args:
        place: where each part has a folder, named by its number, and in it its run folder; gone afterwards.
        folder: the joined run folder; without any of a part's there will be none.
    """
    parts = [path / folder.name for path in sorted(place.iterdir(), key=lambda path: int(path.name))]
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
            if not one.startswith("--share=")
        ),
    )
