"""Something that kernels do differently, and how it gets its shortest form. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from harness.explore.attempt import Attempt, AttemptStep, Noted
from harness.explore.differences import Fork, Signature
from harness.explore.shrink import cost, otherwise, simpler
from harness.program.shrinking import Edit, edited, edits, together


@dataclass(frozen=True, slots=True)
class Shorter:
    """A program to try in the place of another; ``edit`` is what makes it of that, where it is one change."""

    attempt: Attempt
    edit: Edit[AttemptStep] | None = None


@dataclass(slots=True)
class Divergence:
    """A difference, by the shortest program that shows it.

    Args:
        signature: what all its programs have in common.
        attempt: the shortest of them so far.
        at: the step of it that is answered differently, see ``Fork``.
        noted: what each kernel noted of it; None where it died. Nothing is left out of sight once it was confirmed.
        seconds: since the beginning, until the first was found.
        programs: how many there were.
        shortest: whether nothing plainer shows it, of all that was tried.
        confirmed: whether kernels that were booted for it did the same again, each time.
    """

    signature: Signature
    attempt: Attempt
    at: int
    noted: tuple[tuple[Noted, ...] | None, ...]
    seconds: float
    programs: int = 1
    shortest: bool = False
    confirmed: bool = False
    _leaps: tuple[Attempt, ...] = ()
    _tried: set[Attempt] = field(default_factory=set)

    def shorter(self) -> list[Shorter]:
        """Plainer programs that were not tried yet; with none, this is the shortest."""
        wanted = {leap: Shorter(leap) for leap in (*self._leaps, *otherwise(self.attempt))}
        for edit in edits(self.attempt.steps, self.at, simpler):
            wanted.setdefault(other := self._edited(edit), Shorter(other, edit))
        fit = [one for one in wanted.values() if one.attempt not in self._tried and self._is_plainer(one.attempt)]
        self.shortest = not fit
        return fit

    def _edited(self, edit: Edit[AttemptStep]) -> Attempt:
        return replace(self.attempt, steps=edited(self.attempt.steps, edit))

    def _is_plainer(self, other: Attempt) -> bool:
        return bool(other.steps) and cost(other) < cost(self.attempt)

    def learn(self, tried: Sequence[tuple[Shorter, Fork | None]]) -> None:
        """Take the plainest of the programs that show the same; the changes of all of them together are for later."""
        self._tried.update(one.attempt for one, _ in tried)
        good = [(one, found) for one, found in tried if found and self.signature.admits(found.signature)]
        if good:
            made = [one.edit for one, _ in good if one.edit is not None]
            self._leaps = tuple(self._edited(edit) for edit in together(self.attempt.steps, made))
            best, found = min(good, key=lambda pair: cost(pair[0].attempt))
            self.attempt = best.attempt
            self.at, self.signature, self.noted = found.at, found.signature, found.noted
