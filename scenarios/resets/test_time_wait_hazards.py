"""The hazards of old duplicates that RFC 1337 names, and the ways out of them."""

from __future__ import annotations

from harness import ACK, FIN, RST, SYN, Connection, Pattern, Session, both_families, in_shared_lab, requirement

pytestmark = in_shared_lab

NEXT_ISN = 1_000_000  # higher than any number of the incarnation before


@requirement("RFC1337-2.1-1")
@both_families
def test_old_data_in_time_wait_draw_an_ack_whose_rst_ends_it(time_wait: Connection) -> None:
    """The hazard itself (RFC 1337 2.1), as RFC 9293 3.10.7.4 has it: a RST in TIME-WAIT ends the state."""
    _, peer = time_wait
    peer.send(ACK, seq=1, ack=2, data=b"x")
    challenge = peer.expect(ACK, seq=2, ack=2)
    peer.send(RST, seq=challenge.ack)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(RST, seq=2)  # nobody is there any more


@requirement("RFC1337-3-1")
@both_families
def test_rst_in_time_wait_is_ignored_where_the_administrator_wants_it(session: Session, time_wait: Connection) -> None:
    _, peer = time_wait
    session.sysctl("net/ipv4/tcp_rfc1337", 1)
    peer.send(RST, seq=2)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC1337-2.2-1", "RFC1337-3-2")
@both_families
def test_old_data_do_not_reach_the_next_incarnation(time_wait: Connection) -> None:
    """Their timestamps are older than those of the connection that has the numbers now (RFC 1337 3, RFC 7323 5)."""
    _, peer = time_wait
    old_options = "nop,nop,TS val 1 ecr 0"
    new_options = "mss 1460,sackOK,TS val 100000 ecr 0"
    peer.send(SYN, seq=NEXT_ISN, options=new_options)
    peer.expect(SYN, seq=0, ack=NEXT_ISN + 1)
    peer.send(ACK, seq=NEXT_ISN + 1, ack=1, options=f"nop,nop,TS val 100001 ecr {peer.echo}")
    peer.send(ACK, seq=NEXT_ISN + 1, ack=1, data=b"old duplicate", options=old_options)
    reply = peer.expect_one_of(
        dropped=Pattern(ACK, seq=1, ack=NEXT_ISN + 1), delivered=Pattern(ACK, seq=1, ack=NEXT_ISN + 14)
    )
    reply.require("dropped")


@requirement("RFC1337-2.4-1", "RFC9293-E-7")
@both_families
def test_old_ack_in_syn_sent_does_not_end_the_attempt(session: Session, syn_sent: Connection) -> None:
    """The RST that it draws has the old number, so a peer that is alive takes no notice (RFC 1337 2.4)."""
    client, peer = syn_sent
    old = 5000
    peer.allow(SYN, seq=0)  # two ticks later it is sent again, once the peer has forgotten what it was about
    peer.send(ACK, seq=old, ack=old)
    peer.expect(RST, seq=old)
    peer.send(SYN, seq=0, ack=1, options=session.syn_options)
    peer.timestamps = session.timestamps
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()
