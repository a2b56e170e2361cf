"""What a person may type behind ``finwait``: the verbs and their options."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import __version__


def command_line() -> argparse.ArgumentParser:
    """The parser: ``verb`` is what to do, and ``passes_on`` whether other arguments go to pytest."""
    parser = argparse.ArgumentParser(prog="finwait", description="Packet-level TCP conformance of Linux kernels")
    parser.add_argument("--version", action="version", version=f"finwait {__version__}")
    parser.set_defaults(passes_on=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    run = verbs.add_parser("run", help="pytest with finwait's defaults, on the running kernel", add_help=False)
    run.set_defaults(passes_on=True)

    again = verbs.add_parser("reproduce", help="show how kernels treat a FIN whose acknowledgment overtook it")
    again.add_argument("--run-dir", type=Path, metavar="DIR", help="where to put the run folders [reports/runs]")
    again.add_argument(
        "--kernel",
        action="append",
        metavar="NAME",
        help="a kernel to show instead of host and uml:5.10; may be repeated",
    )
    _add_source(again)

    verbs.add_parser("doctor", help="list what this machine offers and how to get what is missing")

    matrix = verbs.add_parser(
        "matrix", help="run the same scenarios on several kernels; further arguments go to pytest"
    )
    matrix.add_argument("--kernel", action="append", required=True, metavar="NAME", help="a kernel; may be repeated")
    matrix.add_argument("--run-dir", type=Path, metavar="DIR", help="where to put the run folders [reports/runs]")
    matrix.add_argument(
        "--at-once", type=int, metavar="N", help="how many kernels to run at once [as many as cores and memory allow]"
    )
    _add_source(matrix)
    matrix.set_defaults(passes_on=True)

    _add_readers(verbs)

    mutate = verbs.add_parser(
        "mutate", help="mutate the kernel's answers to prove that scenarios can fail; further arguments go to pytest"
    )
    mutate.add_argument("--kernel", default="host", metavar="NAME", help="the kernel whose answers are mutated [host]")
    mutate.add_argument("--run-dir", type=Path, metavar="DIR", help="where to put the run folders [reports/runs]")
    mutate.add_argument("--sample", type=int, metavar="N", help="try only N mutations, chosen at random [all]")
    mutate.add_argument("--seed", type=int, default=0, metavar="S", help="seed of that random choice [0]")
    _add_source(mutate)
    mutate.set_defaults(passes_on=True)

    baseline = verbs.add_parser("baseline", help="print the deviations of a run as a baseline file for --baseline")
    baseline.add_argument("run", type=Path, metavar="RUN")
    _add_kernels(verbs.add_parser("kernels", help="list, fetch, build, remove or verify kernels"))
    return parser


def _add_readers(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verbs that read run folders and run nothing."""
    compare = verbs.add_parser("compare", help="show what changed between two runs; status 1 on a regression")
    compare.add_argument("before", type=Path, metavar="RUN_A")
    compare.add_argument("after", type=Path, metavar="RUN_B")

    shown = verbs.add_parser("show", help="show one result of a run: reason, ladder, evidence, or the program it ran")
    shown.add_argument("run", type=Path, metavar="RUN")
    shown.add_argument(
        "-k", dest="name", required=True, metavar="NAME", help="its id, or words that are in no other id"
    )
    shown.add_argument("--brief", action="store_true", help="leave windows and options out of the ladder")
    shown.add_argument("--as", dest="kind", choices=("python", "pkt"), help="print its program in that language")

    coverage = verbs.add_parser("coverage", help="show which RFC requirements were tested, and the result of each")
    coverage.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="a run folder per kernel [the latest]")
    coverage.add_argument("--write", action="store_true", help="write docs/coverage.md instead of printing")


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mirror", default="", metavar="URL", help="a Debian mirror [the one that apt uses here]")
    parser.add_argument("--security-mirror", default="", metavar="URL", help="a mirror for the -security suites")
    parser.add_argument("--keyring", type=Path, metavar="FILE", help="the keys that sign the mirror's indexes")
    parser.add_argument("--insecure", action="store_true", help="accept packages without checking their signature")


def _add_kernels(kernels: argparse.ArgumentParser) -> None:
    actions = kernels.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the kernels that are here and those that can be fetched or built")
    fetch = actions.add_parser("fetch", help="download a kernel's packages, signatures checked")
    fetch.add_argument("name", metavar="NAME")
    fetch.add_argument("--renew", action="store_true", help="look for a newer version")
    _add_source(fetch)
    build = actions.add_parser("build", help="build a kernel with virtual time")
    build.add_argument("name", nargs="?", default="", metavar="NAME", help="such as uml-virtual:7.2")
    build.add_argument("--tree", type=Path, metavar="DIR", help="a source tree of your own, which is only read")
    build.add_argument(
        "-j", "--jobs", type=int, metavar="N", help="number of compilers to run at once [one per processor]"
    )
    _add_source(build)
    remove = actions.add_parser("remove", help="remove a kernel from the cache")
    remove.add_argument("name", metavar="NAME")
    actions.add_parser("verify", help="check every file in the cache against its hash")
