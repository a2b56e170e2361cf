"""Holds a scenario to what it says: it expects something of the kernel, and mentions all that the kernel sends."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.live.base_session import BaseSession
from harness.plugin.items import SCENARIO
from harness.plugin.mistakes import ScenarioMistake, shown_path
from harness.plugin.recorder import Scenario
from harness.program.recording import Taken
from harness.program.steps import Call, Expect, Judge, Open, Send

_ASKING = (Send, Expect, Judge, Call, Open)
"""Steps that the kernel can fail: what a peer sends has to stay without an answer unless one is expected."""


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """After the scenario's own words: they have to expect something, and nothing may be left that they did not."""
    scenario = pyfuncitem.stash.get(SCENARIO, None)
    before = {id(session): len(session.recording.taken) for session in _sessions(scenario)}
    result = yield
    scenario = pyfuncitem.stash.get(SCENARIO, None)
    if scenario is None:
        return result
    own = [one for each in _sessions(scenario) for one in each.recording.taken[before.get(id(each), 0) :]]
    if found := nothing_expected(pyfuncitem.function, own, pyfuncitem.config.rootpath):
        raise found
    scenario.finish()
    return result


def _sessions(scenario: Scenario | None) -> list[BaseSession]:
    return [one for one in scenario.sessions if isinstance(one, BaseSession)] if scenario else []


def nothing_expected(function: Callable[..., object], taken: Iterable[Taken], root: Path) -> ScenarioMistake | None:
    """That a scenario cannot fail whatever the kernel does; None where it can, or where its source cannot be read.

    What fixtures expected is not the scenario's own. A step that fails, an ``assert``, and a function that is no step
    of a session may all judge.

    Args:
        function: the scenario's.
        taken: what was written down while it ran.
        root: the folder that places are told from.
    """
    steps = list(taken)
    if any(_asks(one) for one in steps):
        return None
    try:
        nodes = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))))
    except (OSError, SyntaxError):
        return None
    (defined, *_) = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    nodes = [node for statement in defined.body for node in ast.walk(statement)]
    called = {getattr(node.func, "attr", None) for node in nodes if isinstance(node, ast.Call)}
    if called - {one.name for one in steps} or any(isinstance(node, ast.Assert | ast.Raise) for node in nodes):
        return None
    code = inspect.unwrap(function).__code__
    error = FinwaitError(
        f"{function.__name__} expects nothing of the kernel, so it cannot fail",
        hint="peer.expect(...), peer.expect_silence() or an assert",
    )
    return ScenarioMistake(error, f"{shown_path(Path(code.co_filename), root)}:{code.co_firstlineno}", "")


def _asks(one: Taken) -> bool:
    """Whether a step asks something of the kernel; a peer that was made, and sends nothing, does not."""
    return one.error is not None or (issubclass(one.kind, _ASKING) and one.gives != ("peer",))
