"""The finwait command: every verb calls something that a test can call."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness import __version__
from harness.cli import run_help
from harness.errors import FinwaitError

if TYPE_CHECKING:
    from harness.kernels.supply.apt import Source
    from harness.kernels.supply.spec import KernelSpec

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder that finwait is used from."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0 as the verb says, 2 for what the user or the machine got wrong."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and not options.passes_on:
        parser.error(f"unknown argument {rest[0]!r}; finwait {options.verb} --help lists what there is")
    options.rest = rest
    console = Console(highlight=False, markup=False, soft_wrap=True)
    try:
        status: int = options.call(options, console)
    except FinwaitError as error:
        print(f"finwait: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("finwait: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of a pipe has gone; nothing is left to say, nor to flush at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="finwait", description="Packet-level TCP conformance of Linux kernels")
    parser.add_argument("--version", action="version", version=f"finwait {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    run = verbs.add_parser("run", help="pytest with finwait's defaults, on the running kernel", add_help=False)
    run.set_defaults(call=_run, passes_on=True)

    again = verbs.add_parser("reproduce", help="show how kernels treat a FIN whose acknowledgment overtook it")
    again.add_argument("--run-dir", type=Path, metavar="DIR", help="where to put the run folders [reports/runs]")
    again.add_argument(
        "--kernel",
        action="append",
        metavar="NAME",
        help="a kernel to show instead of host and uml:5.10; may be repeated",
    )
    _add_source(again)
    again.set_defaults(call=_reproduce, passes_on=False)

    doctor = verbs.add_parser("doctor", help="list what this machine offers and how to get what is missing")
    doctor.set_defaults(call=_doctor, passes_on=False)

    matrix = verbs.add_parser(
        "matrix", help="run the same scenarios on several kernels; further arguments go to pytest"
    )
    matrix.add_argument("--kernel", action="append", required=True, metavar="NAME", help="a kernel; may be repeated")
    matrix.add_argument("--run-dir", type=Path, metavar="DIR", help="where to put the run folders [reports/runs]")
    matrix.add_argument(
        "--at-once", type=int, metavar="N", help="how many kernels to run at once [as many as cores and memory allow]"
    )
    _add_source(matrix)
    matrix.set_defaults(call=_matrix, passes_on=True)

    compare = verbs.add_parser("compare", help="show what changed between two runs; status 1 on a regression")
    compare.add_argument("before", type=Path, metavar="RUN_A")
    compare.add_argument("after", type=Path, metavar="RUN_B")
    compare.set_defaults(call=_compare, passes_on=False)

    coverage = verbs.add_parser("coverage", help="show which RFC requirements were tested, and the result of each")
    coverage.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="a run folder per kernel [the latest]")
    coverage.add_argument("--write", action="store_true", help="write docs/coverage.md instead of printing")
    coverage.set_defaults(call=_coverage, passes_on=False)

    mutate = verbs.add_parser(
        "mutate", help="mutate the kernel's answers to prove that scenarios can fail; further arguments go to pytest"
    )
    mutate.add_argument("--kernel", default="host", metavar="NAME", help="the kernel whose answers are mutated [host]")
    mutate.add_argument("--run-dir", type=Path, metavar="DIR", help="where to put the run folders [reports/runs]")
    mutate.add_argument("--sample", type=int, metavar="N", help="try only N mutations, chosen at random [all]")
    mutate.add_argument("--seed", type=int, default=0, metavar="S", help="seed of that random choice [0]")
    _add_source(mutate)
    mutate.set_defaults(call=_mutate, passes_on=True)

    baseline = verbs.add_parser("baseline", help="print the deviations of a run as a baseline file for --baseline")
    baseline.add_argument("run", type=Path, metavar="RUN")
    baseline.set_defaults(call=_baseline, passes_on=False)
    _add_kernels(verbs.add_parser("kernels", help="list, fetch, build, remove or verify kernels"))
    return parser


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mirror", default="", metavar="URL", help="a Debian mirror [the one that apt uses here]")
    parser.add_argument("--security-mirror", default="", metavar="URL", help="a mirror for the -security suites")
    parser.add_argument("--keyring", type=Path, metavar="FILE", help="the keys that sign the mirror's indexes")
    parser.add_argument("--insecure", action="store_true", help="accept packages without checking their signature")


def _add_kernels(kernels: argparse.ArgumentParser) -> None:
    kernels.set_defaults(call=_kernels, passes_on=False)
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


def _run(options: argparse.Namespace, _: Console) -> int:
    if {"-h", "--help"}.intersection(options.rest):
        print(run_help.TEXT, end="")
        return 0

    import pytest

    from harness.run.selection import select

    rest = ["--help" if one == "--help-pytest" else one for one in options.rest]
    # the command itself is what is imported already, and no assert of it is for pytest to explain
    quiet = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
    status = int(pytest.main([*quiet, *select(rest, CHECKOUT).arguments]))
    # pytest's own number for a usage error is 4
    return 2 if status == pytest.ExitCode.USAGE_ERROR else status


def _source(options: argparse.Namespace) -> Source:
    from harness.kernels.supply.apt import Source

    return Source.configured(
        mirror=options.mirror, security=options.security_mirror, keyring=options.keyring, insecure=options.insecure
    )


def _had(names: Sequence[str], options: argparse.Namespace, console: Console) -> list[KernelSpec]:
    """The kernels of these names, fetched where they are not here yet."""
    from harness.cli.kernels import have
    from harness.kernels.supply.cache import Cache
    from harness.kernels.supply.spec import parse

    specs = [parse(name) for name in names]
    for spec in specs:
        have(spec, Cache.of_user(), lambda: _source(options), console)
    return specs


def _reproduce(options: argparse.Namespace, console: Console) -> int:
    from harness.cli import reproduce
    from harness.kernels.supply.cache import Cache
    from harness.kernels.supply.spec import parse

    hint = ""
    try:
        specs = _had(options.kernel or ["host", reproduce.AFFECTED], options, console)
    except FinwaitError as error:
        if options.kernel:
            raise
        # the running kernel's half is worth showing without the other
        specs, hint = [parse("host")], f"{reproduce.AFFECTED} is not here: {error}"
    parent = options.run_dir or CHECKOUT / "reports" / "runs"
    found = reproduce.reproduce(specs, CHECKOUT, parent, Cache.of_user(), console)
    status = reproduce.present(found, console)
    if hint:
        console.print(hint, soft_wrap=True)
    return status


def _doctor(_: argparse.Namespace, __: Console) -> int:
    from harness import doctor

    findings = doctor.examine()
    doctor.render(findings)
    return doctor.status(findings)


def _matrix(options: argparse.Namespace, console: Console) -> int:
    from harness.cli.matrix import present
    from harness.kernels.supply.cache import Cache
    from harness.run import matrix
    from harness.trace.folder import new_name

    specs = _had(options.kernel, options, console)
    parent = options.run_dir or CHECKOUT / "reports" / "runs"
    folder = parent / new_name("matrix")
    found = matrix.run_on(
        specs, CHECKOUT, folder, options.rest, Cache.of_user(), console, at_once=options.at_once, split=True
    )
    return present(found, console)


def _compare(options: argparse.Namespace, console: Console) -> int:
    from harness.trace.runs import load
    from reports.compare import compare, render

    comparison = compare(load(options.before), load(options.after))
    render(comparison, console)
    return comparison.exit_status


def _coverage(options: argparse.Namespace, console: Console) -> int:
    from harness.model import requirements
    from harness.trace.folder import write_whole
    from harness.trace.runs import latest, load
    from reports import coverage
    from reports.lines import show, width_of

    known = requirements.load()
    folders = options.runs or [latest(CHECKOUT / "reports" / "runs")]
    why_not = coverage.reasons(CHECKOUT / "scenarios" / "untested.toml", known)
    found = coverage.coverage([load(folder) for folder in folders], known, why_not)
    if options.write:
        write_whole(CHECKOUT / "docs" / "coverage.md", coverage.markdown(found).encode())
    else:
        show(console, coverage.table(found, width_of(console)))
    return 0


def _mutate(options: argparse.Namespace, console: Console) -> int:
    from harness.kernels.supply.cache import Cache
    from harness.run import mutate

    (spec,) = _had([options.kernel], options, console)
    parent = options.run_dir or CHECKOUT / "reports" / "runs"
    mutator = mutate.Mutator(spec, CHECKOUT, Cache.of_user(), console)
    found = mutator.mutate(options.rest, parent, sample=options.sample, seed=options.seed)
    mutate.present(found, console)
    return found.exit_status


def _baseline(options: argparse.Namespace, _: Console) -> int:
    from harness.plugin import baseline
    from harness.trace.runs import load

    run = load(options.run)
    print(baseline.write(run.results.values(), kernel=run.record.kernel), end="")
    return 0


def _kernels(options: argparse.Namespace, console: Console) -> int:
    from harness.cli import kernels as verbs
    from harness.kernels.supply.cache import Cache

    cache = Cache.of_user()
    match options.action:
        case "list":
            verbs.print_listing(cache, console)
        case "fetch":
            spec = verbs.fetch(options.name, cache, _source(options), console, renew=options.renew)
            console.print(verbs.after_fetching(spec), soft_wrap=True)
        case "build":
            if not options.name and not options.tree:
                raise FinwaitError(
                    "there is nothing to build", hint="finwait kernels build uml-virtual:7.2, or --tree DIR"
                )
            verbs.build_kernel(
                options.name, cache, lambda: _source(options), console, jobs=options.jobs, tree=options.tree
            )
        case "remove":
            console.print(f"{verbs.remove(options.name, cache)} entries removed")
        case "verify":
            return verbs.verify(cache, console)
    return 0
