"""What several verbs take alike."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from harness.errors import FinwaitError

PASSED_ON = "Further arguments are scenarios and options of pytest, as for finwait run."
_MOST_RUNS = 100
Verbs = argparse._SubParsersAction  # the class has no public name
LAYOUT = partial(argparse.RawDescriptionHelpFormatter, max_help_position=28)


def verb(
    verbs: Verbs[argparse.ArgumentParser], name: str, does: str, more: str = "", *examples: str
) -> argparse.ArgumentParser:
    """A verb with its help."""
    description = f"{does[0].upper()}{does[1:]}." + (f"\n{more}" if more else "")
    epilog = "\n  ".join(("examples", *examples)) if examples else None
    return verbs.add_parser(name, help=does, description=description, epilog=epilog, formatter_class=LAYOUT)


def count(text: str) -> int:
    """A number of runs, from 1 on."""
    if not text.isdigit() or not 0 < int(text) <= _MOST_RUNS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {_MOST_RUNS}")
    return int(text)


def some(text: str) -> int:
    """A number of whatever is asked for, from 1 on."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def add_run(parser: argparse.ArgumentParser, name: str, metavar: str = "RUN") -> None:
    """A run folder."""
    parser.add_argument(
        name, type=Path, metavar=metavar, help="a run folder, such as reports/runs/20261127T043810-12837"
    )


def add_kernel(parser: argparse.ArgumentParser, does: str, *, required: bool = False) -> None:
    """``--kernel``."""
    parser.add_argument("--kernel", action="append", required=required, metavar="NAME", help=does)


def add_seed(parser: argparse.ArgumentParser, does: str) -> None:
    """``--seed``."""
    parser.add_argument("--seed", type=int, default=0, metavar="S", help=f"{does} [0]")


def add_index(parser: argparse.ArgumentParser) -> None:
    """``--index``."""
    parser.add_argument("--index", type=Path, metavar="RUN", help="which code scenarios reach [the newest run's]")


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    """Where run folders go."""
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="where to put the run folders [reports/runs]")
    parser.add_argument("--run-name", metavar="NAME", help="name of the folder that they are in [the time in UTC]")


def add_resume(parser: argparse.ArgumentParser) -> None:
    """``--resume``."""
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with a run of this command that ended early")


def resumed(options: argparse.Namespace) -> Path | None:
    """The folder of the run to go on with, if any.

    Raises:
        FinwaitError: another one is named as well.
    """
    run: Path | None = options.resume
    if run and (options.run_dir or options.run_name):
        raise FinwaitError("--resume RUN goes on in RUN", hint="without --run-dir and --run-name")
    return run


def add_report(parser: argparse.ArgumentParser) -> None:
    """``--report``."""
    parser.add_argument("--report", type=Path, metavar="DIR", help="also write pages to look at: finwait report --help")


def add_source(parser: argparse.ArgumentParser) -> None:
    """Where kernels and their sources are fetched from."""
    group = parser.add_argument_group("where kernels are fetched from")
    group.add_argument("--mirror", default="", metavar="URL", help="a Debian mirror [the one that apt uses here]")
    group.add_argument("--security-mirror", default="", metavar="URL", help="a mirror of the -security suites")
    group.add_argument("--keyring", type=Path, metavar="FILE", help="the keys that sign the mirror's indexes")
    group.add_argument("--insecure", action="store_true", help="accept packages without checking their signatures")


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Which machines share the work."""
    group = parser.add_argument_group("many machines (docs/cluster.md)")
    group.add_argument("--cluster", metavar="WHERE", help="local, an address, or a file that describes one")
    group.add_argument("--insecure-cluster", action="store_true", help="over a network also without TLS")
