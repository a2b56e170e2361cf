"""The options of a run, as pytest takes and parses them."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from harness.errors import FinwaitError
from harness.packetdrill.settings import pair
from harness.tcp.timing import REAL_WAIT, SECOND, span_of
from harness.tcp.verdict import Outcome
from harness.trace.folder import CHECKOUT
from harness.trace.owner import hand_back_caches_at_the_end

_BLOCK = 16  # neighbours share a lab

T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a run."""
    hand_back_caches_at_the_end(CHECKOUT)  # here, since there are some also of a command line that pytest refuses
    group = parser.getgroup("finwait", "finwait: TCP conformance")
    group.addoption("--run-dir", type=Path, metavar="DIR", help="where to put the run folder [reports/runs]")
    group.addoption("--run-name", metavar="NAME", help="name of the run folder [the time in UTC]")
    group.addoption(
        "--captures",
        choices=("none", "deviating", "all"),
        default="deviating",
        help="which captures to keep [deviating]",
    )
    _add_judgement(group)
    group.addoption("--ktap", type=Path, metavar="FILE", help="write the results as KTAP, subtests by theme")
    group.addoption("--kcidb", type=Path, metavar="FILE", help="write the results as tests of KCIDB")
    group.addoption(
        "--kcidb-build",
        type=_origin,
        metavar="ORIGIN:ID",
        help="the kernel's build in KCIDB [finwait:RELEASE]",
    )
    group.addoption("--gitlab", type=Path, metavar="FILE", help="write what fails as a code-quality report of GitLab")
    group.addoption(
        "--defaults",
        action="store_true",
        help="run with the kernel's own settings instead of those that labs set (docs/conditions.md)",
    )
    group.addoption("--timing", choices=("calibrated", "virtual"), default="calibrated", help="tolerances [calibrated]")
    group.addoption(
        "--real-wait",
        type=_seconds,
        default=REAL_WAIT.ns / SECOND.ns,
        metavar="SECONDS",
        help="run scenarios that wait up to SECONDS for the kernel's timers; those that wait longer are skipped [3]",
    )
    group.addoption("--kernel-name", default="host", metavar="NAME", help="name of the kernel in reports [host]")
    _add_packetdrills(group)
    group.addoption(
        "--mutate-answer",
        metavar="KIND:NUMBER",
        help="change one answer of the kernel in every scenario, which must notice; NUMBER may be 'last'",
    )
    group.addoption("--mutations", type=Path, metavar="FILE", help="a plan of many changes, made by finwait mutate")
    group.addoption(
        "--part",
        type=_part,
        default=(1, 1),
        metavar="I/N",
        help="split the scenarios into N parts and run part I [1/1]",
    )
    # a kernel that is booted several times runs a share at each; --part is what the user asks for
    group.addoption("--share", type=_part, default=(1, 1), help=argparse.SUPPRESS)
    group.addoption("--costs", type=partial(_read, dict[str, float]), default={}, help=argparse.SUPPRESS)
    # one that is gone on with leaves out what has a result
    group.addoption("--done", type=partial(_read, frozenset[str]), default=frozenset(), help=argparse.SUPPRESS)
    group.addoption(
        "--mutate-after", type=Path, metavar="RUN", help="the run folder that says which answer is the last"
    )


def _add_packetdrills(group: pytest.OptionGroup) -> None:
    """The options for scripts of packetdrill (docs/packetdrill.md)."""
    group.addoption(
        "--pkt-define",
        type=_pair,
        action="append",
        default=[],
        metavar="SYMBOL=VALUE",
        help="what a symbol of packetdrill scripts stands for, as -D of packetdrill; may be given several times",
    )
    group.addoption(
        "--pkt-option",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of packetdrill, such as tolerance_usecs=10000; may be given several times",
    )
    group.addoption(
        "--pkt-strict",
        action="store_true",
        help="let a packetdrill script deviate where the kernel sends more in the end than it mentions",
    )
    group.addoption(
        "--no-commands", action="store_true", help="refuse packetdrill scripts with commands or code in them"
    )


def _pair(text: str) -> tuple[str, str]:
    try:
        return pair(text)
    except FinwaitError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _add_judgement(group: pytest.OptionGroup) -> None:
    """What fails. pytest's own --strict is one of these: what is known to deviate must not conform."""
    group.addoption("--rfc", action="store_true", help="judge by the RFCs alone: no deviation is known")
    group.addoption(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="the known deviations of this kernel: exactly these must occur",
    )
    group.addoption(
        "--known-deviations",
        action="store_true",
        help="let defects pass too that scenarios/baselines/ or a scenario's fixed_by names; "
        "this tests finwait, not the kernel",
    )
    group.addoption(
        "--fail-on",
        type=_outcomes,
        default=frozenset((Outcome.DEVIATES, Outcome.LOST)),
        metavar="OUTCOMES",
        help="which outcomes give status 1, unless they are known: of deviates, lost, unsupported [deviates,lost]",
    )
    group.addoption(
        "--exit-zero",
        action="store_const",
        dest="fail_on",
        const=frozenset(),
        help="status 0 whatever the kernel did; a mistake still has status 2",
    )


def _outcomes(text: str) -> frozenset[Outcome]:
    known = (Outcome.DEVIATES, Outcome.LOST, Outcome.UNSUPPORTED)
    named = text.split(",")
    if wrong := next((one for one in named if one not in known), None):
        near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.4) or known
        raise argparse.ArgumentTypeError(f"{wrong!r} is no outcome that may fail a run; try: {', '.join(near)}")
    return frozenset(map(Outcome, named))


def _origin(text: str) -> str:
    if re.fullmatch(r"[a-z0-9_]+:.+", text):
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is not the id of a build, such as maestro:1234: small letters, then a colon"
    )


def _seconds(text: str) -> float:
    try:
        return span_of(float(text), "--real-wait").ns / SECOND.ns
    except (ValueError, FinwaitError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, such as 60") from None


def _part(text: str) -> tuple[int, int]:
    number, _, parts = text.partition("/")
    if number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts):
        return int(number), int(parts)
    raise argparse.ArgumentTypeError(f"{text!r} is not a part, such as 1/2: the first of two")


def _read(kind: type[T], file: str) -> T:
    return msgspec.json.decode(Path(file).read_bytes(), type=kind)


def share_of(items: Sequence[T], part: tuple[int, int], cost: Callable[[T], float] = lambda _: 1.0) -> list[T]:
    """What a part runs of all: blocks of neighbours, the dearest first to whichever part has least."""
    number, parts = part
    blocks = [items[at : at + _BLOCK] for at in range(0, len(items), _BLOCK)]
    costs = [sum(map(cost, block)) for block in blocks]
    spent, taken = [0.0] * parts, [0] * len(blocks)
    for block in sorted(range(len(blocks)), key=lambda block: -costs[block]):
        taken[block] = min(range(parts), key=lambda one: (spent[one], one))
        spent[taken[block]] += costs[block]
    return [item for block, taker in zip(blocks, taken, strict=True) if taker == number - 1 for item in block]
