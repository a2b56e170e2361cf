"""A FIN that the ACK of the other side's FIN overtook.

The peer sent its FIN before it saw the server's, and acknowledged the server's afterwards; on the way the two changed
places. RFC 9293 3.10.7.4 lets an old acknowledgment be ignored while the FIN still counts, and RFC 5961 5.2 takes
acknowledgments from SND.UNA - MAX.SND.WND on.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    ENDINGS,
    FIN,
    Connection,
    Ending,
    Pattern,
    both_families,
    requirement,
    with_and_without_timestamps,
)

accepts_old_ack = requirement("RFC9293-3.10.7.4", "RFC9293-E-17", "RFC9293-U-9", fixed_by="795a7dfbc3d9")


@accepts_old_ack
@with_and_without_timestamps
@both_families
@pytest.mark.parametrize("end", ENDINGS)
def test_fin_overtaken_by_its_ack_is_acknowledged(established: Connection, end: Ending) -> None:
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)

    overtaken = peer.make(FIN, seq=1, ack=1)  # sent before the server's FIN was seen
    peer.send(ACK, seq=2, ack=2)  # sent after it, arrives first
    peer.send_together(overtaken)

    reply = peer.expect_one_of(
        accepted=Pattern(ACK, seq=2, ack=2),
        challenged=Pattern(ACK, seq=2, ack=1),
    )
    if reply.is_("challenged"):  # the FIN was dropped: what the peer has to do now is the cost
        peer.send(FIN, seq=1, ack=2)
        peer.expect(ACK, seq=2, ack=2)
    reply.require("accepted")


@accepts_old_ack
@with_and_without_timestamps
@both_families
@pytest.mark.parametrize("end", ENDINGS)
def test_fin_overtaken_by_the_ack_of_data_is_acknowledged(established: Connection, end: Ending) -> None:
    server, peer = established
    server.send(b"last words")
    peer.expect(ACK, seq=1, ack=1, data=b"last words")
    end(server)
    peer.expect(FIN, seq=11, ack=1)

    overtaken = peer.make(FIN, seq=1, ack=1)
    peer.send(ACK, seq=2, ack=11)  # covers the data, and not yet the FIN
    peer.send_together(overtaken)

    reply = peer.expect_one_of(
        accepted=Pattern(ACK, seq=12, ack=2),
        challenged=Pattern(ACK, seq=12, ack=1),
    )
    if reply.is_("challenged"):
        peer.send(FIN, seq=1, ack=12)
        peer.expect(ACK, seq=12, ack=2)
    reply.require("accepted")


@accepts_old_ack
@both_families
@pytest.mark.parametrize("end", ENDINGS)
def test_fin_behind_a_duplicated_ack_is_acknowledged(established: Connection, end: Ending) -> None:
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)

    overtaken = peer.make(FIN, seq=1, ack=1)
    acknowledgment = peer.make(ACK, seq=2, ack=2)
    peer.send_together(acknowledgment, acknowledgment, overtaken)

    reply = peer.expect_one_of(
        accepted=Pattern(ACK, seq=2, ack=2),
        challenged=Pattern(ACK, seq=2, ack=1),
    )
    if reply.is_("challenged"):
        peer.send(FIN, seq=1, ack=2)
        peer.expect(ACK, seq=2, ack=2)
    reply.require("accepted")
