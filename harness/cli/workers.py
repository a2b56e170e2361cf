"""Who is asked to run scenarios on kernels: this machine, or the machines of a cluster."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
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
    try:
        from harness.cluster.cluster import Cluster  # noqa: PLC0415  nobody else waits for dask
    except ModuleNotFoundError as error:
        raise FinwaitError(f"--cluster needs {error.name}", hint="pip install -e '.[cluster]'") from error
    insecure: bool = options.insecure_cluster
    return lambda folder: Cluster(options.cluster, folder, checkout, Cache.of_user(), console, insecure=insecure)
