"""Who is asked to run scenarios on kernels: this machine, or the machines of a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console

from harness.errors import FinwaitError
from harness.explore.asked import Asked
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelSpec
from harness.run.workers import Opener, on_this_machine


def opener(options: argparse.Namespace, checkout: Path, console: Console, *, at_once: int | None = None) -> Opener:
    """What brings those whom the options name.

    Raises:
        FinwaitError: a cluster is asked for, and what it needs is not installed, or machines of its own are limited.
    """
    if not options.cluster:
        return on_this_machine(checkout, console, at_once=at_once)
    if at_once is not None:
        raise FinwaitError(
            "--at-once is for this machine alone", hint="dask worker ADDRESS --resources finwait-kernels=N, on each"
        )
    with _needing_dask():
        from harness.cluster.cluster import Cluster  # noqa: PLC0415  nobody else waits for dask
    insecure: bool = options.insecure_cluster
    return lambda folder: Cluster(options.cluster, folder, checkout, Cache.of_user(), console, insecure=insecure)


def searched_kernels(
    held: ExitStack,
    specs: Sequence[KernelSpec],
    folder: Path,
    checkout: Path,
    options: argparse.Namespace,
    console: Console,
) -> Sequence[Asked]:
    """The kernels of a search, on the machines of the cluster that the options name, until the stack is left.

    Raises:
        FinwaitError: the cluster cannot be used.
    """
    with _needing_dask():
        from harness.cluster.cluster import Cluster  # noqa: PLC0415
        from harness.cluster.searched_kernel import SearchedKernel  # noqa: PLC0415
    cache, insecure = Cache.of_user(), options.insecure_cluster
    cluster = held.enter_context(Cluster(options.cluster, folder, checkout, cache, console, insecure=insecure))
    held.callback(cluster.stop)  # the kernels, which are kept for another batch
    tell = partial(console.print, style="dim")
    return [SearchedKernel(cluster, spec, cache, number, len(specs), tell) for number, spec in enumerate(specs)]


@contextmanager
def _needing_dask() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise FinwaitError(f"--cluster needs {error.name}", hint="pip install -e '.[cluster]'") from error
