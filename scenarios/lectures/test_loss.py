"""A lost segment of data: the retransmission timer, its backoff, and recovery."""

from __future__ import annotations

from harness import ACK, DELACK_MAX, RTO_MIN, KernelPair, both_families, requirement

DATA = bytes(100)


@requirement("RFC6298-5-1", "RFC6298-5-4", "RFC9293-MUST-19")
@both_families
def test_lost_data_is_sent_again_with_a_doubled_timer(two_kernels: KernelPair) -> None:
    client, server, path = two_kernels
    server.set_option("TCP_QUICKACK", 0)  # the receiver delays its ACKs (RFC 9293 3.8.6.3)
    path.drop(ACK, from_="client", seq=1, length=100, times=2)
    client.send(DATA)
    path.expect(ACK, from_="client", seq=1, ack=1, data=DATA)

    path.expect(ACK, from_="client", seq=1, ack=1, data=DATA, within=RTO_MIN, at_least=RTO_MIN)
    path.expect(ACK, from_="client", seq=1, ack=1, data=DATA, within=2 * RTO_MIN, at_least=2 * RTO_MIN)
    path.expect(ACK, from_="server", seq=1, ack=101, within=DELACK_MAX)
    assert server.receive() == DATA

    client.send(DATA)  # recovered: the next segment gets through as the first should have
    path.expect(ACK, from_="client", seq=101, ack=1, data=DATA)
    path.expect(ACK, from_="server", seq=1, ack=201, within=DELACK_MAX)
    assert server.receive() == DATA
    assert path.passages.repeated("client", 1) == 2
