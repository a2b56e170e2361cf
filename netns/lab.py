"""A lab: the peer's namespace and that of the kernel under test, joined by a veth pair."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from netns import link, sysctls
from netns.enter import Namespace
from netns.plan import Plan, plan

_numbers = itertools.count()


class Lab:
    """Two namespaces and their veth pair; a context manager, ready when it is entered.

    The peer's side has no IP address, so its kernel can never answer anything by itself. Nothing has a name on the
    machine: when the process is gone, so is the lab, whatever ended it.

    Args:
        hold_timers: keep the kernel's retransmission and delayed ACK timers out (see ``netns.link``).
        mtu: of both ends, in bytes, 1280 to 65535.

    Raises:
        FinwaitError: the machine does not let itself be given namespaces or a veth pair.
    """

    def __init__(self, *, hold_timers: bool = True, mtu: int = 1500) -> None:
        self.plan: Plan = plan(next(_numbers))
        self.not_pinned: dict[str, str] = {}
        self._hold_timers = hold_timers
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
            link.connect(self.peer, self.kernel, self.plan, self._mtu)
            with self.kernel.entered():
                link.address_kernel_end(self.kernel, self.plan, hold_timers=self._hold_timers)
            link.wait_until_up(self.peer, self.kernel, self.plan)
            self._stack = opening.pop_all()
        return self

    @staticmethod
    def _namespace(stack: ExitStack) -> Namespace:
        namespace = Namespace.create()
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
            if self._process != os.getpid():  # a fork has the object but not the thread
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
