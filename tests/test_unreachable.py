"""The list of what no scenario can reach: of rows that exist, each with a reason, and none that a scenario cites."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from harness import catalogue

CHECKOUT = Path(__file__).parents[1]
LISTED = tomllib.loads((CHECKOUT / "scenarios" / "unreachable.toml").read_text())["unreachable"]
CITED = re.compile(r"FSM-\d{3}")


def test_each_entry_names_a_transition_once_and_says_why() -> None:
    ids = [entry["id"] for entry in LISTED]
    assert len(ids) == len(set(ids))
    assert set(ids) <= set(catalogue.load().transitions)
    assert all(set(entry) == {"id", "reason"} and len(entry["reason"]) > 20 for entry in LISTED)


def test_what_a_scenario_reaches_is_not_listed() -> None:
    scenarios = (CHECKOUT / "scenarios").rglob("*.py")
    reached = {found for path in scenarios for found in CITED.findall(path.read_text())}
    assert reached & {entry["id"] for entry in LISTED} == set()
