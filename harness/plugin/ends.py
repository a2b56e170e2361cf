"""Why a run is refused or ends early: told in one line by the process that the user started, whichever found it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.trace.folder import Unwritable

_OBJECTIONS, _UNWRITABLE = "finwait_objections", "finwait_unwritable"


def refuse(config: pytest.Config, items: list[pytest.Item], found: list[str]) -> None:
    """Run nothing, where something is found that is wrong with the scenarios."""
    if found and hasattr(config, "workeroutput"):
        config.workeroutput[_OBJECTIONS] = found  # xdist takes an error of a worker's for a crash
        items.clear()
    elif found:
        raise pytest.UsageError(*found)


@contextmanager
def recording(config: pytest.Config) -> Iterator[None]:
    """End the run where it can record no more, with status 2: what is not kept was not learnt."""
    try:
        yield
    except Unwritable as error:
        if hasattr(config, "workeroutput"):
            config.workeroutput[_UNWRITABLE] = str(error)
        raise pytest.Session.Interrupted(str(error)) from None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object, error: object) -> None:  # noqa: ARG001
    """Say in the process that the user started why a worker of xdist ran nothing, or no more."""
    told = getattr(node, "workeroutput", {})
    if found := told.get(_OBJECTIONS):
        raise pytest.UsageError(*found)
    if _UNWRITABLE in told:
        raise pytest.Session.Interrupted(told[_UNWRITABLE])
