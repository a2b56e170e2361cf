"""The list of what has no scenario: of rows that exist, each with a reason, and none that a scenario cites."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
LISTED = tomllib.loads((CHECKOUT / "scenarios" / "untested.toml").read_text())["untested"]
CITED = re.compile(r'"((?:FSM|RFC\d+)-[\w.-]+)"')


def test_each_reason_is_more_than_a_word() -> None:
    assert all(len(entry["reason"].split()) > 4 for entry in LISTED)


def test_what_a_scenario_cites_is_not_listed() -> None:
    scenarios = (CHECKOUT / "scenarios").rglob("*.py")
    cited = {found for path in scenarios for found in CITED.findall(path.read_text())}
    assert cited
    assert cited & {one for entry in LISTED for one in entry["ids"]} == set()
