"""The frame by whose answer a drain ends."""

from __future__ import annotations

import functools
import socket
import struct
from dataclasses import dataclass

from harness.errors import FinwaitError
from harness.tcp.timing import MARKER_LIMIT, SECOND
from harness.wire.decode import answered_neighbour
from netns.plan import HostPlan, Plan

_ETHERNET_AND_IPV4 = struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)  # RFC 826: a request


def neighbour_request(asked: HostPlan, asking: HostPlan) -> bytes:
    """A frame that asks a host of the lab for its own link-layer address, as the other would send it."""
    its, own = (bytes.fromhex(host.mac.replace(":", "")) for host in (asked, asking))
    to_ask = bytes(6) + socket.inet_aton(asked.ipv4)
    return its + own + _ETHERNET_AND_IPV4 + own + socket.inet_aton(asking.ipv4) + to_ask


@dataclass(frozen=True, slots=True)
class Marker:
    """A neighbour request that the kernel always answers, and in order: what it did before shows up before."""

    request: bytes
    _answer_from: bytes

    @classmethod
    @functools.lru_cache(maxsize=4)
    def of(cls, plan: Plan) -> Marker:
        """The marker of a lab."""
        return cls(neighbour_request(plan.kernel, plan.peer), socket.inet_aton(plan.kernel.ipv4))

    def is_answer(self, data: bytes) -> bool:
        """Whether a frame is the kernel's answer."""
        return answered_neighbour(data) == self._answer_from


def unanswered() -> FinwaitError:
    """What to raise where the answer does not come within ``MARKER_LIMIT``."""
    return FinwaitError(
        f"the kernel under test did not answer a neighbour request within {MARKER_LIMIT.ns // SECOND.ns} s",
        why="it hangs, or the machine is too busy",
        hint="finwait doctor",
    )
