"""Files of what ``finwait explore`` has found: a scenario, a packetdrill script, and the finding itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from harness.errors import FinwaitError
from harness.explore.attempt import About
from harness.explore.divergence import Divergence
from harness.explore.finding import SavedFinding, written
from harness.explore.scenario import scenario
from harness.program.packetdrill import packetdrill
from harness.program.python import python
from harness.program.steps import Program
from harness.trace.folder import Unwritable


def save(found: Sequence[Divergence], kernels: Sequence[str], folder: Path, console: Console) -> None:
    """Write each difference, as a finding to run again, and where it can be said as what the last kernel passes.

    Args:
        found: what was found.
        kernels: their names, in the order of the answers.
        folder: is made where it is not there.
        console: tells which files there are now.

    Raises:
        FinwaitError: a file cannot be written.
    """
    for number, one in enumerate(found, 1):
        name = f"difference_{number}"
        texts = {f"{name}.json": written(SavedFinding(tuple(kernels), one.attempt, one.signature))}
        try:
            program = _said(one)
        except FinwaitError as error:
            console.print(f"{number}. is no scenario: {error}")
        else:
            texts[f"test_{name}.py"] = python(program, f"test_{name}")
            if not any(isinstance(step, About) for step in one.attempt.steps):  # packetdrill has one connection
                texts[f"{name}.pkt"] = packetdrill(program, name)
        for file, text in texts.items():
            _write(folder / file, text)
        console.print(f"{number}. is {' '.join(str(folder / file) for file in texts)}", soft_wrap=True)


def _said(one: Divergence) -> Program:
    last = one.noted[-1]
    if last is None:
        raise FinwaitError("it kills the kernel")
    if one.signature.other[:1] == ("options",):  # what may stand behind them no scenario tells
        raise FinwaitError("it differs in options alone, whose values count from the kernel's clock")
    return scenario(one.attempt, last)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unwritable(file, error) from error
