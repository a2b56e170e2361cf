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
        routed: put a kernel that forwards between path and server: it has the link-layer address of the one towards
            the other, both reach its own address too, and it passes ARP on.

    Raises:
        FinwaitError: the machine does not let itself be given namespaces or a veth pair, or ``mtu`` is out of range.
        Unsupported: the kernel lacks what a router needs.
    """

    def __init__(
        self, settings: Settings = Settings.HELD, *, ipv6: bool = True, mtu: int = 1500, routed: bool = False
    ) -> None:
        super().__init__(settings, one_kernel=False, ipv6=ipv6, mtu=mtu)
        self.router: Namespace | None = None
        self._routed = routed

    def __enter__(self) -> Self:
        plan = self.plan
        with ExitStack() as opening:
            self.client = self._namespace(opening)
            self.path = self._namespace(opening)
            self.server = self._namespace(opening)
            self._silence(self.path)
            self._pin(self.client)
            self._pin(self.server)
            client = link.End(self.client, link.CLIENT_END, plan.peer.mac)
            server = link.End(self.server, link.SERVER_END, plan.kernel.mac)
            to_client, to_server = (link.End(self.path, name) for name in link.PATH_ENDS)
            middle, there, far = (
                opening.enter_context(Rtnetlink(each)) for each in (self.path, self.client, self.server)
            )
            self._join(middle, to_client, there, client, plan.peer, plan.kernel)
            if self._routed:
                self.router = self._namespace(opening)
                self._route(self.router, middle, to_server, far, server)
            else:
                self._join(middle, to_server, far, server, plan.kernel, plan.peer, number=1)
            self._stack = opening.pop_all()
        return self

    def _route(
        self, router: Namespace, middle: Rtnetlink, to_server: link.End, far: Rtnetlink, server: link.End
    ) -> None:
        """Join path and server by a kernel that forwards, given rtnetlink of both and the ends that lead there."""
        plan = self.plan
        self._pin(router)
        with router.entered():
            rows = tuple(row for row in conditions.TABLE if row.scope is conditions.Scope.ROUTER)
            self.not_pinned |= sysctls.pin(conditions.values(rows, Kind.SYSCTL))
        near, beyond = link.ROUTER_ENDS
        with Rtnetlink(router) as here:
            self._join(
                middle, to_server, here, link.End(router, near, plan.kernel.mac), plan.router, plan.peer, number=1
            )
            self._join(here, link.End(router, beyond, plan.peer.mac), far, server, plan.kernel, plan.peer)
            link.address_end(here, beyond, plan.router, plan.kernel, ipv6=self._ipv6, metrics={})
        link.pass_on_neighbour_requests(router, link.ROUTER_ENDS)
        link.reach(self.client, link.CLIENT_END, plan.router, plan.kernel.mac, ipv6=self._ipv6)
        link.reach(self.server, link.SERVER_END, plan.router, plan.peer.mac, ipv6=self._ipv6)

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
