"""What may have happened on a captured connection, as programs to try: each ending in each order of arrival. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from harness.capture.arrivals import orders
from harness.capture.completing import completed
from harness.capture.conversation import Conversation, Sighting
from harness.capture.conversion import Inferred, converted
from harness.capture.endings import guesses
from harness.capture.facts import Facts
from harness.capture.writing import Writing
from harness.program.python import python
from harness.tcp.timing import REAL_WAIT, Span


class Hypothesis(NamedTuple):
    """One way in which it may have happened.

    Args:
        name: of its file, without the suffix.
        ending: what the near side's process may have called.
        order: in which the far side's segments may have reached it.
        made: its program.
        captured: whether the order is that of the capture.
    """

    name: str
    ending: str
    order: str
    made: Inferred
    captured: bool

    def text(self, origin: str) -> str:
        """As a scenario that was made of ``origin``."""
        about = f"of {origin}: {self.ending}, {self.order}"
        return python(self.made.program, self.name, about, self.made.comments)


def hypotheses(
    conversation: Conversation, sightings: Sequence[Sighting], near: int, patience: Span = REAL_WAIT
) -> list[Hypothesis]:
    """All that are worth trying, the order of the capture first; each waits no longer than ``patience`` in all."""
    found: list[Hypothesis] = []
    seen = completed(list(sightings), near)
    for number, (words, facts) in enumerate(_courses(conversation, seen, near)):
        for ending in guesses(seen, near):
            name = f"test_{_slug(ending.words)}" + (f"_{_slug(words)}" if number else "")
            found.append(Hypothesis(name, ending.words, words, converted(facts, ending, patience), not number))
    return found


def _courses(conversation: Conversation, sightings: list[Sighting], near: int) -> Iterator[tuple[str, Facts]]:
    """The orders of arrival; where full segments were pushed, with a call for each, and with large ones."""
    for arrivals in orders(sightings, near):
        facts = Facts(conversation, list(arrivals.sightings), near)
        yield arrivals.words, facts
        if Writing(facts).one_each:
            yield f"{arrivals.words}, written by large calls", replace(facts, records=False)


def _slug(words: str) -> str:
    return re.sub(r"\W+", "_", words.lower()).strip("_")
