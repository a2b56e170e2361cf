"""What a person may type behind the verbs about changes of a kernel's source."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.shared_options import (
    PASSED_ON,
    Verbs,
    add_cluster,
    add_index,
    add_report,
    add_run_dir,
    add_source,
    verb,
)

_RELEASED = ("debian", "uml", "uml-virtual")


def add_patch(verbs: Verbs[argparse.ArgumentParser]) -> None:
    """``finwait patch``."""
    patch = verb(
        verbs,
        "patch",
        "show what a patch of the kernel changes in its behaviour",
        "The kernel is built before and after it, and all scenarios run on both.\n"
        f"{PASSED_ON}\n"
        "Exit status: 1 when anything is worse or other, 2 when it does not build.",
        "git format-patch --stdout -3 | finwait patch - --tree ~/linux",
        "finwait patch HEAD~3..HEAD --tree ~/linux scenarios/closing",
    )
    patch.add_argument("patch", metavar="PATCH", help="a file, a folder of them, - for stdin, or A..B")
    where = patch.add_mutually_exclusive_group()
    where.add_argument("--kernel", default="", metavar="NAME", help="whose source it is for [uml-virtual:7.2]")
    where.add_argument("--tree", type=Path, metavar="DIR", help="a git clone of your own instead; it is not changed")
    patch.add_argument("--affected", action="store_true", help="only list the scenarios that reach what it changes")
    patch.add_argument("--all", action="store_true", help="list all of them")
    patch.add_argument("--explore", metavar="TIME", help="then search with what reaches the change, such as 2m")
    add_index(patch)
    add_run_dir(patch)
    add_report(patch)
    add_cluster(patch)
    add_source(patch)
    patch.set_defaults(passes_on=True)


def add_bisect(verbs: Verbs[argparse.ArgumentParser]) -> None:
    """``finwait bisect``."""
    bisect = verb(
        verbs,
        "bisect",
        "find the commit, or the release, that changed a scenario's end",
        "The commits of a tree are built in virtual time. Ctrl-C loses nothing: the same\n"
        "command goes on with the kernels that were built. Releases are fetched.\n"
        "The exit status is 0 when one is left, 1 when several are, because those\n"
        "in between cannot be built or fetched.",
        "finwait bisect --tree ~/linux v6.11 v6.12 scenarios/closing/test_data.py",
        "finwait bisect --kernels debian 5.10 7.2 scenarios/closing/test_data.py",
    )
    bisect.add_argument("good", metavar="GOOD", help="one that is as it should be, or was before")
    bisect.add_argument("bad", metavar="BAD", help="a later one that is not")
    bisect.add_argument("scenario", metavar="SCENARIO", help="a scenario's id, or a file; options of pytest may follow")
    where = bisect.add_mutually_exclusive_group(required=True)
    where.add_argument("--tree", type=Path, metavar="DIR", help="commits of this git clone; it is not changed")
    where.add_argument("--kernels", choices=_RELEASED, metavar="KIND", help="releases of debian, uml or uml-virtual")
    add_run_dir(bisect)
    add_cluster(bisect)
    add_source(bisect)
    bisect.set_defaults(passes_on=True)
