"""A router between the two kernels that only forwards: both ends see what they see without it."""

from __future__ import annotations

from harness import ACK, FIN, KernelPair, Router, TwoKernelSession, both_families, requirement


@both_families
@requirement("RFC9293-MUST-46", "RFC9293-3.6")
def test_connection_is_used_and_closed(router: Router, path_session: TwoKernelSession, two_kernels: KernelPair) -> None:
    client, server, path = two_kernels
    client.send(b"request")
    path.expect(ACK, from_="client", seq=1, ack=1, data=b"request")
    path.expect(ACK, from_="server", seq=1, ack=8)
    assert server.receive() == b"request"
    server.close()
    path.expect(FIN, from_="server", seq=1, ack=8)
    path.expect(ACK, from_="client", seq=8, ack=2)
    client.close()
    path.expect(FIN, from_="client", seq=8, ack=2)
    path.expect(ACK, from_="server", seq=2, ack=9)
    assert path_session.states() == ("CLOSED", "TIME-WAIT")
    assert router.tracked() == []  # without a rule that asks for it, nothing is tracked
