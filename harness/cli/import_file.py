"""finwait import: a capture is told and reproduced, a packetdrill script is printed as a scenario."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from harness.cli import import_capture
from harness.cli.import_reproduction import KernelsByName
from harness.cli.scripts import scenario
from harness.errors import FinwaitError
from harness.packetdrill.settings import pair

_LOOKED_AT = 4096


def import_file(
    options: argparse.Namespace, kernels: KernelsByName, folder: Path, checkout: Path, console: Console
) -> int:
    """Import a file as what it is; the exit status. The arguments are those of ``import_capture``."""
    if not _is_text(options.file):
        return import_capture.import_capture(options, kernels, folder, checkout, console)
    given = (dict(map(pair, several)) for several in (options.pkt_define, options.pkt_option))
    text, lacking = scenario(options.file, *given)
    console.out(text, end="", highlight=False)
    if lacking:
        raise FinwaitError(
            f"the scenario does not say all of {options.file}",
            why=", ".join(lacking),
            hint="its comments have the lines; finwait run takes the script as it is",
        )
    return 0


def _is_text(path: Path) -> bool:
    """Whether a file can be a script: every capture has a zero among its first bytes."""
    try:
        with path.open("rb") as file:
            begin = file.read(_LOOKED_AT)
    except OSError as error:
        raise FinwaitError(f"{path} cannot be read ({error.strerror})") from error
    return bool(begin) and b"\0" not in begin
