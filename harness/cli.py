"""The finwait command: every verb calls something that a test can call."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from harness import __version__
from harness.errors import FinwaitError

CHECKOUT = Path(__file__).resolve().parent.parent
"""The folder that finwait is used from."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0 as the verb says, 2 for what the user or the machine got wrong."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and not options.passes_on:
        parser.error(f"unknown argument {rest[0]!r}; finwait {options.verb} --help lists what there is")
    options.rest = rest
    console = Console(highlight=False)
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

    again = verbs.add_parser("reproduce", help="show what becomes of a FIN that its own ACK overtook")
    again.add_argument("--run-dir", type=Path, metavar="DIR", help="where the run folders are made [reports/runs]")
    again.set_defaults(call=_reproduce, passes_on=False)

    doctor = verbs.add_parser("doctor", help="what this machine offers, and what to do about what is missing")
    doctor.set_defaults(call=_doctor, passes_on=False)
    return parser


def _run(options: argparse.Namespace, _: Console) -> int:
    import pytest

    arguments = list(options.rest)
    if all(argument.startswith("-") for argument in arguments):
        arguments.append(str(CHECKOUT / "scenarios"))
    status = int(pytest.main([f"--rootdir={CHECKOUT}", f"--config-file={CHECKOUT / 'pyproject.toml'}", *arguments]))
    # pytest's own number for a usage error is 4
    return 2 if status == pytest.ExitCode.USAGE_ERROR else status


def _reproduce(options: argparse.Namespace, console: Console) -> int:
    from harness import reproduce
    from harness.kernels.apt import Source
    from harness.kernels.cache import Cache
    from harness.kernels.provide import provide
    from harness.kernels.spec import parse

    specs = [parse("host"), parse("uml:5.10")]
    provide(specs[1], Cache.of_user(), Source.configured())
    parent = options.run_dir or CHECKOUT / "reports" / "runs"
    found = reproduce.reproduce(specs, CHECKOUT, parent, Cache.of_user(), console)
    reproduce.present(found, console)
    return found.exit_status


def _doctor(_: argparse.Namespace, __: Console) -> int:
    from harness import doctor

    findings = doctor.examine()
    doctor.render(findings)
    return doctor.status(findings)
