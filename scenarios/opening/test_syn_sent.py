"""What can reach a client that waits for its SYN to be answered (RFC 9293 3.10.7.3)."""

from __future__ import annotations

import pytest

from harness import ACK, FIN, NONE, RST, SYN, Connection, Flags, Pattern, Session, both_families, requirement


def complete(session: Session, connection: Connection) -> None:
    """The client is still waiting, and the right answer opens the connection."""
    client, peer = connection
    peer.allow(SYN, seq=0)  # Linux hurries to send its SYN again when somebody answers amiss
    peer.expect_silence()
    peer.send(SYN, seq=0, ack=1, options=session.syn_options)
    peer.timestamps = session.timestamps
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()


@requirement("RFC9293-E-7", "FSM-075")
@both_families
@pytest.mark.parametrize("flags", [NONE, SYN, FIN], ids=["ACK", "SYN+ACK", "FIN+ACK"])
@pytest.mark.parametrize("ack", [0, 2], ids=["old", "future"])
def test_unacceptable_ack_is_reset_and_the_client_goes_on_waiting(
    session: Session, syn_sent: Connection, flags: Flags, ack: int
) -> None:
    _, peer = syn_sent
    peer.send(flags, seq=0, ack=ack)
    peer.expect(RST, seq=ack)
    complete(session, syn_sent)


@requirement("RFC9293-E-8", "RFC5961-3.2-4", "FSM-076")
@both_families
@pytest.mark.parametrize("ack", [0, 2], ids=["old", "future"])
def test_reset_with_an_unacceptable_ack_is_dropped(session: Session, syn_sent: Connection, ack: int) -> None:
    _, peer = syn_sent
    peer.send(RST, seq=0, ack=ack)
    complete(session, syn_sent)


@requirement("RFC9293-E-8", "RFC5961-3.2-4", "FSM-078")
@both_families
@pytest.mark.parametrize("flags", [RST, RST | SYN, RST | FIN], ids=["RST", "RST+SYN", "RST+FIN"])
def test_reset_without_an_ack_is_dropped(session: Session, syn_sent: Connection, flags: Flags) -> None:
    _, peer = syn_sent
    peer.send(flags, seq=0)
    complete(session, syn_sent)


@requirement("RFC5961-3.2-4", "FSM-077", "RFC9293-3.10.7.3")
@both_families
def test_reset_that_acknowledges_the_syn_refuses_the_connection(syn_sent: Connection) -> None:
    client, peer = syn_sent
    peer.send(RST, seq=0, ack=1)
    with pytest.raises(ConnectionRefusedError):
        client.wait_connected()
    peer.send(SYN, seq=0, ack=1)  # too late: nobody is there
    peer.expect(RST, seq=1)


@requirement("FSM-080", "RFC9293-3.10.7.3")
@both_families
@pytest.mark.parametrize("flags", [NONE, FIN], ids=["ACK", "FIN+ACK"])
def test_acceptable_ack_without_syn_is_dropped(session: Session, syn_sent: Connection, flags: Flags) -> None:
    _, peer = syn_sent
    peer.send(flags, seq=1, ack=1)
    complete(session, syn_sent)


@requirement("FSM-080", "RFC9293-3.10.7.3")
@both_families
@pytest.mark.parametrize("flags", [NONE, FIN], ids=["none", "FIN"])
def test_segment_without_syn_rst_and_ack_is_dropped(session: Session, syn_sent: Connection, flags: Flags) -> None:
    _, peer = syn_sent
    peer.send(flags, seq=0, data=b"junk")
    complete(session, syn_sent)


@requirement("FSM-081", "RFC9293-3.10.7.3")
@both_families
def test_fin_with_the_answer_is_taken(session: Session, syn_sent: Connection) -> None:
    _, peer = syn_sent
    peer.send(SYN | FIN, seq=0, ack=1, options=session.syn_options)
    peer.timestamps = session.timestamps
    reply = peer.expect_one_of(taken=Pattern(ACK, seq=1, ack=2), syn_alone=Pattern(ACK, seq=1, ack=1))
    if reply.is_("syn_alone"):  # a FIN that was dropped can be sent again
        peer.send(FIN, seq=1, ack=1)
        peer.expect(ACK, seq=1, ack=2)
    reply.require("taken")


@requirement("RFC9293-3.10.7.3", "FSM-008")
@both_families
def test_data_with_the_answer_are_taken(session: Session, syn_sent: Connection) -> None:
    client, peer = syn_sent
    peer.send(SYN, seq=0, ack=1, options=session.syn_options, data=b"early")
    peer.timestamps = session.timestamps
    reply = peer.expect_one_of(taken=Pattern(ACK, seq=1, ack=6), syn_alone=Pattern(ACK, seq=1, ack=1))
    if reply.is_("syn_alone"):  # 3.10.7.3 lets them be processed later; nothing was acknowledged, so they come again
        peer.send(ACK, seq=1, ack=1, data=b"early")
        peer.expect(ACK, seq=1, ack=6)
    assert client.receive() == b"early"
