"""How long a segment may be: the peer's MSS, the MTU, the options (RFC 9293 3.7.1, RFC 6691)."""

from __future__ import annotations

import pytest

from harness import ACK, TIMESTAMPS_LENGTH, Endpoint, Session, both_families, expect_flight, in_shared_lab, requirement

pytestmark = in_shared_lab

LESS = 1000  # an MSS that is smaller than the MTU asks for
MORE = 8960  # and a larger one: of an MTU of 9000
FITS = {4: 1460, 6: 1440}  # an MTU of 1500 less the fixed headers


@requirement("RFC9293-MUST-16", "RFC9293-SHLD-28", "RFC6691-2-3")
@both_families
@pytest.mark.parametrize("mss", [LESS, MORE])
@pytest.mark.parametrize("stamped", [False, True], ids=["noTS", "TS"])
def test_segments_are_as_large_as_mss_mtu_and_options_allow(
    session: Session, listener: Endpoint, ip_version: int, mss: int, stamped: bool
) -> None:
    offered = f"mss {mss},nop,nop,TS val 1 ecr 0" if stamped else f"mss {mss}"
    server, peer = session.establish(listener, options=offered)
    allowed = min(mss, FITS[ip_version]) - TIMESTAMPS_LENGTH * stamped
    server.send(bytes(3 * allowed))
    expect_flight(peer, 3, seq=1, size=allowed)


@requirement("RFC9293-MUST-16")
@both_families
def test_client_honours_the_mss_of_the_syn_and_ack(session: Session) -> None:
    client, peer = session.connect(options=f"mss {LESS}")
    client.send(bytes(2 * LESS))
    behind = expect_flight(peer, 2, seq=1, size=LESS)
    peer.send(ACK, seq=1, ack=behind)
