"""What a person may type behind ``finwait``: the verbs and their options."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import __version__
from harness.cli.import_options import add_import
from harness.cli.patch_options import add_bisect, add_patch
from harness.cli.shared_options import (
    LAYOUT,
    PASSED_ON,
    Verbs,
    add_cluster,
    add_index,
    add_kernel,
    add_report,
    add_resume,
    add_run,
    add_run_dir,
    add_seed,
    add_source,
    some,
    verb,
)

_START = """\
start here
  finwait reproduce               the bug that finwait was made for, in a minute
  finwait run scenarios/closing   judge the running kernel
  finwait VERB --help             the options of a verb, with examples

README.md has more, and docs/scenarios.md says how to write scenarios.
"""


def command_line() -> argparse.ArgumentParser:
    """The parser: ``verb`` is what to do, and ``passes_on`` whether other arguments go to pytest."""
    parser = argparse.ArgumentParser(
        prog="finwait",
        description="Test how Linux kernels speak TCP, packet by packet.",
        epilog=_START,
        formatter_class=LAYOUT,
    )
    parser.add_argument("--version", action="version", version=f"finwait {__version__}")
    parser.set_defaults(passes_on=False, resume=None)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB [OPTION ...]", title="verbs")

    # its own help is one screen, see run_help
    run = verbs.add_parser("run", help="run scenarios on the running kernel", add_help=False, allow_abbrev=False)
    add_report(run)
    run.set_defaults(passes_on=True)
    _add_runners(verbs)
    _add_readers(verbs)
    _add_kernels(verb(verbs, "kernels", "list, fetch, build, remove or verify kernels"))
    verb(verbs, "doctor", "list what this machine offers, and how to get what is missing")
    return parser


def _add_runners(verbs: Verbs[argparse.ArgumentParser]) -> None:
    """The verbs that run scenarios on other kernels than the running one."""
    matrix = verb(
        verbs,
        "matrix",
        "run the same scenarios on several kernels",
        f"{PASSED_ON}\nA kernel is a name from 'finwait kernels list', or the path of your own.\n"
        "--junitxml a.xml writes one file per kernel, such as a-host.xml.\n"
        "The exit status is 0 when every verdict was reached, deviations included,\n"
        "1 when one is lost, 2 on a mistake. With --fail-on, --strict, --rfc or\n"
        "--baseline it is 1 also where finwait run would fail.",
        "finwait matrix --kernel uml:5.10 --kernel host scenarios/closing",
        "finwait matrix --kernel ./linux -k disorder",
    )
    add_kernel(matrix, "a kernel; may be repeated", required=True)
    add_run_dir(matrix)
    add_resume(matrix)
    add_report(matrix)
    matrix.add_argument("--all", action="store_true", help="also show what comes out alike on all kernels")
    matrix.add_argument("--at-once", type=some, metavar="N", help="kernels to run at once [as many as fit]")
    add_cluster(matrix)
    add_source(matrix)
    matrix.set_defaults(passes_on=True)

    again = verb(
        verbs,
        "reproduce",
        "show the bug that finwait was made for",
        "A FIN arrives after the ACK that was sent after it. Which kernels drop it?",
    )
    add_kernel(again, "a kernel; may be repeated [host, uml:5.10]")
    add_run_dir(again)
    add_report(again)
    add_source(again)

    add_import(verbs)

    mutate = verb(
        verbs,
        "mutate",
        "change the kernel's answers to prove that scenarios can fail",
        f"{PASSED_ON}\nA change that no scenario notices is listed, and the exit status is 1.",
        "finwait mutate --sample 50 scenarios/closing",
        "finwait mutate --kernel-source uml-virtual:7.2 --sample 20 --seed 1",
    )
    mutate.add_argument("--kernel", default="host", metavar="NAME", help="the kernel that answers [host]")
    mutate.add_argument("--sample", type=some, metavar="N", help="try N changes, drawn at random [all; 20 of a kernel]")
    mutate.add_argument("--kernel-source", metavar="NAME", help="instead, build the kernel with one line changed")
    mutate.add_argument("--file", action="append", metavar="FILE", help="of its source, such as net/ipv4/tcp.c [core]")
    add_index(mutate)
    add_seed(mutate, "seed of the random choice")
    add_run_dir(mutate)
    add_resume(mutate)
    add_cluster(mutate)
    add_source(mutate)
    mutate.set_defaults(passes_on=True)
    _add_explore(verbs)
    add_patch(verbs)
    add_bisect(verbs)


def _add_explore(verbs: Verbs[argparse.ArgumentParser]) -> None:
    explored = verb(
        verbs,
        "explore",
        "find what kernels do differently, by programs that nobody wrote",
        "Each difference is shown once, in its shortest form, kernels side by side.\n"
        "One kernel alone is held against RFC 9293. Ctrl-C ends the search and shows\n"
        "what was found. The exit status is 1 where something was.",
        "finwait explore --kernel uml-virtual:5.10 --kernel uml-virtual:7.2 --for 5m",
    )
    add_kernel(explored, "a kernel, or several to compare")
    explored.add_argument("--for", dest="seconds", metavar="TIME", help="how long, such as 90s or 5m [60s]")
    explored.add_argument("--programs", type=some, metavar="N", help="how many programs, instead or at most")
    add_seed(explored, "same seed, same programs")
    explored.add_argument(
        "--save", type=Path, metavar="DIR", help="write each: to replay, and as what the last kernel passes"
    )
    what = explored.add_mutually_exclusive_group()
    what.add_argument(
        "--corpus", type=Path, metavar="DIR", help="go on from what was kept there, and keep what reaches more"
    )
    what.add_argument("--replay", type=Path, metavar="FILE", help="run a finding again, and search no further")
    explored.add_argument(
        "--see", action="append", default=[], metavar="NAME", help="compare what is left out of sight too; all is all"
    )
    explored.add_argument("--theme", default="any", metavar="NAME", help="what the programs are about [any]")
    add_cluster(explored)
    add_source(explored)


def _add_readers(verbs: Verbs[argparse.ArgumentParser]) -> None:
    """The verbs that read run folders and run nothing."""
    shown = verb(
        verbs,
        "show",
        "show what a run found, or one result: what happened, the verdict and why",
        "",
        "finwait show RUN",
        'finwait show RUN -k "overtaken close IPv4 noTS" --brief',
        "finwait show RUN -k half_closed --as python > test_again.py",
        "finwait show RUN -k half_closed --since handshake --brief --svg x.svg",
    )
    add_run(shown, "run")
    shown.add_argument("-k", dest="name", metavar="NAME", help="one result: its id, or words that it alone has all of")
    shown.add_argument("--brief", action="store_true", help="leave out windows and options of segments")
    shown.add_argument(
        "--since", default="", metavar="CALL", help="leave out what was before: handshake, or a call such as close"
    )
    shown.add_argument(
        "--as", dest="kind", choices=("python", "pkt"), help="print what it did as a scenario or a packetdrill script"
    )

    shown.add_argument("--svg", type=Path, metavar="FILE", help="draw what happened into a file instead of printing")

    report = verb(
        verbs,
        "report",
        "write pages to look at and to send",
        "They open from a folder in any browser, offline; one run for each kernel.",
        "finwait report reports/runs/matrix-20261127T043810-12837/* --output report",
    )
    report.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, one per kernel")
    report.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="where to; a report that is there is replaced"
    )

    compare = verb(verbs, "compare", "show what changed between two runs", "The exit status is 1 on a regression.")
    add_run(compare, "before", "RUN_A")
    add_run(compare, "after", "RUN_B")
    add_report(compare)

    _add_coverage(verbs)

    baseline = verb(
        verbs,
        "baseline",
        "print the deviations of a run as a baseline",
        "",
        "finwait baseline RUN > known.toml",
        "finwait run --baseline known.toml",
    )
    add_run(baseline, "run")


def _add_coverage(verbs: Verbs[argparse.ArgumentParser]) -> None:
    coverage = verb(
        verbs,
        "coverage",
        "show which RFC requirements were tested, or which code of a kernel was reached",
        "With --code the index of scenarios and lines is made anew in the run folder.",
        "finwait coverage --code RUN --output pages",
        "finwait coverage --code RUN --line net/ipv4/tcp_input.c:4711",
    )
    coverage.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run folders, one per kernel [the latest]")
    coverage.add_argument("--code", action="store_true", help="of a run on a kernel that counts its code")
    coverage.add_argument("--output", type=Path, metavar="DIR", help="write pages with the code and who reaches it")
    coverage.add_argument(
        "-k", dest="name", default="", metavar="NAME", help="show what one scenario reaches, by the index"
    )
    coverage.add_argument("--line", default="", metavar="FILE:N", help="list who reaches a line, by the index")
    coverage.add_argument("--write", action="store_true", help="write docs/coverage.md instead of printing")


def _add_kernels(kernels: argparse.ArgumentParser) -> None:
    actions = kernels.add_subparsers(dest="action", required=True, metavar="ACTION", title="actions")
    verb(actions, "list", "list the kernels that are here, and those to fetch or build")
    fetch = verb(
        actions,
        "fetch",
        "download a kernel's packages and check their signatures",
        "",
        "finwait kernels fetch uml:5.10",
    )
    fetch.add_argument("name", metavar="NAME", help="a name from 'finwait kernels list'")
    fetch.add_argument("--renew", action="store_true", help="look for a newer version")
    add_source(fetch)
    build = verb(
        actions,
        "build",
        "build a kernel that runs in virtual time",
        "",
        "finwait kernels build uml-virtual:7.2",
        "finwait kernels build --tree ~/linux",
        "finwait kernels build uml-virtual:7.2 --code-coverage",
    )
    build.add_argument("name", nargs="?", default="", metavar="NAME", help="such as uml-virtual:7.2")
    build.add_argument("--tree", type=Path, metavar="DIR", help="a source tree of your own; it is not changed")
    build.add_argument("--code-coverage", action="store_true", help="have it count which code of TCP is reached")
    build.add_argument("-j", "--jobs", type=int, metavar="N", help="compilers to run at once [one per processor]")
    add_source(build)
    remove = verb(actions, "remove", "remove a kernel from the cache")
    remove.add_argument("name", metavar="NAME", help="a name from 'finwait kernels list'")
    verb(actions, "verify", "check every file in the cache against its hash")
