"""Prints the results of the same scenarios on several kernels."""

from __future__ import annotations

from rich.console import Console

from harness.ci.outputs import on_github, tell_github
from harness.run.matrix import Found
from harness.trace.folder import write_whole
from reports.lines import set_in, show, width_of
from reports.matrix import join


def present(found: Found, console: Console, *, every: bool = False) -> int:
    """Print the joined matrix and write it beside the run folders; the exit status.

    Returns:
        0 when every verdict was reached, whatever it was, and no kernel failed where the arguments say by what to
        judge; else 1.
    """
    if found.runs:
        joined = join(found.runs)
        width = width_of(console)
        show(console, [*joined.lines(width, every=every), *joined.reasons(width)])
        write_whole(found.folder / "matrix.json", joined.json())
    show_failures(found, console)
    console.print(f"run folders and matrix.json in {found.folder}", soft_wrap=True)
    for name in found.red:
        console.print(f"{name} is red: console.txt in its run folder names the scenarios", soft_wrap=True)
    for run in found.runs if on_github() else ():
        tell_github(run, "red" if run.name in found.red else "", print)
    return 0 if found.complete and not found.red else 1


def show_failures(found: Found, console: Console) -> None:
    """A line for each kernel that did not finish, and where its console's last lines are."""
    for failure in found.failures:
        show(console, set_in(f"lost {failure}", 0, "bold magenta", width_of(console)))
