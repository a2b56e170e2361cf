"""Labs: a peer's namespace and that of the kernel under test; or two kernels with a path between them."""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from netns import conditions, link, sysctls
from netns.conditions import Kind, Settings
from netns.enter import Namespace
from netns.errors import FinwaitError
from netns.plan import HostPlan, Plan, plan
from netns.privilege import refusal
from netns.rtnetlink import Rtnetlink

MTU_LEAST = 1280
MTU_MOST = 65535

_numbers = itertools.count()


class _Namespaces:
    """What labs have in common: their namespaces, and how they are made; ``conditions`` says what they pin.

    Nothing has a name on the machine: when the process is gone, so is the lab, whatever ended it.
    """

    def __init__(self, settings: Settings, *, one_kernel: bool, ipv6: bool, mtu: int) -> None:
        if not MTU_LEAST <= mtu <= MTU_MOST:
            raise FinwaitError(
                f"a lab cannot have an MTU of {mtu}",
                why=f"IPv6 needs {MTU_LEAST} (RFC 8200 5), and a veth takes {MTU_MOST} at most",
                hint="mtu=1500",
            )
        self.plan: Plan = plan(next(_numbers))
        self.not_pinned: dict[str, str] = {}
        self.conditions = conditions.in_effect(settings, one_kernel=one_kernel)
        self._ipv6 = ipv6 and link.has_ipv6()
        self._mtu = mtu
        self._stack = ExitStack()

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

    @staticmethod
    def _silence(namespace: Namespace) -> None:
        """No address at all: else the namespace's kernel answers by itself, with a RST for one."""
        with namespace.entered():
            sysctls.pin({"net/ipv6/conf/all/disable_ipv6": "1", "net/ipv6/conf/default/disable_ipv6": "1"})

    def _pin(self, namespace: Namespace) -> None:
        with namespace.entered():
            self.not_pinned |= sysctls.pin(conditions.values(self.conditions, Kind.SYSCTL))

    def _join(
        self,
        here: Rtnetlink,
        near: link.End,
        there: Rtnetlink,
        far: link.End,
        own: HostPlan,
        other: HostPlan,
        *,
        number: int = 0,
    ) -> None:
        """Make a pair and wait for it, given rtnetlink of both namespaces and the addresses that the far end sees."""
        link.connect(near, far, here, self._mtu, number=number)
        metrics = conditions.values(self.conditions, Kind.ROUTE)
        link.address_end(there, far.name, own, other, ipv6=self._ipv6, metrics=metrics)
        here.await_up(near.name)
        there.await_up(far.name)
        if self._ipv6:
            there.await_own_ipv6(own.ipv6)

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class Lab(_Namespaces):
    """Two namespaces and their veth pair; a context manager, ready when it is entered.

    The peer's side has no IP address, so its kernel can never answer anything by itself. Nothing has a name on the
    machine: when the process is gone, so is the lab, whatever ended it.

    Args:
        settings: which conditions it pins.
        ipv6: give the kernel under test an IPv6 address beside its IPv4 address, where it has IPv6 at all.
        mtu: of both ends, in bytes, 1280 to 65535.

    Raises:
        FinwaitError: the machine does not let itself be given namespaces or a veth pair, or ``mtu`` is out of range.
    """

    def __init__(self, settings: Settings = Settings.HELD, *, ipv6: bool = True, mtu: int = 1500) -> None:
        super().__init__(settings, one_kernel=True, ipv6=ipv6, mtu=mtu)

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self.peer = self._namespace(opening)
            self.kernel = self._namespace(opening)
            self._silence(self.peer)
            self._pin(self.kernel)
            near = link.End(self.peer, link.PEER_END, self.plan.peer.mac)
            far = link.End(self.kernel, link.KERNEL_END, self.plan.kernel.mac)
            with Rtnetlink(self.peer) as here, Rtnetlink(self.kernel) as there:
                self._join(here, near, there, far, self.plan.kernel, self.plan.peer)
            self._stack = opening.pop_all()
        return self


class PathLab(_Namespaces):
    """Two kernels' namespaces, and between them one for a path that has yet to forward; a context manager.

    The client's kernel has the plan's peer addresses, the server's those of the kernel. The two believe that they are
    on one link. The path's namespace has no address; its two ends belong to ``harness.path``.

    Args:
        settings: which conditions both kernels have.
        ipv6: give both an IPv6 address beside their IPv4 address, where the kernel has IPv6 at all.
        mtu: of all ends, in bytes, 1280 to 65535.

    Raises:
        FinwaitError: the machine does not let itself be given namespaces or a veth pair, or ``mtu`` is out of range.
    """

    def __init__(self, settings: Settings = Settings.HELD, *, ipv6: bool = True, mtu: int = 1500) -> None:
        super().__init__(settings, one_kernel=False, ipv6=ipv6, mtu=mtu)

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self.client = self._namespace(opening)
            self.path = self._namespace(opening)
            self.server = self._namespace(opening)
            self._silence(self.path)
            ends = (
                (link.End(self.client, link.CLIENT_END, self.plan.peer.mac), self.plan.peer, self.plan.kernel),
                (link.End(self.server, link.SERVER_END, self.plan.kernel.mac), self.plan.kernel, self.plan.peer),
            )
            with Rtnetlink(self.path) as middle:
                for number, (end, own, other) in enumerate(ends):
                    self._pin(end.namespace)
                    near = link.End(self.path, link.PATH_ENDS[number])
                    with Rtnetlink(end.namespace) as there:
                        self._join(middle, near, there, end, own, other, number=number)
            self._stack = opening.pop_all()
        return self

    @property
    def kernel(self) -> Namespace:
        """The server's, which is the one under test."""
        return self.server


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
