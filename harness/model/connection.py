"""The control block of a connection of the kernel's, and an answer to a segment. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from harness.tcp.segment import Flags, Segment


@dataclass(frozen=True, slots=True)
class ControlBlock:
    """State and numbers of a connection of the kernel's (RFC 9293 3.3.1).

    Args:
        state: one of the eleven.
        snd_una: oldest number that is not acknowledged.
        snd_nxt: next number to send.
        rcv_nxt: next number to receive.
        rcv_wnd: size of the receive window.
        iss: initial send sequence number.
        actively: the kernel opened it, and not the peer.
        early: the peer opened it with data (RFC 7413), which a process may have before the handshake ends.
        max_snd_wnd: the largest window that the peer has offered (RFC 5961 5.2).
        reads: a process may still read what arrives; False after close(2).
        kept: segments that arrived ahead of rcv_nxt and wait for their turn (RFC 9293 SHLD-31).
        quickack: data in sequence are acknowledged at once, as a lab's route sets it (ip-route(8), quickack). The
            RFCs let the ACK wait, for half a second or two full segments (RFC 9293 3.8.6.3, RFC 5681 4.2).
        owed: octets of data that were accepted and whose ACK still waits.
        rmss: the largest segment that the kernel accepts; 536 octets where it has announced none (RFC 9293 MUST-15).
    """

    state: str
    snd_una: int = 0
    snd_nxt: int = 0
    rcv_nxt: int = 0
    rcv_wnd: int = 0
    iss: int = 0
    actively: bool = False
    early: bool = False
    max_snd_wnd: int = 65535
    reads: bool = True
    kept: tuple[Segment, ...] = ()
    quickack: bool = False
    owed: int = 0
    rmss: int = 536


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is allowed, and the connection afterwards.

    Args:
        name: what ``judge`` calls the answer.
        clause: where the RFC says so: ids to cite, and which step of a section.
        after: the connection afterwards.
        flags: of the segment that is sent; None where none is.
        seq: the segment's sequence number.
        ack: its acknowledgment number; None where it has none.
    """

    name: str
    clause: str
    after: ControlBlock
    flags: Flags | None = None
    seq: int = 0
    ack: int | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids in the clause."""
        return tuple(word for word in self.clause.split() if word.startswith("RFC"))
