"""The checksum: right in all that is sent, looked at in all that is received (RFC 9293 3.1)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FIN,
    RST,
    SYN,
    WRONG_CHECKSUM,
    Connection,
    Endpoint,
    Flags,
    Pattern,
    Session,
    both_families,
    in_shared_lab,
    requirement,
)

pytestmark = in_shared_lab


@requirement("RFC9293-MUST-2")
@both_families
@pytest.mark.parametrize("data", [b"even", b"odd"], ids=["even", "odd"])
def test_each_segment_is_sent_with_the_right_checksum(session: Session, listener: Endpoint, data: bytes) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options)
    segments = [peer.expect(SYN, seq=0, ack=1)]
    peer.timestamps = session.timestamps
    peer.send(ACK, seq=1, ack=1)
    server = listener.accept()
    server.send(data)
    segments.append(peer.expect(ACK, seq=1, ack=1, data=data))
    behind = 1 + len(data)
    peer.send(ACK, seq=1, ack=behind, data=data)
    segments.append(peer.expect(ACK, seq=behind, ack=behind))
    server.linger(0)
    server.close()
    reset = peer.expect_one_of(plain=Pattern(RST, seq=behind), acknowledging=Pattern(RST, seq=behind, ack=behind))
    segments.append(reset.segment)
    assert [segment.checksum for segment in segments] == [None] * 4  # None is the right one


@requirement("RFC9293-MUST-3")
@both_families
@pytest.mark.parametrize("flags", [ACK, RST, SYN, FIN | ACK], ids=["data", "RST", "SYN", "FIN"])
def test_segment_with_a_wrong_checksum_is_dropped(established: Connection, flags: Flags) -> None:
    server, peer = established
    data = b"" if flags & (RST | SYN) else b"damaged"
    peer.send(flags, seq=1, ack=1 if flags & ACK else None, data=data, checksum=WRONG_CHECKSUM)
    peer.send(ACK, seq=1, ack=1, data=b"sound")
    peer.expect(ACK, seq=1, ack=6)
    assert server.receive() == b"sound"


@requirement("RFC9293-MUST-3")
@both_families
def test_syn_with_a_wrong_checksum_is_dropped(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=100, checksum=WRONG_CHECKSUM)
    peer.send(SYN, seq=0)
    peer.expect(SYN, seq=0, ack=1)


@requirement("RFC9293-MUST-3")
@both_families
def test_ack_with_a_wrong_checksum_acknowledges_nothing(established: Connection) -> None:
    server, peer = established
    server.send(b"first")
    peer.expect(ACK, seq=1, ack=1, data=b"first")
    server.send(b"second")  # waits for an acknowledgment (RFC 9293 3.7.4)
    peer.send(ACK, seq=1, ack=6, checksum=WRONG_CHECKSUM)
    peer.expect_silence()
    peer.send(ACK, seq=1, ack=6)
    peer.expect(ACK, seq=6, ack=1, data=b"second")
