"""A kernel that many machines run programs on, asked like one that is up here: each machine takes a part of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import gcd
from queue import SimpleQueue

from harness.cluster import kept_kernels
from harness.cluster.cluster import Cluster
from harness.cluster.errand import Brought, ProgramsErrand, RanPrograms
from harness.cluster.handing_out import Ended, Wanted
from harness.errors import FinwaitError
from harness.explore.asked import UNKNOWN, KernelsGone, Noticed
from harness.explore.attempt import Attempt, Order
from harness.explore.reached import ReachedCode
from harness.kernels.supply.build import builds_that_count
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, KernelSpec

_FEWEST = 20
"""Programs that are not worth being shared."""


class SearchedKernel:
    """A kernel that is up on as many machines as have room for it, from its first batch on.

    Args:
        cluster: entered.
        spec: which; its files are in the cache.
        cache: where they are.
        number: of this kernel, among those that are asked at the same time.
        among: how many these are.
        tell: called with what is lost.
    """

    def __init__(
        self, cluster: Cluster, spec: KernelSpec, cache: Cache, number: int, among: int, tell: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._spec = spec
        self._number, self._among = number, among
        self._tell = tell
        self._boot = 0
        self._ended: Ended = SimpleQueue()
        self.why_lost: dict[Attempt, str] = {}
        self.code: ReachedCode | None = ReachedCode(builds_that_count(cache)) if spec.counts else None

    def reboot(self) -> None:
        """Have it booted anew, wherever it is asked next."""
        self._boot += 1

    def stop(self) -> None:
        """End what is being asked, from another thread; nothing can be asked any more."""
        self._ended.put(None)
        self._cluster.stop()

    def ask(self, attempts: Sequence[Attempt], ignored: tuple[str, ...] = ()) -> list[Noticed]:
        """Have each program run, and what was noted; ``UNKNOWN`` of those that two machines went away with.

        Raises:
            FinwaitError: the kernel cannot be booted, or no machine lets itself be given a lab.
            KernelsGone: the scheduler went away.
        """
        noted: dict[int, Sequence[Noticed]] = {}
        with _scheduler():
            places = self._cluster.handing_out.places()
            parts = list(self._parts(attempts, ignored, places))
            wanted = [one for _, one in parts]
            for number, brought in self._cluster.handing_out.hand_out(wanted, self._ended):
                noted[number] = self._learnt(parts[number][0], brought)
        if len(noted) < len(parts):
            raise FinwaitError(f"{self._spec.title} was stopped")
        return [one for number in range(len(parts)) for one in noted[number]]

    def _parts(
        self, attempts: Sequence[Attempt], ignored: tuple[str, ...], places: Sequence[str]
    ) -> Iterator[tuple[Sequence[Attempt], Wanted]]:
        """The programs in parts of the same size, which with the other kernels' parts fill all places alike."""
        most = max(1, len(places) // gcd(len(places), self._among))
        count = max(1, min(most, len(attempts) // _FEWEST))
        virtual = self._spec.kind is KernelKind.UML_VIRTUAL
        for part in range(count):
            some = attempts[len(attempts) * part // count : len(attempts) * (part + 1) // count]
            order = Order(tuple(some), ignored, virtual, self.code is not None)
            near = places[(self._number * count + part) % len(places)] if places else ""
            errand = partial(ProgramsErrand, order=order, boot=self._boot)
            yield some, Wanted(self._spec, kept_kernels.run_programs, errand, near=near)

    def _learnt(self, attempts: Sequence[Attempt], brought: Brought) -> Sequence[Noticed]:
        """What a part's programs brought.

        Raises:
            FinwaitError: two machines could not ask the kernel.
        """
        if brought.ran is not None:
            self._take(attempts, brought.ran)
            return brought.ran.noted
        if brought.reply is None:
            at = f"{brought.machine}: " if brought.machine else ""
            raise FinwaitError(f"{self._spec.title} cannot run programs", why=at + brought.fault)
        self._tell(f"{self._spec.title}: {len(attempts)} programs lost: {brought.reply.lost}")
        return [UNKNOWN] * len(attempts)

    def _take(self, attempts: Sequence[Attempt], ran: RanPrograms) -> None:
        self.why_lost.update((attempts[number], why) for number, why in ran.why_lost.items())
        if self.code:
            for numbers, code in ran.code:
                self.code.take([attempts[number] for number in numbers], code)


@contextmanager
def _scheduler() -> Iterator[None]:
    """Tells where the scheduler goes away meanwhile."""
    try:
        yield
    except OSError as error:  # dask's CommClosedError and TimeoutError are ones
        raise KernelsGone(f"the scheduler went away ({error})") from error
