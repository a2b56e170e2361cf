"""What a congestion control module says of a connection (TCP_CC_INFO, since Linux 4.1)."""

from __future__ import annotations

import struct

import pytest

from harness import (
    ACK,
    FLIGHT,
    MS,
    Connection,
    Endpoint,
    Session,
    Span,
    Unsupported,
    establish_from_afar,
    expect_flight,
    in_shared_lab,
    requirement,
    wait_from_afar,
    write_segments,
)

pytestmark = [in_shared_lab, pytest.mark.usefixtures("steady", "no_tail_loss_probe")]

FAR = Span(80 * MS, "FAR", "a round trip")
FAR_IN_US = 80_000
GAIN_UNIT = 256  # of bbr's gains (struct tcp_bbr_info, include/uapi/linux/inet_diag.h)
STARTUP_GAIN = 2.885  # 2 / ln 2 (BBR, draft-cardwell-iccrg-bbr-congestion-control-00 4.3.1.1)


@pytest.fixture
def answered(session: Session, listener: Endpoint, module: str) -> Connection:
    """A first flight has arrived, a round trip after it was sent."""
    server, peer = establish_from_afar(session, listener, FAR, options="mss 1460,nop,nop,sackOK")
    try:
        server.set_option("TCP_CONGESTION", module)
    except OSError as error:
        raise Unsupported(f"this kernel has no {module}", why=str(error), hint=f"modprobe tcp_{module}") from None
    write_segments(server, FLIGHT)
    behind = expect_flight(peer, FLIGHT, seq=1)
    wait_from_afar(peer, FAR)
    peer.send(ACK, seq=1, ack=behind)
    session.settle()
    return Connection(server, peer)


@requirement("RFC9293-MUST-19")
@pytest.mark.parametrize("module", ["bbr"])
def test_bbr_tells_the_round_trip_and_how_much_faster_it_sends_at_first(answered: Connection) -> None:
    told = answered.endpoint.option_bytes("TCP_CC_INFO")
    _, _, round_trip, pacing, window = struct.unpack("=5I", told)
    assert FAR_IN_US <= round_trip < FAR_IN_US + 1000
    assert pacing / GAIN_UNIT == pytest.approx(STARTUP_GAIN, abs=0.01)
    assert window / GAIN_UNIT == pytest.approx(STARTUP_GAIN, abs=0.01)


@requirement("RFC9293-MUST-19")
@pytest.mark.parametrize("module", ["reno", "cubic"])
def test_module_that_has_nothing_to_tell_tells_nothing(answered: Connection) -> None:
    assert answered.endpoint.option_bytes("TCP_CC_INFO") == b""
