"""``finwait patch --affected``: the scenarios that reach what a patch changes, without building anything."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from harness.code.changes import changed_lines
from harness.code.index import FILE, Affected, load_index
from harness.errors import FinwaitError

_MOST = 20


def latest_index(runs: Path) -> Path:
    """The newest index below a folder of runs, of a run or of a matrix's.

    Raises:
        FinwaitError: there is none.
    """
    found = [path for depth in ("*", "*/*") for path in runs.glob(f"{depth}/{FILE}")]
    if not found:
        raise FinwaitError(
            f"there is no index of code below {runs}",
            hint="finwait matrix --kernel uml-virtual:7.2,code-coverage, then finwait coverage --code RUN; or --index",
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def index_of(options: argparse.Namespace, checkout: Path) -> Path:
    """The index that a user asks for, or the newest; a run folder or a file.

    Raises:
        FinwaitError: there is none.
    """
    return options.index or latest_index(options.run_dir or checkout / "reports" / "runs")


def show_affected(patch: str, index: Callable[[], Path], console: Console, *, every: bool = False) -> int:
    """Print the scenarios that reach what a patch changes, the closest first, and the lines that none reaches.

    Args:
        patch: its text.
        index: finds a run folder or a file, where it is needed.
        console: takes it.
        every: whether all scenarios are listed.

    Raises:
        FinwaitError: it is no patch, or there is no index.
    """
    changed = changed_lines(patch)
    if not changed:
        console.print("the patch changes no code that was there: nothing is affected", soft_wrap=True)
        return 0
    found = load_index(index()).affected(changed)
    if found.lines:
        _print_scenarios(found, console, every=every)
    print_unreached(found, console)
    return 0


def print_unreached(found: Affected, console: Console) -> None:
    """Print the changed lines that no scenario is known to reach."""
    for title, places in (
        ("no scenario reaches", [f"{one.file}:{one.line}  {one.function}" for one in found.unreached]),
        ("not counted", [f"{one.file}:{one.first}-{one.last}" for one in found.elsewhere]),
    ):
        if places:
            console.print("\n".join((f"{title}:", *(f"  {place}" for place in places))), soft_wrap=True)


def _print_scenarios(found: Affected, console: Console, *, every: bool) -> None:
    functions = ", ".join(dict.fromkeys(one.function for one in found.lines))
    direct = sum(one.changed > 0 for one in found.scenarios)
    console.print(
        f"changed lines of {functions}: {len(found.lines)}; {direct} scenarios reach one, "
        f"{len(found.scenarios) - direct} the function alone",
        soft_wrap=True,
    )
    shown = found.scenarios if every else found.scenarios[:_MOST]
    for one in shown:
        console.print(f"  {one.changed:4} of {one.reached:5} lines  {one.scenario}", soft_wrap=True, highlight=False)
    if left := len(found.scenarios) - len(shown):
        console.print(f"  and {left} more: --all", soft_wrap=True)
