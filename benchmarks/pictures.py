"""``python -m benchmarks.pictures``: draws docs/lectures from a run, and photographs the pages of a report."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.screenshots import browser, photograph
from harness.cli.report import write
from harness.errors import FinwaitError
from harness.kernels.supply.spec import parse
from harness.run.matrix import run_on
from harness.run.workers import on_this_machine
from harness.trace.folder import write_whole
from reports.lectures import LECTURES, draw, page

CHECKOUT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Draw; 0 when every picture was made, 1 when a scenario did not conform, 2 where nothing could be run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("--kernel", default="uml-virtual:7.2", metavar="NAME", help="[uml-virtual:7.2]")
    parser.add_argument("--output", type=Path, default=CHECKOUT / "docs" / "lectures", metavar="DIR")
    parser.add_argument(
        "--photographs", type=Path, default=CHECKOUT / "reports" / "pictures", metavar="DIR", help="[reports/pictures]"
    )
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="photograph this report [one of what the lectures are drawn from]"
    )
    options = parser.parse_args()
    scenarios = sorted({f"scenarios/{one.scenario}" for one in LECTURES})
    try:
        with tempfile.TemporaryDirectory() as scratch:
            found = run_on(
                [parse(options.kernel)], Path(scratch) / "run", scenarios, on_this_machine(CHECKOUT, Console())
            )
            if not found.runs:
                raise FinwaitError(f"nothing ran on {options.kernel}", why="; ".join(found.failures))
            (run,) = found.runs
            bad = [name for name, result in run.results.items() if result.outcome != "conforms"]
            if bad:
                print(f"not drawn, for these do not conform on {options.kernel}: {', '.join(bad)}", file=sys.stderr)
                return 1
            options.output.mkdir(parents=True, exist_ok=True)
            for lecture in LECTURES:
                write_whole(options.output / f"{lecture.file}.svg", draw(run, lecture).encode())
            write_whole(options.output / "README.md", page(f"Linux {run.release}").encode())
            print(f"{len(LECTURES)} pictures are in {options.output}")
            if not (program := browser()):
                print("no pages are photographed, for there is no Chromium here; try: apt-get install chromium")
                return 0
            pages = options.report or write([run], Path(scratch) / "report", CHECKOUT).parent
            made = photograph(program, pages, scenarios[0], options.photographs)
            print(f"{len(made)} photographs of pages are in {options.photographs}")
    except FinwaitError as error:
        print(f"pictures: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
