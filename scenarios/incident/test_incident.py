"""The incident: both ends close at the same moment, and the client's FIN and its ACK change places on the way.

A server that drops the FIN for its old acknowledgment makes the client wait for its retransmission timer, 200 ms at
least. RFC 9293 3.10.7.4 lets an old acknowledgment be ignored while the FIN still counts, and RFC 5961 5.2 takes
acknowledgments from SND.UNA - MAX.SND.WND on. Both ends and their timers are real; only the order is made.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    ENDINGS,
    FIN,
    RTO_INIT,
    Ending,
    KernelPair,
    Pattern,
    TwoKernelSession,
    both_families,
    requirement,
    with_and_without_timestamps,
)


@requirement("RFC9293-3.10.7.4", "RFC9293-E-17", "RFC9293-U-9", fixed_by="795a7dfbc3d9")
@with_and_without_timestamps
@both_families
@pytest.mark.parametrize("end", ENDINGS)
def test_closing_at_the_same_moment_takes_no_retransmission(
    path_session: TwoKernelSession, two_kernels: KernelPair, end: Ending
) -> None:
    client, server, path = two_kernels
    path.hold(FIN, from_="client", seq=1, ack=1).until(ACK, seq=2, ack=2)
    crossing = path.hold(FIN, from_="server")
    client.close()
    end(server)
    crossing.release()  # what comes back finds the ending done, whatever it is made of

    path.expect(FIN, from_="client", seq=1, ack=1)
    path.expect(FIN, from_="server", seq=1, ack=1)
    path.expect(ACK, from_="client", seq=2, ack=2)  # overtakes the FIN, which is held until now
    reply = path.expect_one_of(
        from_="server",
        accepted=Pattern(ACK, seq=2, ack=2),
        challenged=Pattern(ACK, seq=2, ack=1),
    )
    if reply.is_("challenged"):  # the FIN was dropped: its retransmission is the cost
        path.expect(FIN, from_="client", seq=1, ack=2, within=RTO_INIT)
        path.expect(ACK, from_="server", seq=2, ack=2)
    path_session.expect_closed()
    reply.require("accepted")
