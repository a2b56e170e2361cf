"""The tables and pages of a run's code: gcov reads the counts, and gcovr writes what it makes of them."""

from __future__ import annotations

import gzip
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness.errors import FinwaitError

_VERSION = "2"  # of gcov's JSON, since GCC 14; the only one that gcovr reads


def write_tables(
    sums: Iterable[tuple[str, bytes]],
    build: Path,
    in_tree: Callable[[str], str | None],
    summary: Path,
    pages: Path | None = None,
) -> None:
    """Write gcovr's summary, and its pages with the source's lines.

    Args:
        sums: of each object its name and its data file.
        build: the folder of notes and sources.
        in_tree: what a source file is called there; only those that objects are made of are told of.
        summary: the file to write.
        pages: a folder for the pages, or none.

    Raises:
        FinwaitError: gcov or gcovr is not here, or failed.
    """
    if importlib.util.find_spec("gcovr") is None:
        raise FinwaitError("gcovr is not installed, which makes the tables and pages", hint="pip install 'gcovr~=8.6'")
    if shutil.which("gcov") is None:
        raise FinwaitError("gcov is not installed, which reads the kernel's counts", hint="apt-get install gcc")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, data in sums:
            told = _gcov(build / f"{name}.gcno", data, folder)
            told["current_working_directory"] = str(build)
            told["files"] = [
                _as_of_now(file, f"{name}.c") for file in told["files"] if in_tree(file["file"]) == f"{name}.c"
            ]
            with gzip.open(folder / f"{name.replace('/', '#')}.gcov.json.gz", "wt") as file:
                json.dump(told | {"format_version": _VERSION}, file)
        wanted = ["--json-summary", str(summary.absolute())]
        if pages is not None:
            pages.mkdir(parents=True, exist_ok=True)
            wanted += [
                "--html-nested",
                str(pages.absolute() / "index.html"),
                "--html-title",
                "Code of the kernel's TCP",
            ]
        _run(
            [sys.executable, "-m", "gcovr", "--gcov-use-existing-files", "--root", str(build), *wanted, scratch],
            build,
        )


def _gcov(notes: Path, data: bytes, folder: Path) -> dict[str, Any]:
    """What gcov says of an object."""
    shutil.copy(notes, folder / notes.name)
    counts = folder / notes.with_suffix(".gcda").name
    counts.write_bytes(data)
    told: dict[str, Any] = json.loads(
        _run(["gcov", "--branch-probabilities", "--json-format", "--stdout", str(counts)], folder)
    )
    return told


def _as_of_now(file: dict[str, Any], name: str) -> dict[str, Any]:
    """A file as the newest gcov writes it: with the blocks' numbers, here just so that no two branches are the same."""
    lines = [
        {
            "block_ids": [],
            **line,
            "branches": [
                {"source_block_id": number, "destination_block_id": number, **branch}
                for number, branch in enumerate(line["branches"])
            ],
        }
        for line in file["lines"]
    ]
    return {**file, "file": name, "lines": lines}


def _run(argv: list[str], folder: Path) -> str:
    ended = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip().splitlines() or ["it said nothing"]
        raise FinwaitError(f"{argv[2] if argv[1] == '-m' else argv[0]} failed: {said[-1]}")
    return ended.stdout
