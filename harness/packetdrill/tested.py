"""The socket under test: which packets are its own, and its numbers on the wire beside those of the script. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import msgspec

from harness.packetdrill.octets import shifted
from harness.tcp.segment import ACK, SYN, Segment, add


class Differs(Exception):
    """The kernel did something else than the script expects.

    Args:
        what: that.
        line: of the script; 0 for that of the event at hand.
    """

    def __init__(self, what: str, line: int = 0) -> None:
        super().__init__(what)
        self.line = line


class Stage(enum.Enum):
    """How far a connection is, as the script's own lines tell."""

    NEW = enum.auto()
    LISTENING = enum.auto()
    CONNECTING = enum.auto()
    SYN_SENT = enum.auto()
    SYN_ACKNOWLEDGED = enum.auto()
    SYN_TAKEN = enum.auto()
    ANSWERED = enum.auto()
    ESTABLISHED = enum.auto()


@dataclass(slots=True)
class TestedSocket:
    """One socket of a script.

    Args:
        descriptor: of the script; -1 for one that was not accepted.
        protocol: of IP.
        stage: how far it is.
        local_port: live, 0 while it is not known.
        remote_port: live.
        script_isn: the kernel's initial number in the script.
        live_isn: the kernel's on the wire.
        remote_isn: the other side's, alike in both.
        echoes: outbound timestamps: those of the wire by those of the script.
        first_timestamp: the first of them, script and wire; None for none yet.
        last_sent: the last segment that was sent to it, with numbers of the wire.
        last_seen: the last that came from it.
        labels: the script's flow label and the live one.
    """

    __test__ = False

    descriptor: int
    protocol: int
    stage: Stage = Stage.NEW
    local_port: int = 0
    remote_port: int = 0
    script_isn: int = 0
    live_isn: int = 0
    remote_isn: int = 0
    echoes: dict[int, int] = field(default_factory=dict)
    first_timestamp: tuple[int, int] | None = None
    last_sent: Segment | None = None
    last_seen: Segment | None = None
    labels: tuple[int, int] | None = None

    def local_offset(self, syn: bool) -> int:
        """What is added to a number of the kernel's in the script to have that of the wire."""
        return add(self.live_isn, -self.script_isn) if syn else self.live_isn

    def remote_offset(self, syn: bool) -> int:
        """The same for a number of the other side."""
        return 0 if syn else self.remote_isn

    def told(self, segment: Segment, *, inbound: bool) -> Segment:
        """A segment of the wire with the script's numbers."""
        syn = bool(segment.flags & SYN)
        local, remote = self.local_offset(syn), self.remote_offset(syn)
        own, other = (remote, local) if inbound else (local, remote)
        ack = add(segment.ack, -other) if segment.flags & ACK else segment.ack
        options, seq = shifted(segment.options, -other), add(segment.seq, -own)
        return msgspec.structs.replace(segment, seq=seq, ack=ack, options=options, checksum=None)

    def closing(self) -> tuple[int, int, int]:
        """Sequence number, acknowledgment and window of a RST that ends it on the wire."""
        sent, seen = self.last_sent, self.last_seen
        if sent is not None and sent.flags & ACK:
            return sent.next_seq, sent.ack, sent.window
        if seen is not None and seen.flags & ACK:
            return seen.ack, seen.seq, 0
        return 0, add(seen.seq, 1) if seen is not None else 0, 0

    @property
    def opens(self) -> bool:
        """Whether it has sent, or is about to send, a SYN of its own."""
        return self.stage in (Stage.CONNECTING, Stage.SYN_SENT)


@dataclass(slots=True)
class Sockets:
    """The sockets of a script. Packets belong to one of them: that of the last call or of the last passive opening."""

    all: list[TestedSocket] = field(default_factory=list)

    @property
    def current(self) -> TestedSocket | None:
        """The one that packets belong to."""
        return self.all[-1] if self.all else None

    def of(self, descriptor: int) -> TestedSocket | None:
        """The one with a descriptor of the script's."""
        return next((one for one in reversed(self.all) if one.descriptor == descriptor), None)

    def closed(self, descriptor: int) -> None:
        """Its descriptor is free again; its packets go on."""
        if found := self.of(descriptor):
            found.descriptor = -1


def is_opening(segment: Segment) -> bool:
    """Whether a segment is a SYN without ACK."""
    return bool(segment.flags & SYN) and not segment.flags & ACK
