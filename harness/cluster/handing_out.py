"""Hands errands to the machines of a cluster: each where it can be seen to, and again where a machine could not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec
from distributed import Client, Future, KilledWorker

from harness import __version__
from harness.cluster import machine
from harness.cluster.errand import Brought, Errand, carried, files_of_run
from harness.cluster.parcels import Parcel
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelSpec
from harness.run.request import KernelReply

TRIES = 2
"""How many machines an errand may take with it, or fail on, until it is lost."""

KILLERS = f"{TRIES} machines went away while they saw to it"

Ended = SimpleQueue[tuple[int, "Future[bytes]"] | None]
"""What has ended, in that order; None from another thread: nobody waits for the rest."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something that a machine is to do.

    Args:
        spec: the kernel that it needs; its files are in the cache.
        does: what the machine calls, such as ``machine.see_to``.
        errand: makes the errand, of what is the same for all.
        outside: see ``Request``.
        near: the machine that it goes to, if that is there.
    """

    spec: KernelSpec
    does: Callable[..., bytes]
    errand: Callable[..., Errand]
    outside: tuple[str, ...] = ()
    near: str = ""


class HandingOut:
    """Hands out the errands of one run.

    Args:
        client: of the cluster.
        run: what the machines know the run by.
        checkout: the folder with pyproject.toml.
        cache: where fetched and built kernels are.
        travels: whether the machines lack the checkout.
    """

    def __init__(self, client: Client, run: str, checkout: Path, cache: Cache, *, travels: bool) -> None:
        self._client = client
        self._run = run
        self._checkout = checkout
        self._cache = cache
        self._travels = travels
        self._lock = threading.Lock()
        self._there: dict[tuple[str, str], Future[bytes]] = {}
        self._lacking: dict[tuple[frozenset[str], frozenset[tuple[str, str]]], set[tuple[str, str]]] = {}
        self._of_run: dict[tuple[str, ...], tuple[Parcel, str]] = {}

    def workers(self) -> Mapping[str, Any]:
        """What the scheduler knows of its machines, by their addresses."""
        found: Mapping[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return found

    def places(self) -> list[str]:
        """The machine of each kernel that may be up at a time."""
        found = ((name, one["resources"].get(machine.KERNELS_AT_ONCE, 0)) for name, one in self.workers().items())
        return [name for name, count in found for _ in range(int(count))]

    def hand_out(self, wanted: Sequence[Wanted], ended: Ended | None = None) -> Iterator[tuple[int, Brought]]:
        """The number of each, and what it came to, as they come; several threads may.

        Args:
            wanted: what is to be done.
            ended: filled meanwhile; whoever puts None into it ends this.

        Raises:
            OSError: the scheduler went away.
        """
        ended = ended or SimpleQueue()
        tries = dict.fromkeys(range(len(wanted)), 1)
        able = {name for one in self.workers().values() for name in one["resources"]}
        for number, one in enumerate(wanted):
            if machine.resource(one.spec.kind) in able:
                _watch(self._send(one), number, ended)
            else:
                del tries[number]
                lacks = machine.lacks(one.spec.kind) or "none says that it can"
                yield number, Brought(fault=f"no machine of the cluster can run {one.spec.title}: {lacks}")
        while tries and (came := ended.get()):
            number, future = came
            brought = _brought(future)
            if brought.reply is None and brought.ran is None and tries[number] < TRIES:
                tries[number] += 1
                _watch(self._send(wanted[number], brought), number, ended)
            else:
                del tries[number]
                yield number, brought

    def _send(self, wanted: Wanted, before: Brought | None = None) -> Future[bytes]:
        """Hand it to a machine; not again to one that could not see to it."""
        kernel, parcels = carried(wanted.spec, self._cache)
        checkout, files = str(self._checkout), ""
        with self._lock:
            if self._travels:
                of_run, checkout = self._files_of_run(wanted.outside)
                parcels, files = [*parcels, of_run], of_run.key
            addresses = list(self.workers())
            handed = self._handed(parcels, addresses, again=before is not None)
        errand = wanted.errand(
            version=__version__,
            run=self._run,
            kernel=kernel,
            checkout=checkout,
            files=files,
            parcels=tuple(handed),
        )
        others = [one for one in addresses if before and before.fault and one != before.address]
        return self._client.submit(
            wanted.does,
            msgspec.msgpack.encode(errand),
            *handed.values(),
            resources={machine.KERNELS_AT_ONCE: 1, machine.resource(wanted.spec.kind): 1},
            workers=others or ([wanted.near] if wanted.near and not before else None),
            allow_other_workers=not others and bool(wanted.near) and not before,
            pure=False,
        )

    def _files_of_run(self, outside: tuple[str, ...]) -> tuple[Parcel, str]:
        if outside not in self._of_run:
            self._of_run[outside] = files_of_run(self._checkout, outside)
        return self._of_run[outside]

    def _handed(
        self, parcels: Sequence[Parcel], addresses: Sequence[str], *, again: bool
    ) -> dict[tuple[str, str], Future[bytes]]:
        """What has to be handed over, each on every machine once: what all caches have stays here.

        The machines are asked once what they have, and again where one of them could not do it or another came.
        """
        names = {(one.kind, one.key): one for one in parcels}
        key = frozenset(addresses), frozenset(names)
        if again or key not in self._lacking:
            told = self._client.run(machine.absent, list(names))
            self._lacking[key] = {tuple(name) for found in told.values() for name in found}
        gone = [name for name, future in self._there.items() if future.status != "finished"]
        for name in gone:
            del self._there[name]
        for name in self._lacking[key] - self._there.keys():
            self._there[name] = self._client.scatter(names[name].content, broadcast=True, hash=False)
        return {name: self._there[name] for name in names if name in self._there}


def _watch(future: Future[bytes], number: int, ended: Ended) -> None:
    future.add_done_callback(partial(_put, number, ended))


def _put(number: int, ended: Ended, future: Future[bytes]) -> None:
    ended.put((number, future))


def _brought(future: Future[bytes]) -> Brought:
    try:
        return msgspec.msgpack.decode(future.result(), type=Brought)
    except KilledWorker:
        return Brought(reply=KernelReply(lost=KILLERS))
    except (CancelledError, OSError):
        return Brought(fault="a machine went away with what others need, or the scheduler did")
