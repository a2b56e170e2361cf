"""finwait import --save: what reproduces a capture as a scenario, without what the difference does not need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.capture.conversion import Inferred
from harness.capture.minimizing import Candidate, minimized
from harness.cli.import_programs import AskedForPrograms, Tried
from harness.errors import FinwaitError
from harness.program.python import python
from harness.tcp.verdict import Outcome
from harness.trace.owner import hand_back
from harness.trace.records import Result

_MOST_OTHERS = 2
"""Endings that give other answers, which are held against each program."""

_Manner = tuple[str, tuple[tuple[str, str], ...]]
"""How a kernel answered: the outcome, and the fields that differed; numbers by how much: fewer octets alter them."""


def save_minimized(
    best: Tried, tried: Sequence[Tried], title: str, runs: int, kernels: AskedForPrograms, file: Path
) -> None:
    """Write what reproduces it as a scenario, as short as what differs between endings and kernels lets it be.

    Raises:
        FinwaitError: the file cannot be written.
    """
    about = f"{best.hypothesis.ending}, {best.hypothesis.order}"
    names = [spec.title for spec in kernels.specs]
    others = _others(best, tried)
    wanted = tuple(_manners(one, names) for one in (best, *others))
    _write(file, best.hypothesis.text(title))  # what stays if the rest is interrupted
    if len({manner for each in wanted for manner in each}) == 1 or not any(map(best.reproduced, names)):
        kernels.console.print(f"saved as {file}: {about}; it is whole, since no ending and no kernel differs")
        return
    short = _minimized(best, others, wanted, runs, kernels)
    against = [f"from {one.hypothesis.ending}" for one in others]
    against += [f"on {name}" for name, manner in zip(names, wanted[0], strict=True) if manner[0] != Outcome.CONFORMS]
    differs = f"it differs {' and '.join(against)}"
    _write(file, python(short.program, best.hypothesis.name, f"of {title}: {about}; {differs}", short.comments))
    counts = f"{len(short.program.steps)} of {len(best.hypothesis.made.program.steps)} steps are needed"
    kernels.console.print(f"saved as {file}: {about}; {differs}, for which {counts}")


def _others(best: Tried, tried: Sequence[Tried]) -> list[Tried]:
    """Endings in the same order of arrival that some kernel answers otherwise, one for each way of doing so."""
    kernels = list(best.results)
    found = {_manners(best, kernels): best}
    for one in tried:
        if one.hypothesis.order == best.hypothesis.order and all(one.results.get(name) for name in kernels):
            found.setdefault(_manners(one, kernels), one)
    return list(found.values())[1 : 1 + _MOST_OTHERS]


def _manners(one: Tried, names: Sequence[str]) -> tuple[_Manner, ...]:
    return tuple(_manner(next(iter(one.results.get(name, ())), None)) for name in names)


def _manner(result: Result | None) -> _Manner:
    if result is None:
        return "not run", ()
    if result.outcome != Outcome.DEVIATES or result.evidence is None:
        return str(result.outcome), ()
    differences = [(one.field, _distance(one.expected, one.seen)) for one in result.evidence.differences]
    return str(result.outcome), tuple(differences or [("came", str(result.evidence.observed.startswith(">")))])


def _distance(expected: str, seen: str) -> str:
    try:
        return f"{int(seen) - int(expected):+}"
    except ValueError:
        return f"{seen}, not {expected}"


def _minimized(
    best: Tried, others: Sequence[Tried], wanted: tuple[tuple[_Manner, ...], ...], runs: int, kernels: AskedForPrograms
) -> Inferred:
    names = [spec.title for spec in kernels.specs]

    def shows(candidates: Sequence[Candidate]) -> list[bool]:
        texts = {
            f"test_{number}_{other}": python(program, f"test_{number}_{other}")
            for number, candidate in enumerate(candidates)
            for other, program in enumerate(candidate)
        }
        answers = kernels.ask(texts)
        return [
            all(
                tuple(_manner(answers.get(f"test_{number}_{other}", {}).get(name)) for name in names) == manners
                for other, manners in enumerate(wanted)
            )
            for number in range(len(candidates))
        ]

    return minimized(best.hypothesis.made, [one.hypothesis.made for one in others], shows, runs)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FinwaitError(f"{file} cannot be written ({error.strerror})") from error
    hand_back(file)
