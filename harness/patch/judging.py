"""Runs the same scenarios on the kernels before and after a change; what the one before did is kept."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from harness.kernels.supply.build import Built
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelSpec, parse
from harness.run.matrix import Found, run_with
from harness.run.request import ask
from harness.run.workers import Workers
from harness.trace.runs import load

_KIND = "judged"
_JUDGES = ("harness", "netns", "scenarios", "conftest.py", "pyproject.toml")


def spec_of(name: str, built: Built) -> KernelSpec:
    """A kernel that was built, under a name for its column."""
    return parse(f"{name}={built.binary}")


def judged(
    workers: Workers, cache: Cache, before: Built, after: Built, arguments: Sequence[str], output: Path
) -> Found:
    """The runs of both kernels, the first one's from the cache where it is there: time is virtual and repeats.

    Args:
        workers: who boot the kernels.
        cache: where the runs of kernels are kept that will be asked for again.
        before: the kernel without the change.
        after: with it.
        arguments: for pytest; none for all scenarios.
        output: a folder below the workers', for the run folders.
    """
    specs = [spec_of("before", before), spec_of("after", after)]
    asked = ask(specs[0], arguments, workers.checkout)
    key = _digest(workers.checkout, before.folder.parent.name, *asked.arguments)
    known = cache.content(_KIND, key) if not asked.outside else None
    found = run_with(workers, specs[1:] if known else specs, output, arguments, split=True)
    if known:
        return replace(found, runs=(load(known), *found.runs))
    if found.complete and not asked.outside:
        run = found.runs[0].path

        def keep(folder: Path) -> None:
            shutil.copytree(run, folder, dirs_exist_ok=True)

        cache.fill(_KIND, key, keep)
    return found


def _digest(checkout: Path, *asked: str) -> str:
    """What the verdicts hang on: the kernel, what is asked of it, and all that judges."""
    digest = sha256("\0".join(asked).encode())
    for name in _JUDGES:
        place = checkout / name
        for file in [place] if place.is_file() else sorted(place.rglob("*.*")):
            if file.suffix in {".py", ".toml", ".csv", ".pkt"}:
                digest.update(f"\0{file.relative_to(checkout)}\0".encode() + file.read_bytes())
    return digest.hexdigest()
