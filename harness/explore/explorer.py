"""The search: programs in batches on all kernels at once, what they do differently, and that in its shortest form."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import msgspec

from harness.code.index import ChangedLines
from harness.explore.asked import UNKNOWN, Asked, Noticed
from harness.explore.attempt import IGNORED, Attempt, Noted
from harness.explore.deviations import deviations
from harness.explore.differences import Fork, Signature, first_fork
from harness.explore.divergence import Divergence, Shorter
from harness.explore.generate import attempt
from harness.explore.known import KnownChange, known_changes
from harness.explore.steering import Steering, observed
from harness.explore.themes import Theme

_FIRST_BATCH = 300
_BATCH_SECONDS = 8.0
_MOST_SHORTER = 1500
_PROOFS = 2
_MOST_ALIKE = 5
"""Kinds of differences that are looked into of those that are like one change that is known."""

_decoder = msgspec.json.Decoder(tuple[Noted, ...])


@dataclass(slots=True)
class Explorer:
    """Searches for what kernels do differently, or for what one does that RFC 9293 does not allow.

    Args:
        kernels: entered; one is held against the model of RFC 9293.
        theme: of the programs.
        seed: of the programs.
        ignored: what is left out of sight.
        tell: called with how it goes on.
        programs: how many were run so far.
        shortening: how many others, to find the shortest forms.
        lost: of how many nothing was learnt.
        steering: keeps programs that reach something new, of which half of the others are made; None for none.
        guide: a kernel that counts its code, and is asked first: the others run what reaches a function of ``changed``.
        changed: lines of its sources.
        first: number of the first program of the seed to run.
        aimed: how many programs have reached what was changed.
        seen: kinds of differences that are known already, and are not found again.
        names: of the kernels, by which is known which changes came between them.
        batch: programs to run at once, at least.
        alike: how many more kinds of differences were like a known change than were looked into, by its number.
        answers: each state with a kind of step and what the first kernel answered.
        designs: how often one kernel deviated as Linux does by design, by the entry of the baseline that says so.
    """

    kernels: Sequence[Asked]
    theme: Theme
    seed: int
    ignored: tuple[str, ...] = IGNORED
    tell: Callable[[str], None] = lambda _: None
    programs: int = 0
    shortening: int = 0
    lost: int = 0
    steering: Steering | None = None
    guide: Asked | None = None
    changed: Sequence[ChangedLines] = ()
    first: int = 0
    aimed: int = 0
    seen: set[Signature] = field(default_factory=set)
    names: Sequence[str] = ()
    batch: int = _FIRST_BATCH
    alike: Counter[int] = field(default_factory=Counter)
    answers: set[tuple[str, str, str]] = field(default_factory=set)
    designs: Counter[str] = field(default_factory=Counter)
    _known: dict[Signature, Divergence] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    @property
    def found(self) -> list[Divergence]:
        """What was found so far, the most frequent first."""
        several = {id(one): one for one in self._known.values()}.values()
        return sorted(several, key=lambda one: (-one.programs, one.seconds))

    @property
    def signatures(self) -> set[Signature]:
        """All kinds of differences that are known now."""
        return self.seen | set(self._known)

    @property
    def seconds(self) -> float:
        """Since the search began."""
        return time.monotonic() - self._began

    def explore(self, programs: int | None, seconds: float | None) -> None:
        """Search until that many programs were run or that many seconds are over; then find the shortest forms.

        Ctrl-C is raised as always; what was found until then is in ``found``.
        """
        batch = self.batch
        while (more := self._more(programs, seconds, batch)) or not all(one.shortest for one in self.found):
            started = time.monotonic()
            self._round(more)
            # what is found is the same each time where programs are counted or kept, however fast the kernels are
            if more and programs is None and self.steering is None:
                batch = max(self.batch, int(batch * min(2.0, _BATCH_SECONDS / (time.monotonic() - started))))
            self.tell(self._progress())

    def known(self, signature: Signature) -> list[KnownChange]:
        """The changes of docs/changes.md that a difference of these kernels shows."""
        return known_changes(signature, self.names)

    def replay(self, program: Attempt) -> None:
        """Run one program alone, whose form is to stay as it is."""
        (noticed,) = self._ask([program], self.ignored)
        self.programs += 1
        for found in self._forks(program, noticed):
            self._count(program, found)
        for one in self.found:
            one.shortest = True

    def confirm(self) -> None:
        """Have all that was found done again by kernels booted for it, with nothing out of sight the last time."""
        if not self.found:
            return
        for kernel in self.kernels:
            kernel.reboot()
        attempts = [one.attempt for one in self.found]
        proofs = [self._ask(attempts, self.ignored) for _ in range(_PROOFS)]
        whole = self._ask(attempts, ())
        for number, one in enumerate(self.found):
            again = [self._forks(one.attempt, each[number]) for each in proofs]
            one.confirmed = all(any(fork.signature == one.signature for fork in forks) for forks in again)
            if UNKNOWN not in whole[number]:
                one.noted = tuple(_decoded(whole[number]))

    def _more(self, programs: int | None, seconds: float | None, batch: int) -> int:
        """How many new programs to run now."""
        if seconds is not None and self.seconds >= seconds:
            return 0
        return batch if programs is None else min(batch, programs - self.programs)

    def _round(self, more: int) -> None:
        again = list(self.steering.first()) if self.steering else []
        number = self.first + self.programs
        fresh = [*again, *map(self._program, range(number, number + more))]
        shorter: list[tuple[Divergence, Shorter]] = []
        for one in self.found:
            if not one.shortest and len(shorter) < _MOST_SHORTER:
                shorter += [(one, other) for other in one.shorter()]
        if self.guide and self.steering:
            fresh = self._reaching(fresh)
        answers = self._ask([*fresh, *(other.attempt for _, other in shorter)], self.ignored)
        self.programs += more
        self.shortening += len(shorter)
        self.lost += sum(UNKNOWN in one for one in answers)
        self._learn(fresh, answers)
        for program, noticed in zip(fresh, answers, strict=False):
            if noticed[0]:  # it is neither lost nor did it kill the kernel
                self.answers.update(observed(program, _decoder.decode(noticed[0])))
            for found in self._forks(program, noticed):
                self._count(program, found)
        tried: dict[int, list[tuple[Shorter, Fork | None]]] = {}
        for (one, other), noticed in zip(shorter, answers[len(fresh) :], strict=True):
            news = next((fork for fork in self._forks(other.attempt, noticed) if not fork.design), None)
            tried.setdefault(id(one), []).append((other, news))
        for one in self.found:
            if id(one) in tried:
                one.learn(tried[id(one)])
                self._merge(one)

    def _program(self, number: int) -> Attempt:
        of_others = self.steering.varied(self.seed, number, self.theme) if self.steering else None
        return of_others or attempt(self.seed, number, self.theme)

    def _reaching(self, programs: Sequence[Attempt]) -> list[Attempt]:
        """Those that reach a function that was changed; all where nobody counts that."""
        assert self.guide and self.steering  # noqa: S101, PT018
        self._ask(programs, self.ignored, (self.guide,))
        code = self.guide.code
        aim = code.aim(self.changed) if code else frozenset()
        if not code or not aim:
            return list(programs)
        reached = {program: aim.intersection(code.of(program)) for program in programs}
        for program, counters in reached.items():
            if counters:
                self.steering.learn(program, [counters])
            elif not self.aimed:  # what goes far may be made into what gets there
                self.steering.learn(program, code.of(program))
        code.moved.clear()
        self.aimed += sum(map(bool, reached.values()))
        return [program for program in programs if reached[program]]

    def _learn(self, programs: Sequence[Attempt], answers: Sequence[tuple[Noticed, ...]]) -> None:
        """Keep what has reached something new, in any of the kernels that count or else by what one answered."""
        codes = [kernel.code for kernel in self.kernels if kernel.code]
        if self.steering is None or self.guide:
            return
        for program, (first, *_) in zip(programs, answers, strict=False):
            if codes:
                self.steering.learn(program, ((one, at) for at, code in enumerate(codes) for one in code.of(program)))
            elif first:
                self.steering.learn(program, observed(program, _decoder.decode(first)))
        for code in codes:
            code.moved.clear()

    def _forks(self, program: Attempt, noticed: tuple[Noticed, ...]) -> Iterable[Fork]:
        first, *others = noticed
        if UNKNOWN in noticed:
            return ()
        if others:
            if first is not None and all(one == first for one in others):
                return ()  # what is the same need not be read
            found = first_fork(program, _decoded(noticed))
            return () if found is None else (found,)
        return tuple(deviations(program, _decoded(noticed)))

    def _count(self, program: Attempt, found: Fork) -> None:
        if found.design:
            self.designs[found.design] += 1
            return
        if found.signature in self.seen:
            return
        known = self._known.get(found.signature)
        if known is None:
            if self._is_plenty(found.signature):
                self.seen.add(found.signature)
                return
            self._known[found.signature] = Divergence(found.signature, program, found.at, found.noted, self.seconds)
        else:
            known.programs += 1

    def _is_plenty(self, signature: Signature) -> bool:
        """Whether enough was found already that is like the known changes that it is like; it is counted then."""
        of_changes = {change.number for change in self.known(signature)}
        if not of_changes:
            return False
        found = Counter(change.number for one in self.found for change in self.known(one.signature))
        plenty = all(found[number] >= _MOST_ALIKE for number in of_changes)
        self.alike.update(of_changes if plenty else ())
        return plenty

    def _merge(self, one: Divergence) -> None:
        """What has become the same as another difference is counted with it, and what was known is left out."""
        if one.signature in self.seen:
            self.seen |= {name for name, known in self._known.items() if known is one}
            self._known = {name: known for name, known in self._known.items() if known is not one}
            return
        other = self._known.setdefault(one.signature, one)
        if other is not one:
            other.programs += one.programs
            other.seconds = min(other.seconds, one.seconds)
            self._known = {name: other if known is one else known for name, known in self._known.items()}

    def _ask(
        self, attempts: Sequence[Attempt], ignored: tuple[str, ...], kernels: Sequence[Asked] = ()
    ) -> list[tuple[Noticed, ...]]:
        """What these kernels noted of each program, or else all that are compared."""
        if not attempts:
            return []
        asked = kernels or self.kernels
        with ThreadPoolExecutor(len(asked)) as pool:
            running = [pool.submit(kernel.ask, attempts, ignored) for kernel in asked]
            try:
                return list(zip(*[one.result() for one in running], strict=True))
            except BaseException:  # Ctrl-C above all: nobody waits for what was asked
                for kernel in asked:
                    kernel.stop()
                raise

    def _progress(self) -> str:
        found = self.found
        left = sum(not one.shortest for one in found)
        rate = self.programs / self.seconds
        code = [f"{kernel.code}; " for kernel in self.kernels if kernel.code]
        if self.guide:
            code = [f"{self.aimed} of them reach what was changed; "]
        kept = f"{len(self.steering.corpus.kept)} kept; " if self.steering else ""
        ran = f"{self.programs} programs, {rate:.0f} a second; "
        states = len({state for state, *_ in self.answers})
        seen = f"{len(self.answers)} answers seen in {states} states; "
        return f"{ran}{seen}{''.join(code)}{kept}{len(found)} differences, {left} to be shortened"


def _decoded(noticed: tuple[Noticed, ...]) -> list[tuple[Noted, ...] | None]:
    return [None if one is None else _decoder.decode(one) for one in noticed]
