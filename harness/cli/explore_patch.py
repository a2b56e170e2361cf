"""What programs that nobody wrote find of a change of a kernel's source."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rich.console import Console

from harness.cli.explore import opened, present, searched
from harness.code.index import ChangedLines
from harness.explore.corpus import Corpus
from harness.explore.explorer import Explorer
from harness.explore.steering import Steering
from harness.explore.themes import THEMES
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import COUNTS, KernelSpec, parse
from harness.run.jobs import backend_of


def explore_patch(
    specs: Sequence[KernelSpec],
    base: str,
    changed: Sequence[ChangedLines],
    seconds: float,
    options: argparse.Namespace,
    checkout: Path,
    console: Console,
) -> int:
    """Search for what two kernels do differently, print it, and say how much it is.

    Where the kernel before the change is here as one that counts its code, programs that reach the change are run
    alone, kept and varied. Ctrl-C ends the search and not the report.

    Args:
        specs: the kernels before and after the change.
        base: the name of the first where it has one, else empty.
        changed: the lines of its sources.
        seconds: how long to search.
        options: which machines do it.
        checkout: the folder with pyproject.toml.
        console: for progress and what was found.
    """
    guides = _guides(base, changed, console)
    with ExitStack() as held:
        kernels = opened(held, [*specs, *guides], checkout, options, console)
        explorer = Explorer(
            kernels[: len(specs)],
            THEMES["any"],
            seed=0,
            tell=partial(console.print, style="dim"),
            steering=Steering(Corpus()),
            guide=kernels[-1] if guides else None,
            changed=changed,
        )
        how = searched(explorer, None, seconds)
    present(explorer, [spec.title for spec in specs], how, console)
    return len(explorer.found)


def _guides(base: str, changed: Sequence[ChangedLines], console: Console) -> list[KernelSpec]:
    """The kernel that counts what the change is about, or none with a line that says so."""
    missing = "the tree has no build that counts"
    if base:
        guide = parse(base + COUNTS)
        missing = backend_of(guide, Cache.of_user()).available() or ""
        if not missing and changed:
            return [guide]
    console.print(
        f"which programs reach the change is not known: {missing or 'it is in no code'}", style="dim", soft_wrap=True
    )
    return []
