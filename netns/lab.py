"""A lab: the peer's namespace and that of the kernel under test, joined by a veth pair."""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Self

from pyroute2 import IPRoute

from netns import link, sysctls
from netns.enter import Namespace
from netns.errors import FinwaitError
from netns.plan import Plan, plan
from netns.privilege import refusal

MTU_LEAST = 1280
MTU_MOST = 65535

_numbers = itertools.count()


class Lab:
    """Two namespaces and their veth pair; a context manager, ready when it is entered.

    The peer's side has no IP address, so its kernel can never answer anything by itself. Nothing has a name on the
    machine: when the process is gone, so is the lab, whatever ended it.

    Args:
        hold_timers: keep the kernel's retransmission and delayed ACK timers out (see ``netns.link``).
        ipv6: give the kernel under test an IPv6 address beside its IPv4 address, where it has IPv6 at all.
        mtu: of both ends, in bytes, 1280 to 65535.

    Raises:
        FinwaitError: the machine does not let itself be given namespaces or a veth pair, or ``mtu`` is out of range.
    """

    def __init__(self, *, hold_timers: bool = True, ipv6: bool = True, mtu: int = 1500) -> None:
        if not MTU_LEAST <= mtu <= MTU_MOST:
            raise FinwaitError(
                f"a lab cannot have an MTU of {mtu}",
                why=f"IPv6 needs {MTU_LEAST} (RFC 8200 5), and a veth takes {MTU_MOST} at most",
                hint="mtu=1500",
            )
        self.plan: Plan = plan(next(_numbers))
        self.not_pinned: dict[str, str] = {}
        self._hold_timers = hold_timers
        self._ipv6 = ipv6 and link.has_ipv6()
        self._mtu = mtu
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self.peer = self._namespace(opening)
            self.kernel = self._namespace(opening)
            with self.peer.entered():
                # no address at all: else the peer's kernel answers with a RST of its own
                sysctls.pin({"net/ipv6/conf/all/disable_ipv6": "1", "net/ipv6/conf/default/disable_ipv6": "1"})
            with self.kernel.entered():
                self.not_pinned = sysctls.pin()
                if self._hold_timers:
                    self.not_pinned |= sysctls.pin(sysctls.SHORT_AFTERLIFE)
            with link.netlink(self.peer) as peer, link.netlink(self.kernel) as kernel:
                self._join(peer, kernel)
            self._stack = opening.pop_all()
        return self

    def _join(self, peer: IPRoute, kernel: IPRoute) -> None:
        """Make the pair and wait for it, given a netlink socket of each namespace."""
        with closing(link.Readiness(self.peer, peer)) as here, closing(link.Readiness(self.kernel, kernel)) as there:
            link.connect(self.peer, self.kernel, peer, self.plan, self._mtu)
            link.address_kernel_end(kernel, self.plan, ipv6=self._ipv6, hold_timers=self._hold_timers)
            here.wait(link.PEER_END, None)
            there.wait(link.KERNEL_END, self.plan.kernel.ipv6 if self._ipv6 else None)

    @staticmethod
    def _namespace(stack: ExitStack) -> Namespace:
        try:
            namespace = Namespace.create()
        except OSError as error:
            raise FinwaitError(
                f"a network namespace could not be made ({os.strerror(error.errno or errno.EPERM)})",
                why=refusal(error),
                hint="finwait doctor",
            ) from error
        stack.callback(namespace.close)
        return namespace

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class Closer:
    """Closes file descriptors on a thread of its own.

    Closing a packet socket waits for an RCU grace period, several milliseconds that nobody needs to wait for.
    """

    def __init__(self) -> None:
        self._pending: list[Callable[[], None]] = []
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._process = 0

    def close(self, action: Callable[[], None]) -> None:
        """Run ``action`` soon; the process's end closes what is left."""
        with self._wake:
            # a fork has the object but not the thread, and an action that raised has ended it
            if self._process != os.getpid() or self._thread is None or not self._thread.is_alive():
                self._process = os.getpid()
                self._thread = threading.Thread(target=self._run, name="closer", daemon=True)
                self._thread.start()
            self._pending.append(action)
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._pending)
                actions, self._pending = self._pending, []
            for action in actions:
                action()


closer = Closer()
"""The process's closer; started at its first use, after a user namespace could have been entered."""
