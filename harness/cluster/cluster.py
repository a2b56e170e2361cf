"""The machines of a cluster, asked like the kernels of one: each task goes where it can be seen to, and comes back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import dask.config
import msgspec
from distributed import Client
from rich.console import Console

from harness import __version__
from harness.cluster import machine
from harness.cluster.address import LOCAL, connected
from harness.cluster.errand import Brought, ScenariosErrand
from harness.cluster.handing_out import TRIES, HandingOut, Wanted
from harness.cluster.parcels import unpack
from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.run.jobs import Task, deliver
from harness.run.progress import Display
from harness.run.request import KernelReply
from harness.run.resume import SCRATCH
from harness.trace.folder import RESULTS, Unwritable, new_name, write_whole
from harness.trace.owner import hand_back_tree
from harness.trace.records import Result

# What dask watches as it goes on (where a worker is in its code, every 10 ms, and how much memory it has) takes a sixth
# of a processor for two workers that wait; a worker waits for a kernel, which is none of its memory.
_QUIET = {
    "distributed.scheduler.allowed-failures": TRIES - 1,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
} | {f"distributed.worker.memory.{limit}": False for limit in ("target", "spill", "pause", "terminate")}

_SECONDS = 20.0
"""For a scheduler to answer, and for machines to come."""

_STOP_SECONDS = 1.0
"""For the machines to hear that a run has ended."""


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
        self._stopped = False
        self._client: Client
        self.handing_out: HandingOut

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            # what goes wrong is said in a line of ours
            logging.getLogger("distributed").setLevel(logging.CRITICAL)
            opening.enter_context(dask.config.set(_QUIET))
            try:
                scratch = opening.enter_context(TemporaryDirectory(prefix=SCRATCH, dir=self._folder))
                made = connected(opening, self._where, Path(scratch), _SECONDS, insecure=self._insecure)
                self._client = opening.enter_context(made)
                travels = self._where != LOCAL
                self.handing_out = HandingOut(self._client, self._run, self.checkout, self._cache, travels=travels)
                self._client.wait_for_workers(1, timeout=_SECONDS)
                self._client.register_plugin(machine.Capabilities())
                self._check_versions()
            except (OSError, ModuleNotFoundError) as error:
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
        return max(1, len(self.handing_out.places()))

    def ask(self, tasks: Sequence[Task], *, more: bool = False) -> list[KernelReply]:  # noqa: ARG002
        """Have each task seen to by a machine that can; one that is lost costs what it had not finished.

        Args:
            tasks: in the order of the replies; the kernels' files are in the cache.
            more: whether others will follow; the machines boot anew for each.

        Raises:
            FinwaitError: a kernel's files are not in the cache.
        """
        replies: dict[int, KernelReply] = {}
        wanted = [
            Wanted(
                task.spec,
                machine.see_to,
                partial(ScenariosErrand, folder=task.folder.name, request=task.request),
                task.request.outside,
            )
            for task in tasks
        ]
        with Display(self._console) as display, self.stopping():
            try:
                for number, brought in self.handing_out.hand_out(wanted):
                    replies[number] = self._taken(tasks[number], brought)
                    display.tell("cluster", f"{len(replies)} of {len(tasks)} parts done")
            except OSError as error:  # dask's CommClosedError and TimeoutError are ones
                gone = KernelReply(lost=f"the scheduler went away ({error})")
                replies = dict.fromkeys(range(len(tasks)), gone) | replies
        return [replies[number] for number in range(len(tasks))]

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
    def stopping(self) -> Iterator[None]:
        """End what is under way on the machines when this is left early."""
        try:
            yield
        except BaseException:  # Ctrl-C above all
            self.stop()
            raise

    def stop(self) -> None:
        """End what is under way on the machines, and what is up there; nobody waits for a machine that hangs."""
        if self._stopped:
            return
        self._stopped = True
        told = threading.Thread(
            target=self._client.run, args=(machine.stop, self._run), kwargs={"wait": False}, daemon=True
        )
        told.start()
        told.join(_STOP_SECONDS)


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
