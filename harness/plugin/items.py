"""Which pytest items are scenarios, and what such an item says of its scenario."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from types import CodeType

import pytest

from harness.mutation.runner import MutationRunner
from harness.plugin.recorder import Scenario
from harness.tcp.mutation import MutationChoice

SCENARIO = pytest.StashKey[Scenario]()
"""Where a pytest item has its scenario."""

MUTATIONS = pytest.StashKey[MutationChoice | MutationRunner]()
"""Where a run has what says which answer of a scenario is mutated."""

_SESSIONS = ("session", "path_session")
_FIXTURES = "harness.plugin.fixtures"


def is_scenario(item: pytest.Item) -> bool:
    """Whether a test has the mark ``scenario``, or asks for a session of ours: others' fixtures may have that name."""
    return item.get_closest_marker("scenario") is not None or any(_asks_for_ours(item, name) for name in _SESSIONS)


def _asks_for_ours(item: pytest.Item, name: str) -> bool:
    info = getattr(item, "_fixtureinfo", None)
    for definition in reversed(info.name2fixturedefs.get(name, ()) if info else ()):
        if definition.func.__module__ == _FIXTURES:
            return True
        if name not in definition.argnames:
            break  # it overrides ours, and does without
    return False


def scenario_of(item: pytest.Item) -> Scenario:
    """The scenario that a pytest item stands for, before it runs."""
    callspec, function = getattr(item, "callspec", None), getattr(item, "function", None)
    marks = list(item.iter_markers("requirement"))
    reports = [str(one) for mark in item.iter_markers("report") for one in mark.args]
    return Scenario(
        id=item.nodeid,
        params={name: shown(value) for name, value in (callspec.params if callspec else {}).items()},
        requirements=tuple(dict.fromkeys(str(one) for mark in marks for one in mark.args)),
        reports=tuple(dict.fromkeys(reports)),
        fixed_by=next((mark.kwargs["fixed_by"] for mark in marks if mark.kwargs.get("fixed_by")), ""),
        digest=_digest(function),
        place=f"{item.location[0]}:{(item.location[1] or 0) + 1}",
        end=f"{item.location[0]}:{_last_line(function)}" if function else "",
    )


@cache
def _digest(function: Callable[..., object] | None) -> str:
    # once a function: a table has a thousand items of one, and each search for its source reads the file anew
    source = inspect.getsource(function) if function else ""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


@cache
def _last_line(function: Callable[..., object]) -> int:
    code: CodeType = inspect.unwrap(function).__code__
    return max((line for *_, line in code.co_lines() if line), default=0)


def shown(value: object) -> str:
    """A parameter as ids and tables show it: a function by its name."""
    return str(getattr(value, "__name__", value))
