"""Accurate ECN: negotiating it, and counting congestion marks in three flags (RFC 9768 3)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    CWR,
    ECE,
    NONE,
    RTO_INIT,
    SYN,
    Connection,
    Endpoint,
    Envelope,
    Flags,
    Pattern,
    Segment,
    Session,
    Unsupported,
    in_shared_lab,
    requirement,
    waits,
)

pytestmark = in_shared_lab

AE = Flags.AE
ASKING = 3  # tcp_ecn: ask for Accurate ECN, and agree to it (ip-sysctl.rst)
NO_OPTION = 0  # tcp_ecn_option: the three flags alone
ALWAYS_OPTION = 2  # wherever it fits
PLAIN = "mss 1460"
NOT_ECT, ECT_1, ECT_0, CE = range(4)  # the two bits of the IP header (RFC 3168 5)
FIRST_COUNT = AE | ECE  # five: what the counter of marked packets starts with (RFC 9768 3.2.1)
SECOND_COUNT = AE | CWR
ORDERS = {172: (ECT_0, CE, ECT_1), 174: (ECT_1, CE, ECT_0)}  # whose bytes the fields count (RFC 9768 3.2.3)
FIRST_BYTES = {ECT_0: 1, CE: 0, ECT_1: 1}  # what the counters of bytes start with (RFC 9768 3.2.1)
BYTES_OF_NOTHING = "opt 172 000001000000000001"

encodings = pytest.mark.parametrize(
    ("codepoint", "triple"),
    [(NOT_ECT, CWR), (ECT_1, CWR | ECE), (ECT_0, AE), (CE, AE | CWR)],
    ids=["not-ECT", "ECT1", "ECT0", "CE"],
)
"""How the three flags tell what arrived in the IP header (RFC 9768 3.1.1, table 2, and 3.2.2.1, table 3)."""


def ask(session: Session, option: int = NO_OPTION) -> None:
    """Switch Accurate ECN on, with or without the option that counts bytes.

    Raises:
        Unsupported: the kernel has it not, or only parts of it; old ones take any number for tcp_ecn.
    """
    session.sysctl("net/ipv4/tcp_ecn_option", option)
    try:
        session.sysctl("net/ipv4/tcp_ecn", ASKING)
    except OSError as error:
        raise Unsupported("this kernel has no Accurate ECN", why=f"it does not take tcp_ecn={ASKING}") from error


@pytest.fixture
def listener(session: Session) -> Endpoint:
    """A listening socket of a kernel that does Accurate ECN."""
    made = session.listen()
    ask(session)
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
    ask(session)
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
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


# -- the mode does not change


@requirement("RFC9768-3.1.5-1")
@pytest.mark.parametrize("flags", [NONE, CWR | ECE, AE], ids=["plain", "classic", "reserved"])
def test_syn_of_another_kind_does_not_change_the_mode_of_a_server(
    session: Session, listener: Endpoint, flags: Flags
) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN | AE | CWR | ECE, seq=0, options=PLAIN)
    peer.expect(SYN | CWR, seq=0, ack=1)
    peer.send(SYN | flags, seq=0, options=PLAIN)
    peer.expect_one_of(accurate=Pattern(SYN | CWR, seq=0, ack=1), without=Pattern(SYN, seq=0, ack=1))
    peer.send(ACK | CWR, seq=1, ack=1)
    listener.accept().send(b"data")
    peer.expect(ACK | FIRST_COUNT, seq=1, ack=1, data=b"data")


@requirement("RFC9768-3.1.5-1")
@pytest.mark.parametrize("flags", [NONE, ECE], ids=["plain", "classic"])
def test_syn_and_ack_of_another_kind_does_not_change_the_mode_of_a_client(asking: Connection, flags: Flags) -> None:
    client, peer = asking
    peer.send(SYN | CWR, seq=0, ack=1, options=PLAIN)
    peer.expect(ACK | CWR, seq=1, ack=1)
    peer.send(SYN | flags, seq=0, ack=1, options=PLAIN)
    peer.expect_one_of(as_before=Pattern(ACK | CWR, seq=1, ack=1), counted=Pattern(ACK | FIRST_COUNT, seq=1, ack=1))
    client.send(b"data")
    peer.expect(ACK | FIRST_COUNT, seq=1, ack=1, data=b"data")


# -- the option that counts bytes


def counted(segment: Segment) -> dict[int, int]:
    """What the option says of each codepoint, whichever of its two kinds it is of."""
    option = segment.option("opt 172") or segment.option("opt 174")
    assert option is not None
    fields = [int.from_bytes(option.raw[at : at + 3]) for at in range(0, len(option.raw), 3)]
    return dict(zip(ORDERS[int(option.name[4:])], fields, strict=False))


@pytest.fixture
def counting(session: Session) -> Connection:
    """Opened by the peer, with Accurate ECN and its option."""
    listener = session.listen()
    ask(session, ALWAYS_OPTION)
    peer = session.new_peer(listener.port)
    peer.send(SYN | AE | CWR | ECE, seq=0, options=PLAIN)
    answer = peer.expect(SYN | CWR, seq=0, ack=1)
    assert counted(answer) == FIRST_BYTES
    peer.send(ACK | CWR, seq=1, ack=1, options=BYTES_OF_NOTHING)
    return Connection(listener.accept(), peer)


@requirement("RFC9768-3.2.3-1", "RFC9768-3.2.1-1")
@pytest.mark.parametrize(
    ("codepoint", "count"),
    [(ECT_1, FIRST_COUNT), (ECT_0, FIRST_COUNT), (CE, SECOND_COUNT)],
    ids=["ECT1", "ECT0", "CE"],
)
def test_bytes_are_counted_by_how_they_were_marked(counting: Connection, codepoint: int, count: Flags) -> None:
    _, peer = counting
    data = peer.make(ACK | FIRST_COUNT, seq=1, ack=1, data=b"data", options=BYTES_OF_NOTHING)
    peer.send_as(Envelope(traffic_class=codepoint), data)
    answer = peer.expect(ACK | count, seq=1, ack=5)
    seen = counted(answer)
    assert seen[codepoint] == FIRST_BYTES[codepoint] + len(b"data")
    assert seen.items() <= (FIRST_BYTES | {codepoint: seen[codepoint]}).items()


@requirement("RFC9768-3.2.3.2-1")
@waits(RTO_INIT, 2 * RTO_INIT)
def test_syn_and_ack_that_comes_again_does_without_the_option_and_then_without_the_flags(session: Session) -> None:
    listener = session.listen()
    ask(session, ALWAYS_OPTION)
    peer = session.new_peer(listener.port)
    peer.send(SYN | AE | CWR | ECE, seq=0, options=PLAIN)
    counted(peer.expect(SYN | CWR, seq=0, ack=1))
    peer.expect(SYN | CWR, seq=0, ack=1, after=RTO_INIT, without="opt 172,opt 174")
    peer.expect(SYN, seq=0, ack=1, after=2 * RTO_INIT, without="opt 172,opt 174")


@requirement("RFC9768-5.3-1")
def test_duplicate_is_reported_where_both_have_sack(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN | AE | CWR | ECE, seq=0, options=f"{PLAIN},nop,nop,sackOK")
    peer.expect(SYN | CWR, seq=0, ack=1, options="sackOK")
    peer.send(ACK | CWR, seq=1, ack=1)
    listener.accept()
    peer.send(ACK | FIRST_COUNT, seq=1, ack=1, data=b"data")
    peer.expect(ACK | FIRST_COUNT, seq=1, ack=5, without="sack")
    peer.send(ACK | FIRST_COUNT, seq=1, ack=1, data=b"data")
    peer.expect(ACK | FIRST_COUNT, seq=1, ack=5, options="sack 1:5")
