"""Translates a connection's segments between the numbers of the wire and relative ones. Pure.

Each side's sequence numbers count from its initial one. Timestamps of the kernel count from the first that it sent,
since it adds an offset of its own to each connection; those of the peer stand as they are. When the kernel resets what
acknowledges nothing, <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>, that zero is of no connection (RFC 9293 3.5.2 group 1)
and stays a zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from harness.tcp.options import Option
from harness.tcp.segment import ACK, RST, Segment, absolute, relative


@dataclass(slots=True)
class RelativeNumbers:
    """What a connection's numbers are counted from; None as long as it is not known."""

    peer_isn: int
    kernel_isn: int | None = None
    kernel_ts: int | None = None

    def to_wire(self, segment: Segment) -> Segment:
        """A segment of the peer's, as it stands on the wire."""
        return self._shift(segment, absolute, self.peer_isn, self.kernel_isn, sack_isn=self.kernel_isn, peers=True)

    def from_peer(self, segment: Segment) -> Segment:
        """A captured segment of the peer's, in relative numbers."""
        return self._shift(segment, relative, self.peer_isn, self.kernel_isn, sack_isn=self.kernel_isn, peers=True)

    def to_kernels_wire(self, segment: Segment) -> Segment:
        """A segment of the kernel's, as it stood on the wire."""
        return self._shift(segment, absolute, self.kernel_isn, self.peer_isn, sack_isn=self.peer_isn, peers=False)

    def from_kernel(self, segment: Segment) -> Segment:
        """A captured segment of the kernel's, in relative numbers."""
        return self._shift(segment, relative, self.kernel_isn, self.peer_isn, sack_isn=self.peer_isn, peers=False)

    def _shift(
        self,
        segment: Segment,
        move: Callable[[int, int | None], int],
        own: int | None,
        other: int | None,
        *,
        sack_isn: int | None,
        peers: bool,
    ) -> Segment:
        def option(one: Option) -> Option:
            if one.name == "sack":
                return Option("sack", tuple(move(edge, sack_isn) for edge in one.values))
            if one.name == "TS" and one.values:
                value, echo = one.values
                if not peers:
                    return Option("TS", (move(value, self.kernel_ts), echo))
                # an echo of 0 means that there is nothing to echo yet (RFC 7323 3.2)
                return Option("TS", (value, move(echo, self.kernel_ts) if self.kernel_ts is not None else echo))
            return one

        return msgspec.structs.replace(
            segment,
            seq=0 if not peers and _of_no_connection(segment) else move(segment.seq, own),
            ack=move(segment.ack, other),
            options=tuple(map(option, segment.options)),
        )


def _of_no_connection(segment: Segment) -> bool:
    return segment.seq == 0 and segment.flags & (RST | ACK) == RST | ACK
