"""The machines of a cluster, asked like the kernels of one: each task goes where it can be seen to, and comes back."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import dask.config
import msgspec
from distributed import Client, Future, KilledWorker, as_completed
from distributed.comm.core import CommClosedError
from rich.console import Console

from harness import __version__
from harness.cluster import machine
from harness.cluster.address import LOCAL, connected
from harness.cluster.errand import Brought, Errand, carried, files_of_run
from harness.cluster.parcels import Parcel, unpack
from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.run.jobs import Task, deliver
from harness.run.progress import Display
from harness.run.request import KernelReply
from harness.run.resume import SCRATCH
from harness.trace.folder import RESULTS, Unwritable, new_name, write_whole
from harness.trace.owner import hand_back_tree
from harness.trace.records import Result

_TRIES = 2
"""How many machines a task may take with it, or fail on, until it is lost."""

# What dask watches as it goes on (where a worker is in its code, every 10 ms, and how much memory it has) takes a sixth
# of a processor for two workers that wait; a worker waits for a kernel, which is none of its memory.
_QUIET = {
    "distributed.scheduler.allowed-failures": _TRIES - 1,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
} | {f"distributed.worker.memory.{limit}": False for limit in ("target", "spill", "pause", "terminate")}

_SECONDS = 20.0
"""For a scheduler to answer, and for machines to come."""


class Cluster:
    """A scheduler and its machines; a context manager.

    Args:
        where: ``local``, a scheduler's address, or a file that says which of dask's clusters to make.
        folder: what is recorded lies below it, and while the cluster is there what its machines need.
        checkout: the folder with pyproject.toml.
        cache: where fetched and built kernels are.
        console: shows how it goes on.
        insecure: also without TLS over a network.
    """

    def __init__(
        self, where: str, folder: Path, checkout: Path, cache: Cache, console: Console, *, insecure: bool = False
    ) -> None:
        self.checkout = checkout
        self._where = where
        self._folder = folder
        self._cache = cache
        self._console = console
        self._insecure = insecure
        self._run = new_name("cluster")
        self._held = ExitStack()
        self._there: dict[tuple[str, str], Future[bytes]] = {}
        self._of_run: dict[tuple[str, ...], tuple[Parcel, str]] = {}
        self._client: Client

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            # what goes wrong is said in a line of ours
            logging.getLogger("distributed").setLevel(logging.CRITICAL)
            opening.enter_context(dask.config.set(_QUIET))
            try:
                scratch = opening.enter_context(TemporaryDirectory(prefix=SCRATCH, dir=self._folder))
                made = connected(opening, self._where, Path(scratch), _SECONDS, insecure=self._insecure)
                self._client = opening.enter_context(made)
                self._client.wait_for_workers(1, timeout=_SECONDS)
                self._client.register_plugin(machine.Capabilities())
                self._check_versions()
            except (OSError, TimeoutError, ModuleNotFoundError) as error:
                raise FinwaitError(
                    f"the cluster {self._where} cannot be used ({error})",
                    why="there is no scheduler, it has no machine yet, or one of them has no finwait",
                    hint=f"pip install 'finwait[cluster]' on each, of version {__version__}, and dask worker ADDRESS",
                ) from error
            self._held = opening.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._held.close()

    def _check_versions(self) -> None:
        found: Mapping[str, tuple[str, str]] = self._client.run(machine.describe)
        for address, (version, name) in found.items():
            if version != __version__:
                raise FinwaitError(
                    f"{name} at {address} has finwait {version}, and this is {__version__}",
                    hint="the same version on each machine",
                )

    @property
    def at_once(self) -> int:
        """How many kernels may be up at a time, on all machines together."""
        return max(1, int(sum(one.get(machine.KERNELS_AT_ONCE, 0) for one in self._resources())))

    def _resources(self) -> list[Mapping[str, float]]:
        return [one["resources"] for one in self._workers().values()]

    def _addresses(self) -> list[str]:
        return list(self._workers())

    def _workers(self) -> Mapping[str, Any]:
        """What the scheduler knows of its machines, by their addresses."""
        found: Mapping[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return found

    def ask(self, tasks: Sequence[Task], *, more: bool = False) -> list[KernelReply]:  # noqa: ARG002
        """Have each task seen to by a machine that can; one that is lost costs what it had not finished.

        Args:
            tasks: in the order of the replies; the kernels' files are in the cache.
            more: whether others will follow; the machines boot anew for each.

        Raises:
            FinwaitError: a kernel's files are not in the cache.
        """
        replies: dict[int, KernelReply] = {}
        with Display(self._console) as display, self._stopping():
            try:
                for number, reply in self._answers(tasks):
                    replies[number] = reply
                    display.tell("cluster", f"{len(replies)} of {len(tasks)} parts done")
            except (CommClosedError, TimeoutError, OSError) as error:
                gone = KernelReply(lost=f"the scheduler went away ({error})")
                replies = dict.fromkeys(range(len(tasks)), gone) | replies
        return [replies[number] for number in range(len(tasks))]

    def _answers(self, tasks: Sequence[Task]) -> Iterator[tuple[int, KernelReply]]:
        """The number and the reply of each, as they come."""
        waiting: dict[Future[bytes], tuple[int, int]] = {}
        able = {name for one in self._resources() for name in one}
        for number, task in enumerate(tasks):
            if machine.resource(task.spec.kind) in able:
                waiting[self._send(task)] = number, 1
            else:
                lacks = machine.lacks(task.spec.kind) or "none says that it can"
                yield number, KernelReply(lost=f"no machine of the cluster can run {task.spec.title}: {lacks}")
        ended = as_completed(waiting)
        for future in ended:
            number, tries = waiting.pop(future)
            brought = self._brought(future)
            if brought.reply is None and tries < _TRIES:
                again = self._send(tasks[number], brought)
                waiting[again] = number, tries + 1
                ended.add(again)
            else:
                yield number, self._taken(tasks[number], brought)

    def _send(self, task: Task, before: Brought | None = None) -> Future[bytes]:
        """Hand a task to a machine; not again to one that could not see to it."""
        kernel, parcels = carried(task.spec, self._cache)
        checkout, files = str(self.checkout), ""
        if self._where != LOCAL:
            of_run, checkout = self._files_of_run(task.request.outside)
            parcels, files = [*parcels, of_run], of_run.key
        handed = self._handed(parcels)
        errand = Errand(
            version=__version__,
            run=self._run,
            kernel=kernel,
            folder=task.folder.name,
            request=task.request,
            checkout=checkout,
            files=files,
            parcels=tuple(handed),
        )
        others = [one for one in self._addresses() if before and before.fault and one != before.address]
        return self._client.submit(
            machine.see_to,
            msgspec.msgpack.encode(errand),
            *handed.values(),
            resources={machine.KERNELS_AT_ONCE: 1, machine.resource(task.spec.kind): 1},
            workers=others or None,
            pure=False,
        )

    def _files_of_run(self, outside: tuple[str, ...]) -> tuple[Parcel, str]:
        if outside not in self._of_run:
            self._of_run[outside] = files_of_run(self.checkout, outside)
        return self._of_run[outside]

    def _handed(self, parcels: Sequence[Parcel]) -> dict[tuple[str, str], Future[bytes]]:
        """What has to be handed over, each on every machine once: what all caches have stays here."""
        names = {(one.kind, one.key): one for one in parcels}
        lacking = {tuple(name) for found in self._client.run(machine.absent, list(names)).values() for name in found}
        gone = [name for name, future in self._there.items() if future.status != "finished"]
        for name in gone:
            del self._there[name]
        for name in lacking - self._there.keys():
            self._there[name] = self._client.scatter(names[name].content, broadcast=True, hash=False)
        return {name: self._there[name] for name in names if name in self._there}

    def _brought(self, future: Future[bytes]) -> Brought:
        try:
            return msgspec.msgpack.decode(future.result(), type=Brought)
        except KilledWorker:
            return Brought(reply=KernelReply(lost=f"{_TRIES} machines went away while they saw to it"))
        except (CommClosedError, CancelledError, TimeoutError, OSError):
            return Brought(fault="a machine went away with what others need, or the scheduler did")

    def _taken(self, task: Task, brought: Brought) -> KernelReply:
        """The reply, after what was recorded is where the task wants it.

        Raises:
            Unwritable: there is no room for it.
        """
        if brought.reply is None:
            why = brought.fault or "what the kernel is made of did not arrive"
            return KernelReply(lost=f"{brought.machine}: {why}" if brought.machine else why)
        if brought.archive:
            try:
                unpack(brought.archive, task.folder.parent)
            except OSError as error:
                raise Unwritable(task.folder.parent, error) from error
            _name_machine(task.folder, brought.machine)
            hand_back_tree(task.folder.parent)
            deliver(task, self.checkout)
        return brought.reply

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """End what is under way on the machines when this is left early."""
        try:
            yield
        except BaseException:  # Ctrl-C above all
            self._client.run(machine.stop, self._run, wait=False)
            raise


def _name_machine(folder: Path, machine: str) -> None:
    """Put into each result of a run folder, where there is one, who judged it."""
    results = folder / RESULTS
    if results.is_file():
        lines = (_named(line, machine) for line in results.read_bytes().splitlines(keepends=True))
        write_whole(results, b"".join(lines))


def _named(line: bytes, machine: str) -> bytes:
    try:
        result = msgspec.json.decode(line, type=Result)
    except msgspec.DecodeError:
        return line  # torn: its kernel died in mid-write
    return msgspec.json.encode(msgspec.structs.replace(result, machine=machine)) + b"\n"
