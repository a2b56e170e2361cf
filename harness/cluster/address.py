"""Where a cluster is, or which one is to be made: by what a user gives ``--cluster``."""

from __future__ import annotations

import importlib
import ipaddress
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped]
from distributed import Client, LocalCluster

from harness.cluster.machine import KERNELS_AT_ONCE
from harness.errors import FinwaitError
from harness.run.jobs import room

LOCAL = "local"
"""The address that stands for processes of this machine."""


def connected(opening: ExitStack, where: str, folder: Path, seconds: float, *, insecure: bool) -> Client:
    """A client of a cluster, which is made where it is not there yet.

    Args:
        opening: takes what is made for it.
        where: ``local``, a scheduler's address, or a file that says which of dask's clusters to make.
        folder: for what machines of this one need meanwhile.
        seconds: for a scheduler to answer.
        insecure: also without TLS over a network.

    Raises:
        FinwaitError: it is none of these, others could speak to the scheduler, or TLS is not set up.
        OSError: there is no scheduler.
    """
    if where == LOCAL:
        cluster: Any = LocalCluster(
            n_workers=room(),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # a fixed port may be taken
            local_directory=str(folder),
            silence_logs=logging.CRITICAL,  # of the workers too, which are ended as they are
            resources={KERNELS_AT_ONCE: 1},
        )
        return Client(opening.enter_context(cluster))
    if "://" in where:
        if not insecure:
            _check_safe(where)
        try:
            return Client(where, timeout=seconds)
        except TypeError as error:  # with which dask says that it has no certificate
            raise FinwaitError(
                f"{where} wants TLS, which is not set up here",
                why="dask has no certificate for a client",
                hint="ca-file, client.cert and client.key in dask's distributed.comm.tls",
            ) from error
    return Client(opening.enter_context(_from_file(Path(where))))


def _check_safe(address: str) -> None:
    """Raises FinwaitError for an address that others may listen to, or speak to."""
    url = urlsplit(address)
    host = url.hostname or ""
    loopback = host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
    if url.scheme not in ("tls", "wss") and not loopback:
        raise FinwaitError(
            f"{address} has no TLS, and is no address of this machine alone",
            why="whoever reaches a scheduler can run anything on its machines",
            hint="tls://, set up in dask's distributed.comm.tls; or --insecure-cluster, in a network that is yours",
        )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _from_file(path: Path) -> Any:  # noqa: ANN401  whichever of dask's cluster classes
    """The cluster that a file describes: ``module``, ``class`` and ``kwargs``, as dask-ctl writes it down."""
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        made = getattr(importlib.import_module(said["module"]), said["class"])
        return made(*said.get("args", ()), **said.get("kwargs", {}))
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ImportError, ValueError) as error:
        raise FinwaitError(
            f"{path} describes no cluster ({type(error).__name__}: {error})",
            why="it is local, an address such as tcp://127.0.0.1:8786, or a file with module, class and kwargs",
            hint="docs/cluster.md has one for SSH, Kubernetes and Slurm",
        ) from error
