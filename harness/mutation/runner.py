"""Runs each scenario once for each way in which one of its answers is mutated, in one process of pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest
from _pytest.runner import runtestprotocol

from harness.errors import FinwaitError
from harness.tcp.mutation import Mutation

MUTATED = " ~"
"""Stands in a mutated scenario's id between its own and the mutation."""

Plan = Mapping[str, tuple[str, ...]]
"""Mutations (``KIND:NUMBER``) by scenario."""


def read_plan(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        FinwaitError: it cannot be read, is no plan, or names no mutation.
    """
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=dict[str, tuple[str, ...]])
    except (OSError, msgspec.DecodeError) as error:
        raise FinwaitError(
            f"{path} is not a plan of mutations ({error})", hint="finwait mutate, which makes one"
        ) from error
    for text in {text for several in plan.values() for text in several}:
        Mutation.parse(text)
    return plan


class MutationRunner:
    """The hooks that go through a plan; scenarios that it does not name are left out.

    Args:
        plan: what to do.
        begin: makes a new scenario of an item, whose id has this behind its own.
    """

    def __init__(self, plan: Plan, begin: Callable[[pytest.Item, str], object]) -> None:
        self._plan = plan
        self._begin = begin

    def of(self, scenario: str) -> Mutation | None:
        """The mutation of a scenario, by its mutated id."""
        _, mutated, text = scenario.partition(MUTATED)
        return Mutation.parse(text) if mutated else None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what the plan does not name."""
        others = [item for item in items if not self._plan.get(item.nodeid)]
        if others:
            config.hook.pytest_deselected(items=others)
            items[:] = [item for item in items if self._plan.get(item.nodeid)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run a scenario over and over; what it shares with others is taken down after its last round."""
        rounds = self._plan[item.nodeid]
        for number, text in enumerate(rounds, 1):
            self._begin(item, f"{MUTATED}{text}")
            # its parent as the next: all is taken down but what the next round has as well
            following = nextitem if number == len(rounds) else item.parent
            runtestprotocol(item, nextitem=following)  # type: ignore[arg-type]
        return True
