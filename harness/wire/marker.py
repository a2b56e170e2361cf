"""The frame by whose answer a drain ends."""

from __future__ import annotations

import functools
import socket
from dataclasses import dataclass

from scapy.layers.l2 import ARP, Ether

from harness.trace.events import Frame
from netns.plan import Plan

_ARP = b"\x08\x06"


@dataclass(frozen=True, slots=True)
class Marker:
    """A neighbour request that the kernel always answers, and in order: what it did before shows up before."""

    request: bytes
    _answer_from: bytes

    @classmethod
    @functools.lru_cache(maxsize=4)
    def of(cls, plan: Plan) -> Marker:
        """The marker of a lab."""
        asked = ARP(op="who-has", hwsrc=plan.peer.mac, psrc=plan.peer.ipv4, pdst=plan.kernel.ipv4)
        return cls(bytes(Ether(src=plan.peer.mac, dst=plan.kernel.mac) / asked), socket.inet_aton(plan.kernel.ipv4))

    def is_answer(self, frame: Frame) -> bool:
        """Whether the frame is the kernel's answer: an ARP reply (RFC 826) from its address."""
        data = frame.data
        return (
            not frame.outgoing and data[12:14] == _ARP and data[20:22] == b"\0\2" and data[28:32] == self._answer_from
        )
