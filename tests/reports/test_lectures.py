"""The pictures for lectures: the part of a timeline that each shows, and that docs/lectures has all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.trace.events import Called, Event, Probed, Received
from reports.lectures import LECTURES, Lecture, page, part

CHECKOUT = Path(__file__).parents[2]

Disorder = Callable[..., tuple[Event, ...]]


def test_a_part_goes_from_one_call_up_to_another(disorder: Disorder) -> None:
    events = disorder()
    assert part(events, "", "") == events
    opening = part(events, "", "shutdown")
    assert opening == events[: len(opening)]
    assert [one.name for one in opening if isinstance(one, Called)] == ["accept"]
    first = part(events, "shutdown", "")
    assert [one.name for one in first if isinstance(one, Called)] == ["shutdown"]
    assert sum(isinstance(one, Received) for one in first) == 2


def test_a_part_begins_in_the_state_that_the_socket_has_by_then(disorder: Disorder) -> None:
    state, call, *_ = part(disorder(), "shutdown", "")
    assert isinstance(state, Probed)
    assert (state.state, state.at) == ("ESTABLISHED", call.at)


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda one: one.file)
def test_each_picture_is_there_and_its_scenario_too(lecture: Lecture) -> None:
    file, _, function = lecture.scenario.partition("::")
    assert f"def {function.partition('[')[0]}(" in (CHECKOUT / "scenarios" / file).read_text()
    drawn = ElementTree.fromstring((CHECKOUT / "docs" / "lectures" / f"{lecture.file}.svg").read_text())
    assert drawn.get("aria-label") == lecture.title


def test_the_page_is_as_it_was_made() -> None:
    text = (CHECKOUT / "docs" / "lectures" / "README.md").read_text()
    kernel = text.partition("real kernel (")[2].partition(")")[0]
    assert text == page(kernel)
