"""Data of the peer's that arrives before, between and with its FIN, after the server has ended.

A half-closed connection takes the data (RFC 9293 3.6); a server that has closed, or that reads no more, answers with
a RST, since nobody will ever read them (RFC 9293 3.6.1, RFC 1122 4.2.2.13).
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FIN,
    READS_NO_MORE,
    RST,
    Connection,
    Ending,
    Pattern,
    Peer,
    both_families,
    requirement,
    shutdown_wr,
)

# the acknowledgment that the data and the FIN carry: from before or from after the peer saw the server's FIN
old_and_new_ack = pytest.mark.parametrize("ack", [1, 2], ids=["oldack", "newack"])
mended = {"fixed_by": "795a7dfbc3d9"}


def expect_reset(peer: Peer, ack: int) -> None:
    """A RST to a segment with this ack: numbered from that segment (RFC 9293 3.10.7.1) or as ABORT does (3.10.5)."""
    peer.expect_one_of(
        answers=Pattern(RST, seq=ack),
        aborts=Pattern(RST, seq=2),
        aborts_and_acknowledges=Pattern(RST, seq=2, ack=1),
    )


@requirement("RFC9293-3.6", "RFC9293-MUST-59", **mended)
@old_and_new_ack
@both_families
def test_half_closed_server_takes_data_before_the_fin(established: Connection, ack: int) -> None:
    server, peer = established
    shutdown_wr(server)
    peer.expect(FIN, seq=1, ack=1)

    peer.send(ACK, seq=1, ack=ack, data=b"more")
    peer.expect(ACK, seq=2, ack=5)
    peer.send(FIN, seq=5, ack=ack)
    peer.expect(ACK, seq=2, ack=6)
    assert server.receive() == b"more"
    assert server.receive() == b""


@requirement("RFC9293-3.6", **mended)
@old_and_new_ack
@both_families
def test_half_closed_server_takes_data_between_the_ack_and_the_fin(established: Connection, ack: int) -> None:
    server, peer = established
    shutdown_wr(server)
    peer.expect(FIN, seq=1, ack=1)

    data = peer.make(ACK, seq=1, ack=ack, data=b"more")
    fin = peer.make(FIN, seq=5, ack=ack)
    peer.send(ACK, seq=6, ack=2)  # overtook both
    peer.send_together(data)
    peer.expect(ACK, seq=2, ack=5)
    peer.send_together(fin)
    peer.expect(ACK, seq=2, ack=6)
    assert server.receive() == b"more"


@requirement("RFC9293-3.6", **mended)
@old_and_new_ack
@both_families
def test_half_closed_server_takes_data_with_the_fin(established: Connection, ack: int) -> None:
    server, peer = established
    shutdown_wr(server)
    peer.expect(FIN, seq=1, ack=1)

    fin = peer.make(FIN, seq=1, ack=ack, data=b"more")
    peer.send(ACK, seq=6, ack=2)
    peer.send_together(fin)
    peer.expect(ACK, seq=2, ack=6)
    assert server.receive() == b"more"


@requirement("RFC9293-3.6.1", "RFC1122-4.2.2.13-1", "RFC1122-4.2.2.13-2")
@old_and_new_ack
@both_families
@pytest.mark.parametrize("end", READS_NO_MORE)
def test_server_that_reads_no_more_resets_at_data_before_the_fin(
    established: Connection, end: Ending, ack: int
) -> None:
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)

    peer.send(ACK, seq=1, ack=ack, data=b"more")
    expect_reset(peer, ack)


@requirement("RFC9293-3.6.1", "RFC1122-4.2.2.13-2", **mended)
@old_and_new_ack
@both_families
@pytest.mark.parametrize("end", READS_NO_MORE)
def test_server_that_reads_no_more_resets_at_data_behind_the_ack(
    established: Connection, end: Ending, ack: int
) -> None:
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)

    data = peer.make(ACK, seq=1, ack=ack, data=b"more")
    peer.send(ACK, seq=5, ack=2)
    peer.send_together(data)
    expect_reset(peer, ack)


@requirement("RFC9293-3.6.1", "RFC1122-4.2.2.13-2", **mended)
@old_and_new_ack
@both_families
@pytest.mark.parametrize("end", READS_NO_MORE)
def test_server_that_reads_no_more_resets_at_data_with_the_fin(established: Connection, end: Ending, ack: int) -> None:
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)

    fin = peer.make(FIN, seq=1, ack=ack, data=b"more")
    peer.send(ACK, seq=6, ack=2)
    peer.send_together(fin)
    expect_reset(peer, ack)
