"""ICMP errors as scapy and as the kernel read them, and segments of the peer's in other people's IP headers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from scapy.layers.inet import ICMP, IP, TCP, IPerror, TCPerror
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Ether

from harness import ACK, FIN, SYN, Envelope, FinwaitError, Session, Unsupported
from harness.tcp.segment import Segment
from harness.tcp.timing import TimingProfile
from harness.trace.events import describe
from harness.wire.frames import Flow
from harness.wire.icmp import KINDS, enveloped, error
from netns import privilege
from netns.plan import plan

PLAN = plan(3, process=77)
SENT = Segment(flags=ACK, seq=0xDEADBEEF, ack=5)


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def lab(request: pytest.FixtureRequest) -> Iterator[Session]:
    privilege.ensure()
    with Session(TimingProfile(patience_ns=5_000_000_000), version=request.param) as opened:
        yield opened


@pytest.mark.parametrize("kind", [kind for kind, numbers in KINDS.items() if numbers.v4])
def test_error_has_type_code_and_the_header_it_quotes(kind: str) -> None:
    packet = Ether(error(PLAN, Flow(4, 1024, 80), kind, SENT, mtu=1400 if kind == "packet too big" else 0))
    assert (packet[ICMP].type, packet[ICMP].code) == KINDS[kind].v4
    assert (packet[IP].src, packet[IP].dst) == (PLAN.peer.ipv4, PLAN.kernel.ipv4)
    assert (packet[IPerror].src, packet[IPerror].dst) == (PLAN.kernel.ipv4, PLAN.peer.ipv4)
    assert (packet[TCPerror].sport, packet[TCPerror].dport, packet[TCPerror].seq) == (80, 1024, 0xDEADBEEF)
    right = IP(bytes(packet[IP]))
    del right.chksum, right[ICMP].chksum
    assert bytes(right) == bytes(packet[IP])


@pytest.mark.parametrize("kind", [kind for kind, numbers in KINDS.items() if numbers.v6])
def test_error_of_ipv6_has_type_code_and_a_right_checksum(kind: str) -> None:
    frame = error(PLAN, Flow(6, 1024, 80), kind, SENT)
    assert (frame[54], frame[55]) == KINDS[kind].v6
    packet = Ether(frame)
    layer = packet[IPv6].payload
    chosen = layer.cksum
    del layer.cksum
    rebuilt = Ether(bytes(packet))
    assert rebuilt[IPv6].payload.cksum == chosen


def test_mtu_of_the_next_hop_is_told() -> None:
    assert Ether(error(PLAN, Flow(4, 1, 2), "packet too big", SENT, mtu=1280))[ICMP].nexthopmtu == 1280
    assert Ether(error(PLAN, Flow(6, 1, 2), "packet too big", SENT, mtu=1280))[ICMPv6PacketTooBig].mtu == 1280
    assert ICMPv6DestUnreach not in Ether(error(PLAN, Flow(6, 1, 2), "packet too big", SENT))


@pytest.mark.parametrize(("version", "header"), [(4, 20), (6, 40)])
@pytest.mark.parametrize("quoted", [0, 7, 8, 20])
def test_as_much_is_quoted_as_told(version: int, header: int, quoted: int) -> None:
    frame = error(PLAN, Flow(version, 1, 2), "port unreachable", SENT, quoted=quoted)
    assert len(frame) == 14 + header + 8 + header + quoted


def test_unknown_and_missing_errors_are_told_apart() -> None:
    with pytest.raises(FinwaitError, match="no ICMP error named 'bad luck'"):
        error(PLAN, Flow(4, 1, 2), "bad luck", SENT)
    with pytest.raises(Unsupported, match="ICMPv6 has no source quench"):
        error(PLAN, Flow(6, 1, 2), "source quench", SENT)
    with pytest.raises(FinwaitError, match="mtu=65536 does not fit"):
        error(PLAN, Flow(4, 1, 2), "packet too big", SENT, mtu=65536)


def test_segment_has_the_addresses_of_its_envelope_and_a_checksum_that_counts_them() -> None:
    envelope = Envelope(source="203.0.113.9", target="224.0.0.1", target_mac="01:00:5e:00:00:01", ttl=1)
    packet = Ether(enveloped(PLAN, Flow(4, 1024, 80), envelope, SENT))
    assert (packet.dst, packet[IP].src, packet[IP].dst, packet[IP].ttl) == (
        "01:00:5e:00:00:01",
        "203.0.113.9",
        "224.0.0.1",
        1,
    )
    chosen = packet[TCP].chksum
    del packet[TCP].chksum
    assert Ether(bytes(packet))[TCP].chksum == chosen


def test_kernel_understands_the_error(lab: Session) -> None:
    client = lab.socket()
    peer = lab.new_peer(client.port)
    client.connect((lab.lab.plan.peer.address(lab.version), peer.flow.peer_port), wait=False)
    syn = peer.expect(SYN, seq=0)
    peer.send_icmp("port unreachable", quoting=syn)
    with pytest.raises(ConnectionRefusedError):
        client.wait_connected()


def test_error_stands_on_the_timeline(lab: Session) -> None:
    server, peer = lab.establish(lab.listen())
    server.send(b"data")
    peer.send_icmp("host unreachable", quoting=peer.expect(ACK, data=b"data"))
    told = [describe(event).strip() for event in lab.timeline]
    assert "< ICMP host unreachable about P. 1:5(4) ack 1" in [text.partition(" win")[0] for text in told]


def test_header_is_that_of_the_segment_judged_last(lab: Session) -> None:
    server, peer = lab.establish(lab.listen())
    handshake = peer.judged_header
    server.set_option("IP_TTL" if lab.version == 4 else "IPV6_UNICAST_HOPS", 9)
    server.close()
    peer.expect(FIN, seq=1, ack=1)
    assert (handshake.ttl, peer.judged_header.ttl) == (64, 9)
    assert peer.judged_header.source == lab.lab.plan.kernel.address(lab.version)


def test_no_header_before_anything_was_judged(lab: Session) -> None:
    with pytest.raises(FinwaitError, match="no segment was expected yet"):
        _ = lab.new_peer().judged_header


def test_segment_in_an_envelope_arrives_and_stands_on_the_timeline(lab: Session) -> None:
    listener = lab.listen()
    peer = lab.new_peer(listener.port)
    peer.send_as(Envelope(ttl=1, traffic_class=8), peer.make(SYN, options="mss 1460"))
    peer.expect(SYN, seq=0, ack=1)
    sent = next(event for event in lab.timeline if getattr(event, "step", "").startswith("2: send S 0:0(0)"))
    assert "ttl=1" in getattr(sent, "step", "")


@pytest.mark.parametrize(("version", "usual"), [(4, PLAN.peer.ipv4), (6, PLAN.peer.ipv6)])
def test_envelope_with_no_address_of_this_ip_version_is_told(version: int, usual: str) -> None:
    for envelope in (Envelope(source="10.1"), Envelope(target="10.1")):
        with pytest.raises(FinwaitError, match=f"='10.1' is not an IPv{version} address; try: {usual}"):
            enveloped(PLAN, Flow(version, 1024, 80), envelope, SENT)
