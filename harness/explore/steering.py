"""Which programs reach something new, and what is made of them: by the kernel's code, else by its answers. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from random import Random

from harness.explore.attempt import Attempt, Noted
from harness.explore.corpus import Corpus
from harness.explore.differences import acknowledged, kind_of, state_of, told
from harness.explore.themes import Theme
from harness.explore.vary import varied

_VARIED = 0.5
"""How many programs are made of others, of all."""


class Steering:
    """Keeps programs that reach what none before them did, and makes others of them.

    Args:
        corpus: what was kept before; what is kept now is added to it.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self._again = list(corpus.kept)
        self._reached: set[Hashable] = set()

    def first(self) -> Iterator[Attempt]:
        """The programs that were kept before, each once: what they reach is not new."""
        while self._again:
            yield self._again.pop(0)

    def varied(self, seed: int, number: int, theme: Theme) -> Attempt | None:
        """A program in the place of that of a number; None where that is to be run itself."""
        chance = Random(f"{seed} {number} varied")
        if not self.corpus.kept or chance.random() >= _VARIED:
            return None
        return varied(chance, self.corpus.kept, theme)

    def learn(self, program: Attempt, reached: Iterable[Hashable]) -> None:
        """Keep the program if it reached something new."""
        new = set(reached) - self._reached
        self._reached |= new
        if new and program not in self.corpus.kept:
            self.corpus.kept.append(program)


def observed(program: Attempt, noted: tuple[Noted, ...]) -> Iterator[tuple[str, str, str]]:
    """What stands for the code that a program reached, where nobody counts that: each answer with state and step."""
    before = "CLOSED"
    for at, (step, one) in enumerate(zip(program.steps, noted, strict=True)):
        yield before, kind_of(step), told(one, acknowledged(noted[:at]))
        before = state_of(one)
