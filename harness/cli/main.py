"""The finwait command: every verb calls something that a test can call."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness.cli import run_help
from harness.cli.output import Output, discard
from harness.cli.parser import command_line
from harness.cli.shared_options import resumed
from harness.errors import FinwaitError
from harness.trace.owner import hand_back_caches_at_the_end

if TYPE_CHECKING:
    from harness.kernels.supply.apt import Source
    from harness.kernels.supply.spec import KernelSpec

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder that finwait is used from."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0 as the verb says, 2 for what the user or the machine got wrong."""
    hand_back_caches_at_the_end(CHECKOUT)
    parser = command_line()
    options, rest = parser.parse_known_args(arguments)
    if rest and not options.passes_on:
        parser.error(f"unknown argument {rest[0]!r}; finwait {options.verb} --help lists its options")
    options.rest = rest
    try:
        status = _VERBS[options.verb](options, Output())
        sys.stdout.flush()
    except FinwaitError as error:
        print(f"finwait: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print("; ".join(("finwait: interrupted", *map(str, interrupt.args))), file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of a pipe has gone; nothing is left to say
        discard()
        return 141
    except OSError as error:
        if error.errno not in (ENOSPC, EDQUOT) or error.filename:
            raise
        discard()
        print(f"finwait: the output cannot be written ({error.strerror})", file=sys.stderr)
        return 2
    return status


def _run(options: argparse.Namespace, console: Console) -> int:
    if {"-h", "--help"}.intersection(options.rest):
        print(run_help.TEXT, end="")
        return 0

    import pytest

    from harness.cli import report
    from harness.cli.run_folder import RunFolderFinder
    from harness.run.selection import select

    report.prepare(options)
    if any(one.partition("=")[0] == "--kernel" for one in options.rest):
        raise FinwaitError("finwait run asks the running kernel", hint="finwait matrix --kernel NAME, for others")

    rest = ["--help" if one == "--help-pytest" else one for one in options.rest]
    # the command itself is what is imported already, and no assert of it is for pytest to explain
    quiet = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
    finder = RunFolderFinder()
    status = int(pytest.main([*quiet, *select(rest, CHECKOUT).arguments], plugins=[finder]))
    report.write_asked(options, finder.runs(), CHECKOUT, console)
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


def _folder(options: argparse.Namespace) -> Path:
    """Where a verb that asks several kernels puts their run folders."""
    from harness.trace.folder import new_name

    parent: Path = options.run_dir or CHECKOUT / "reports" / "runs"
    return resumed(options) or parent / (options.run_name or new_name(options.verb))


def _reproduce(options: argparse.Namespace, console: Console) -> int:
    from harness.cli import report, reproduce
    from harness.kernels.supply.spec import parse

    report.prepare(options)
    hint = ""
    try:
        specs = _had(options.kernel or ["host", reproduce.AFFECTED], options, console)
    except FinwaitError as error:
        if options.kernel:
            raise
        # the running kernel's half is worth showing without the other
        specs, hint = [parse("host")], f"{reproduce.AFFECTED} is not here: {error}"
    found = reproduce.reproduce(specs, CHECKOUT, _folder(options), console)
    status = reproduce.present(found, console)
    report.write_asked(options, found.runs, CHECKOUT, console)
    if hint:
        console.print(hint, soft_wrap=True)
    return status


def _import(options: argparse.Namespace, console: Console) -> int:
    from harness.cli.import_file import import_file

    return import_file(options, lambda names: _had(names, options, console), _folder(options), CHECKOUT, console)


def _doctor(_: argparse.Namespace, console: Console) -> int:
    from harness import doctor

    findings = doctor.examine()
    doctor.render(findings, console)
    return doctor.status(findings)


def _matrix(options: argparse.Namespace, console: Console) -> int:
    from harness.cli import report
    from harness.cli.matrix import present
    from harness.cli.workers import opener
    from harness.run import matrix
    from harness.run.rehearsal import rehearse

    report.prepare(options)
    rehearse(options.rest, CHECKOUT)
    specs = _had(options.kernel, options, console)
    asked = opener(options, CHECKOUT, console, at_once=options.at_once)
    found = matrix.run_on(specs, _folder(options), options.rest, asked, split=True, resume=bool(options.resume))
    status = present(found, console, every=options.all)
    report.write_asked(options, found.runs, CHECKOUT, console)
    return status


def _compare(options: argparse.Namespace, console: Console) -> int:
    from harness.cli import report
    from harness.trace.runs import load
    from reports.compare import compare, render

    report.prepare(options)
    runs = load(options.before), load(options.after)
    comparison = compare(*runs)
    render(comparison, console)
    report.write_asked(options, runs, CHECKOUT, console, comparison)
    return comparison.exit_status


def _show(options: argparse.Namespace, console: Console) -> int:
    from harness.cli.show import present

    return present(options, CHECKOUT, console)


def _report(options: argparse.Namespace, console: Console) -> int:
    from harness.cli import report
    from harness.trace.runs import load

    page = report.write([load(folder) for folder in options.runs], options.output, CHECKOUT)
    console.print(f"the report is in {page}", soft_wrap=True)
    return 0


def _coverage(options: argparse.Namespace, console: Console) -> int:
    from harness.model import requirements
    from harness.trace.folder import write_whole
    from harness.trace.runs import latest, load
    from reports import coverage
    from reports.lines import show, width_of

    folders = options.runs or [latest(CHECKOUT / "reports" / "runs")]
    if options.code or options.line or options.name or options.output:
        from harness.cli import code

        return code.show_code(folders, options, console)
    known = requirements.load()
    why_not = coverage.reasons(CHECKOUT / "scenarios" / "untested.toml", known)
    found = coverage.coverage([load(folder) for folder in folders], known, why_not)
    if options.write:
        write_whole(CHECKOUT / "docs" / "coverage.md", coverage.markdown(found).encode())
    else:
        show(console, coverage.table(found, width_of(console)))
    return 0


def _mutate(options: argparse.Namespace, console: Console) -> int:
    if options.kernel_source:
        from harness.cli.kernel_mutants import mutate_kernel

        return mutate_kernel(options, lambda: _source(options), _folder(options), CHECKOUT, console)

    from harness.cli.workers import opener
    from harness.run import mutate
    from harness.run.rehearsal import rehearse

    rehearse(options.rest, CHECKOUT)
    mutator = mutate.Mutator(_had([options.kernel], options, console)[0], CHECKOUT, opener(options, CHECKOUT, console))
    found = mutator.mutate(
        options.rest, _folder(options), sample=options.sample, seed=options.seed, resume=bool(options.resume)
    )
    return mutate.present(found, console)


def _explore(options: argparse.Namespace, console: Console) -> int:
    from harness.cli import explore

    return explore.explore(options, _had(explore.kernels_of(options), options, console), CHECKOUT, console)


def _patch(options: argparse.Namespace, console: Console) -> int:
    from harness.cli.patch import patch

    return patch(options, lambda: _source(options), _folder(options), CHECKOUT, console)


def _bisect(options: argparse.Namespace, console: Console) -> int:
    from harness.cli.bisect import bisect

    return bisect(options, lambda: _source(options), _folder(options), CHECKOUT, console)


def _baseline(options: argparse.Namespace, _: Console) -> int:
    from harness.plugin import baseline
    from harness.plugin.baseline_draft import draft
    from harness.trace.runs import load

    run = load(options.run)
    files = sorted((CHECKOUT / "scenarios" / "baselines").glob("*.toml"))
    known = baseline.Baseline(tuple(entry for file in files for entry in baseline.load(file).entries))
    print(draft(run.results.values(), kernel=run.record.kernel, known=known), end="")
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
            verbs.build_kernel(options, cache, lambda: _source(options), console)
        case "remove":
            console.print(f"{verbs.remove(options.name, cache)} entries removed")
        case "verify":
            return verbs.verify(cache, console)
    return 0


_VERBS: dict[str, Callable[[argparse.Namespace, Console], int]] = {
    "run": _run,
    "reproduce": _reproduce,
    "import": _import,
    "doctor": _doctor,
    "matrix": _matrix,
    "compare": _compare,
    "show": _show,
    "report": _report,
    "coverage": _coverage,
    "mutate": _mutate,
    "explore": _explore,
    "patch": _patch,
    "bisect": _bisect,
    "baseline": _baseline,
    "kernels": _kernels,
}
