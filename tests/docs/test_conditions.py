"""docs/conditions.md: every row of the table that sets labs up is in it, as it stands there, and no other."""

from __future__ import annotations

from pathlib import Path

from netns.conditions import TABLE, Condition

PAGE = Path(__file__).parents[2] / "docs" / "conditions.md"


def line(row: Condition) -> str:
    """A row as the page has it."""
    cells = (f"`{row.title}`", " ".join(row.value.split()), row.default, row.scope, row.effect, row.why)
    return f"| {' | '.join(cells)} |"


def test_page_has_the_table_that_sets_labs_up() -> None:
    found = [text for text in PAGE.read_text().splitlines() if text.startswith("| `")]
    assert found == [line(row) for row in TABLE]
