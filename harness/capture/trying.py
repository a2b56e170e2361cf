"""What may have happened on a captured connection, as programs to try: each ending in each order of arrival. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from harness.capture.arrivals import orders
from harness.capture.conversation import Conversation, Sighting
from harness.capture.conversion import Inferred, converted
from harness.capture.endings import guesses
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
    for number, arrivals in enumerate(orders(list(sightings), near)):
        for ending in guesses(list(sightings), near):
            name = f"test_{_slug(ending.words)}" + (f"_{_slug(arrivals.words)}" if number else "")
            made = converted(conversation, arrivals, near, ending, patience)
            found.append(Hypothesis(name, ending.words, arrivals.words, made, not number))
    return found


def _slug(words: str) -> str:
    return re.sub(r"\W+", "_", words.lower()).strip("_")
