"""Processes with an address each, some of them machines of a cluster: in namespaces of their own, behind one bridge."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from netns.enter import Namespace
from netns.link import netlink, raise_loopback

CHECKOUT = Path(__file__).parents[2]
ADDRESS = "tcp://192.0.2.1:8786"
"""Of the scheduler."""
CLIENT, SCHEDULER = 100, 1

# a machine's name is its own, and where it has little room that is all of its disk
MACHINE = """
import os, signal, socket, subprocess, sys
name, size, version, dies, *arguments = sys.argv[1:]
socket.sethostname(name)
if size:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", os.environ["XDG_CACHE_HOME"]], check=True)
if version:
    import harness
    harness.__version__ = version
if dies:
    from harness.explore.kernels import AskedKernel
    AskedKernel.ask = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from distributed.cli.dask_worker import main
main(arguments)
"""
PRESENT = "import sys; from distributed import Client; Client(sys.argv[1]).wait_for_workers(int(sys.argv[2]))"


class Net:
    """Processes with an address each, in namespaces of their own, behind one bridge.

    Args:
        held: ends them.
        folder: for what they keep and say.
    """

    def __init__(self, held: ExitStack, folder: Path) -> None:
        self._held, self._folder = held, folder
        self._bridge = self._namespace()
        self._places: dict[int, Namespace] = {}
        with netlink(self._bridge) as route:
            route.link("add", ifname="bridge", kind="bridge", state="up")
            (self._index,) = route.link_lookup(ifname="bridge")

    def _namespace(self) -> Namespace:
        made = Namespace.create()
        self._held.callback(made.close)
        with made.entered():
            raise_loopback()
        return made

    def place(self, number: int) -> Namespace:
        """The namespace with the address of that number."""
        if number not in self._places:
            self._places[number] = made = self._namespace()
            with netlink(self._bridge) as route:
                name = f"to-{number}"
                peer = {"ifname": "own", "net_ns_fd": made.descriptor}
                route.link("add", ifname=name, kind="veth", peer=peer)
                (index,) = route.link_lookup(ifname=name)
                route.link("set", index=index, master=self._index, state="up")
            with netlink(made) as route:
                (index,) = route.link_lookup(ifname="own")
                route.addr("add", index=index, address=f"192.0.2.{number}", prefixlen=24)
                route.link("set", index=index, state="up")
        return self._places[number]

    def start(self, number: int, argv: Sequence[str], **env: str) -> subprocess.Popen[bytes]:
        """A process at an address, until the end."""
        said = self._held.enter_context((self._folder / f"said-{number}.txt").open("wb"))
        with self.place(number).entered():
            one = subprocess.Popen(
                argv, cwd=CHECKOUT, env=os.environ | env, stdout=said, stderr=said, start_new_session=True
            )
        self._held.callback(one.wait)
        self._held.callback(os.killpg, one.pid, signal.SIGKILL)
        return one

    def machine(self, number: int, *, size: str = "", version: str = "", dies: bool = False) -> subprocess.Popen[bytes]:
        """A machine of the cluster, with a cache of its own.

        Args:
            number: the last of its address.
            size: of its disk, such as ``4m``; the cache has no more room.
            version: of its finwait, if that is to be another.
            dies: of SIGKILL, as soon as it is to ask a kernel to run programs.
        """
        own = self._folder / f"machine-{number}"
        own.mkdir()
        options = ("--nthreads=1", "--no-nanny", "--no-dashboard", f"--host=192.0.2.{number}", ADDRESS)
        command = (
            sys.executable,
            "-c",
            MACHINE,
            f"machine-{number}",
            size,
            version,
            "x" * dies,
            f"--local-directory={own}",
        )
        return self.start(number, ("unshare", "--uts", "--mount", *command, *options), XDG_CACHE_HOME=str(own))

    def finwait(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command, run by somebody at an address of his own."""
        return self._run("-m", "harness", *arguments)

    def wait_for(self, machines: int) -> None:
        """Until so many machines are there."""
        assert self._run("-c", PRESENT, ADDRESS, str(machines)).returncode == 0

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        with self.place(CLIENT).entered():
            return subprocess.run(
                (sys.executable, *arguments), cwd=CHECKOUT, capture_output=True, text=True, check=False
            )
