"""Accurate ECN: negotiating it, and counting congestion marks in three flags (RFC 9768 3)."""

from __future__ import annotations

import pytest

from harness import ACK, CWR, ECE, NONE, SYN, Connection, Endpoint, Envelope, Flags, Session, requirement
from harness.errors import Unsupported
from harness.marks import in_shared_lab

pytestmark = in_shared_lab

AE = Flags.AE
ASKING = 3  # tcp_ecn: ask for Accurate ECN, and agree to it (ip-sysctl.rst)
NO_OPTION = 0  # tcp_ecn_option: the three flags alone
PLAIN = "mss 1460"
NOT_ECT, ECT_1, ECT_0, CE = range(4)  # the two bits of the IP header (RFC 3168 5)
FIRST_COUNT = AE | ECE  # five: what the counter of marked packets starts with (RFC 9768 3.2.1)

encodings = pytest.mark.parametrize(
    ("codepoint", "triple"),
    [(NOT_ECT, CWR), (ECT_1, CWR | ECE), (ECT_0, AE), (CE, AE | CWR)],
    ids=["not-ECT", "ECT1", "ECT0", "CE"],
)
"""How the three flags tell what arrived in the IP header (RFC 9768 3.1.1, table 2, and 3.2.2.1, table 3)."""


def ask(endpoint: Endpoint) -> None:
    """Switch Accurate ECN on.

    Raises:
        Unsupported: the kernel has it not, or only parts of it; old ones take any number for tcp_ecn.
    """
    endpoint.set_sysctl("net/ipv4/tcp_ecn_option", NO_OPTION)
    try:
        endpoint.set_sysctl("net/ipv4/tcp_ecn", ASKING)
    except OSError as error:
        raise Unsupported("this kernel has no Accurate ECN", why=f"it does not take tcp_ecn={ASKING}") from error


@pytest.fixture
def listener(session: Session) -> Endpoint:
    """A listening socket of a kernel that does Accurate ECN."""
    made = session.listen()
    ask(made)
    return made


@pytest.fixture
def established(session: Session, listener: Endpoint) -> Connection:
    """Opened by the peer, with Accurate ECN."""
    peer = session.new_peer(listener.port)
    peer.send(SYN | AE | CWR | ECE, seq=0, options=PLAIN)
    peer.expect(SYN | CWR, seq=0, ack=1)
    peer.send(ACK | CWR, seq=1, ack=1)  # the SYN,ACK was not ECT
    return Connection(listener.accept(), peer)


@pytest.fixture
def asking(session: Session) -> Connection:
    """A client that has asked for Accurate ECN in its SYN."""
    client = session.socket()
    ask(client)
    peer = session.new_peer(client.port)
    client.connect((session.lab.plan.peer.address(session.version), peer.flow.peer_port), wait=False)
    peer.expect(SYN | AE | CWR | ECE, seq=0)
    return Connection(client, peer)


@requirement("RFC9768-3.1.1-1")
def test_client_asks_with_all_three_flags_in_a_syn_that_is_not_ect(asking: Connection) -> None:
    _, peer = asking
    assert peer.judged_header.ecn == NOT_ECT


@requirement("RFC9768-3.1.1-2")
@encodings
def test_server_answers_with_what_arrived_in_the_header_of_the_syn(
    session: Session, listener: Endpoint, codepoint: int, triple: Flags
) -> None:
    peer = session.new_peer(listener.port)
    peer.send_as(Envelope(traffic_class=codepoint), peer.make(SYN | AE | CWR | ECE, options=PLAIN))
    peer.expect(SYN | triple, seq=0, ack=1)


@requirement("RFC9768-3.1.3-1")
@pytest.mark.parametrize("flags", [AE, AE | CWR, AE | ECE], ids=["AE", "AE-CWR", "AE-ECE"])
def test_reserved_flags_of_a_syn_ask_for_accurate_ecn(session: Session, listener: Endpoint, flags: Flags) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN | flags, seq=0, options=PLAIN)
    peer.expect(SYN | CWR, seq=0, ack=1)


@requirement("RFC9768-3.1.1-3", "RFC9768-3.2.1-1")
def test_server_counts_from_five_and_marks_its_data(established: Connection) -> None:
    server, peer = established
    server.send(b"data")
    peer.expect(ACK | FIRST_COUNT, seq=1, ack=1, data=b"data")
    assert peer.judged_header.ecn == ECT_0


@requirement("RFC9768-3.2.2-1", "RFC9768-3.1.5-2")
def test_each_marked_segment_is_counted_in_three_bits(established: Connection) -> None:
    """Five, six, seven, and then from nothing again; CWR is one of the three, and no sign of a reduction."""
    _, peer = established
    sent = 1
    for count in (AE | CWR, AE | CWR | ECE, NONE, ECE):
        peer.send_as(Envelope(traffic_class=CE), peer.make(ACK | FIRST_COUNT, seq=sent, ack=1, data=b"data"))
        sent += len(b"data")
        peer.expect(ACK | count, seq=1, ack=sent)


@requirement("RFC9768-3.1.1-4", "RFC9768-3.2.2.1-1")
@encodings
def test_client_answers_with_what_arrived_in_the_header_of_the_syn_and_ack(
    asking: Connection, codepoint: int, triple: Flags
) -> None:
    _, peer = asking
    peer.send_as(Envelope(traffic_class=codepoint), peer.make(SYN | CWR, ack=1, options=PLAIN))
    peer.expect(ACK | triple, seq=1, ack=1)


@requirement("RFC9768-3.1.1-4", "RFC9768-3.2.1-1", "RFC9768-3.1.3-1")
@pytest.mark.parametrize("triple", [CWR, AE | ECE], ids=["not-ECT", "reserved"])
def test_client_counts_from_five_where_the_server_agreed(asking: Connection, triple: Flags) -> None:
    client, peer = asking
    peer.send(SYN | triple, seq=0, ack=1, options=PLAIN)
    peer.expect(ACK | CWR, seq=1, ack=1)
    client.send(b"data")
    peer.expect(ACK | FIRST_COUNT, seq=1, ack=1, data=b"data")


@requirement("RFC9768-3.1.2-1", "RFC9768-3.1.2-2")
@pytest.mark.parametrize(
    ("triple", "codepoint"),
    [(ECE, ECT_0), (NONE, NOT_ECT), (AE | CWR | ECE, NOT_ECT)],
    ids=["classic", "refused", "reflected"],
)
def test_client_falls_back_to_what_the_server_does(asking: Connection, triple: Flags, codepoint: int) -> None:
    client, peer = asking
    peer.send(SYN | triple, seq=0, ack=1, options=PLAIN)
    peer.expect(ACK, seq=1, ack=1)
    client.send(b"data")
    peer.expect(ACK, seq=1, ack=1, data=b"data")
    assert peer.judged_header.ecn == codepoint
