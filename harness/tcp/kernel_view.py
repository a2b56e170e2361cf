"""What a kernel knew of its sockets while a scenario ran, as a failure tells it. Pure."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from harness.tcp.timing import format_ms

HOLDERS = {"process": "owned by its process", "nobody": "held by no process", "mini": "mini-socket"}
"""Who can have a socket, and how that is told."""

# Every connection has these, so they tell nothing about one.
_COMMON = ("InSegs", "OutSegs", "Opens", "Octets", "Pkts", "InReceives", "InDelivers", "OutRequests", "OutTransmits")


def socket_text(state: str, holder: str) -> str:
    """A socket in a few words."""
    return f"{state}, {HOLDERS.get(holder, holder)}" if holder else "no socket" if state == "CLOSED" else state


class Moment(msgspec.Struct, frozen=True):
    """A state or the reason of a drop, and how many ns after the first thing in the scenario that no probe saw."""

    after_ns: int
    what: str


class SocketView(msgspec.Struct, frozen=True):
    """One connection's socket.

    Args:
        connection: its number on the timeline.
        states: those that it was seen in, in order.
        drops: why segments of the connection were dropped.
        state: that it is in now; CLOSED where there is none.
        holder: who has it, see ``HOLDERS``.
        seen_ns: when it was, as of ``Moment``.
    """

    connection: int
    states: tuple[Moment, ...] = ()
    drops: tuple[Moment, ...] = ()
    state: str = "CLOSED"
    holder: str = ""
    seen_ns: int = 0

    def lines(self) -> list[str]:
        """As text: how the states went, what was dropped, and what it is now."""
        went = [
            f"{old.what} -> {new.what} by +{format_ms(new.after_ns)}"
            for old, new in pairwise(self.states)
            if old.what != new.what
        ]
        dropped = [f"dropped: {drop.what} at +{format_ms(drop.after_ns)}" for drop in self.drops]
        when = f" at +{format_ms(self.seen_ns)}" if self.seen_ns else ""  # which records of before do not say
        return [*went, *dropped, f"now {socket_text(self.state, self.holder)}{when}"]


class KernelView(msgspec.Struct, frozen=True):
    """One kernel.

    Args:
        side: ``client`` or ``server`` where both ends are kernels.
        sockets: one a connection.
        counters: what its TCP counters grew by, by nstat's names, zeros left out.
    """

    side: str = ""
    sockets: tuple[SocketView, ...] = ()
    counters: dict[str, int] = {}

    def lines(self) -> list[str]:
        """As text, without the counters that every connection moves."""
        several = len(self.sockets) > 1
        told = [f"#{one.connection} {line}" if several else line for one in self.sockets for line in one.lines()]
        telling = [
            f"{name} +{count}" for name, count in self.counters.items() if not any(word in name for word in _COMMON)
        ]
        told.append("; ".join(telling) or "no counter tells anything")
        return [f"{self.side}: {line}" for line in told] if self.side else told
