"""A program that is being made of a capture: its steps, the frames that they stand for, and what was inferred. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.program.steps import AnyStep, Made


@dataclass
class ProgramDraft:
    """What a program has so far.

    Args:
        steps: in order.
        comments: of steps, by their place.
        said: what was inferred, a line each, each once.
    """

    steps: list[AnyStep] = field(default_factory=list)
    comments: dict[int, str] = field(default_factory=dict)
    said: dict[str, None] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Tell of something that no frame shows."""
        self.said[text] = None

    def add(self, step: AnyStep, comment: str = "") -> None:
        """The next step."""
        if comment:
            self.comments[len(self.steps)] = comment
        self.steps.append(step)

    def put(self, place: int, steps: list[AnyStep], comment: str) -> None:
        """Steps with a comment before the one that has this place."""
        there = {at + len(steps) * (at >= place): text for at, text in self.comments.items()}
        self.steps[place:place] = steps
        self.comments = there | {place: comment}


def flags_of(flags: int) -> Made:
    """TCP's flags as a value."""
    return Made("Flags", {"value": int(flags)})
