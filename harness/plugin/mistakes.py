"""Tells a mistake of a scenario's author from what the kernel did and from a fault of the harness, with its place."""

from __future__ import annotations

import difflib
import inspect
import linecache
import re
import sys
import sysconfig
import typing
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

import pytest

from harness.errors import FinwaitError

_CHECKOUT = Path(__file__).resolve().parents[2]
_NOT_SCENARIOS = (
    *(_CHECKOUT / name for name in ("harness", "netns", "reports")),
    *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")),
)
_UNEXPECTED = re.compile(r"[Uu]nexpected keyword argument '(\w+)'")
_NO_NAME = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")


class ScenarioMistake(FinwaitError):
    """A scenario asks for something that there is not; it says nothing about the kernel, and ends with status 2.

    Args:
        error: what came of it.
        where: file and line of the scenario.
        step: the text of that line.
    """

    def __init__(self, error: BaseException, where: str, step: str, *, hint: str = "") -> None:
        head = f"{where}: mistake in the scenario"
        if isinstance(error, FinwaitError):
            super().__init__(f"{head}: {error}")
        else:
            super().__init__(f"{head}: {type(error).__name__}: {_said(error)}", why=f"in: {step}", hint=hint)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """A mistake in a file of scenarios is a line."""
    report: pytest.CollectReport = yield  # type: ignore[assignment]
    error = report.call.excinfo.value if report.call and report.call.excinfo else None
    if isinstance(error, pytest.Collector.CollectError):
        error = error.__cause__  # what pytest took it from, where it did
    if error and (found := mistake(error, collector.config.rootpath)):
        report.longrepr = str(found)
    elif isinstance(error, FinwaitError):
        report.longrepr = str(error)
    return report  # type: ignore[return-value]


def mistake(error: BaseException, root: Path) -> ScenarioMistake | None:
    """What a scenario's author got wrong; None where that is not what the exception tells.

    Of what is raised in the harness, a wrong type, name or value is the caller's.

    Args:
        error: no verdict.
        root: the folder that places are told from.
    """
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return ScenarioMistake(error, *_told((Path(error.filename), error.lineno), root))
    if isinstance(error, pytest.FixtureLookupError):
        code = (error.fixturestack[-1].func if error.fixturestack else error.request.function).__code__
        return ScenarioMistake(error, *_told((Path(code.co_filename), code.co_firstlineno), root), hint=_fixture(error))
    frames = _frames(error.__traceback__)
    number = _last_of_scenario(frames)
    if number is None:
        return None
    inside = number + 1 < len(frames)
    if inside and not isinstance(error, FinwaitError | TypeError | AttributeError | ValueError | OverflowError):
        return None
    called = frames[number + 1][0] if inside else None
    return ScenarioMistake(error, *_shown(frames[number], root), hint=_remedy(error, called))


def place(error: BaseException, root: Path) -> tuple[str, str]:
    """File and line of the scenario's step that an exception passed, and its text; empty where it passed none."""
    frames = _frames(error.__traceback__)
    number = _last_of_scenario(frames)
    if number is None:
        return "", ""
    return _shown(frames[number], root)


def scenario_frames(error: BaseException) -> list[tuple[FrameType, int]]:
    """The functions of scenarios that an exception passed, each with its line, the innermost first."""
    return [(frame, line) for frame, line in reversed(_frames(error.__traceback__)) if _is_scenario_code(frame)]


def _frames(trace: TracebackType | None) -> list[tuple[FrameType, int]]:
    found = []
    while trace is not None:
        found.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return found


def _last_of_scenario(frames: list[tuple[FrameType, int]]) -> int | None:
    ours = [_is_scenario_code(frame) for frame, _ in frames]
    return max((number for number, is_one in enumerate(ours) if is_one), default=None)


def _is_scenario_code(frame: FrameType) -> bool:
    path = Path(frame.f_code.co_filename)
    return path.is_absolute() and not any(path.is_relative_to(folder) for folder in _NOT_SCENARIOS)


def _shown(frame: tuple[FrameType, int], root: Path) -> tuple[str, str]:
    return _told((Path(frame[0].f_code.co_filename), frame[1]), root)


def _told(place: tuple[Path, int], root: Path) -> tuple[str, str]:
    path, line = place
    return f"{shown_path(path, root)}:{line}", linecache.getline(str(path), line).strip()


def _said(error: BaseException) -> str:
    """What an exception says, in one line and without a file of this machine."""
    if isinstance(error, SyntaxError):
        return error.msg
    if isinstance(error, pytest.FixtureLookupError):
        return error.msg or f"there is no fixture {error.argname!r}"
    if isinstance(error, ImportError):
        return str(error).partition(" (/")[0]
    return str(error)


def shown_path(path: Path, root: Path) -> Path:
    """A file as it is told of, from the root on where it is below it."""
    return path.relative_to(root) if path.is_relative_to(root) else path


def _remedy(error: BaseException, called: FrameType | None) -> str:
    """What there is in place of a misspelt name."""
    if isinstance(error, AttributeError) and error.name and error.obj is not None:
        public = [name for name in dir(error.obj) if not name.startswith("_")]
        return " or ".join(difflib.get_close_matches(error.name, public))
    if isinstance(error, ImportError) and (found := _NO_NAME.search(str(error))):
        module = sys.modules.get(found[2])
        return " or ".join(difflib.get_close_matches(found[1], getattr(module, "__all__", dir(module))))
    if called is not None and isinstance(error, TypeError):
        # of a step, the method is what is written down (harness.program.recording)
        method = getattr(type(called.f_locals.get("self")), called.f_code.co_name, None)
        function = called.f_locals.get("function", method)
        if function and _UNEXPECTED.search(str(error)):
            return ", ".join(_fields(function))
        if function:
            return f"{function.__name__}({_typed(function)})"
    return ""


def _fixture(error: pytest.FixtureLookupError) -> str:
    """The fixtures whose names are much like the one that there is not; all of them where none is."""
    found = re.search("available fixtures: (.*)", error.formatrepr().errorstring)
    there = found[1].split(", ") if found else []
    return " or ".join(difflib.get_close_matches(error.argname or "", there)) or ", ".join(there)


def _typed(function: object) -> str:
    """The parameters of a function with what each takes."""
    signature, hints = inspect.signature(function), typing.get_type_hints(function)  # type: ignore[arg-type]
    told: list[str] = []
    for name, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in told:
            told.append("*")
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            told += [f"{field}=..." for field in _field_names(hints.get(name))]
        elif name in hints:
            told.append(f"{name}: {re.sub(r'[a-z_.]+[.]', '', inspect.formatannotation(hints[name]))}")
    return ", ".join(told)


def _field_names(kind: object) -> list[str]:
    """Those of a typed ``**fields``."""
    return [field for fields in typing.get_args(kind) for field in fields.__annotations__]


def _fields(function: object) -> list[str]:
    """The names that a function takes by keyword, those of a typed ``**fields`` among them."""
    try:
        hints = typing.get_type_hints(function)
    except NameError:  # a type that is imported for the type checker alone
        hints = {}
    found: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():  # type: ignore[arg-type]
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found += _field_names(hints.get(name))
        elif name != "self":
            found.append(name)
    return found
