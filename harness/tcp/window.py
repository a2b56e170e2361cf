"""The receive window that the kernel offers its peer. Pure."""

from __future__ import annotations

from harness.tcp.segment import ACK, RST, SYN, Segment, add, distance


class OfferedWindow:
    """How far the peer may send, from the kernel's segments in the order of the wire.

    The edge never moves left: a window that is drawn back (RFC 9293 3.8.6, SHLD-14) was offered all the same.
    """

    def __init__(self) -> None:
        self.edge: int | None = None
        self._shift = 0

    def note(self, segment: Segment) -> None:
        """Take a segment of the kernel's, in relative numbers.

        The window of a SYN is never scaled (RFC 7323 2.2). The scale is the kernel's own: it offers one only after the
        peer did, or to a peer that may still do so.
        """
        if segment.flags & RST or not segment.flags & ACK:
            return
        scale = segment.option("wscale")
        if segment.flags & SYN:
            self._shift, self.edge = (scale.values[0] if scale else 0), None
        edge = add(segment.ack, segment.window << (0 if segment.flags & SYN else self._shift))
        if self.edge is None or distance(self.edge, edge) > 0:
            self.edge = edge

    def window(self, rcv_nxt: int) -> int:
        """How many numbers from ``rcv_nxt`` on may still be sent; 0 where nothing was offered yet."""
        return max(0, distance(rcv_nxt, self.edge)) if self.edge is not None else 0
