"""A SYN for a connection in TIME-WAIT: which ones open the next incarnation (RFC 6191 2, RFC 9293 3.6.1)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FIN,
    RST,
    SYN,
    Connection,
    Pattern,
    Segment,
    Session,
    both_families,
    in_shared_lab,
    reach,
    requirement,
)

pytestmark = in_shared_lab

HIGHER, LOWER = 1_000_000, -1_000_000  # than any number of the incarnation before
OLD_STAMP = 5_000  # the last that the old incarnation sent
FAR_AHEAD = 2**31  # from here on a timestamp is one of the past (RFC 7323 5.2)
STAMPED = f"mss 1460,sackOK,TS val {OLD_STAMP} ecr 0"
NEWER = f"mss 1460,sackOK,TS val {OLD_STAMP + 1} ecr 0"
OLDER = f"mss 1460,sackOK,TS val {OLD_STAMP - 1} ecr 0"
PLAIN = "mss 1460"


@pytest.fixture
def timestamps() -> bool:
    """The old incarnation has none, unless a scenario says otherwise."""
    return False


@pytest.fixture
def stamped_time_wait(session: Session) -> Connection:
    """TIME-WAIT of a connection with timestamps, whose last was ``OLD_STAMP``."""
    server, peer = session.establish(session.listen(), options="mss 1460,sackOK,TS val 1 ecr 0")
    server.close()
    peer.expect(FIN, seq=1, ack=1)
    last = f"nop,nop,TS val {OLD_STAMP} ecr {peer.echo}"
    peer.send(FIN, seq=1, ack=2, options=last)
    peer.expect(ACK, seq=2, ack=2)
    return Connection(server, peer)


@pytest.fixture
def plain_time_wait(session: Session) -> Connection:
    """TIME-WAIT of a connection without timestamps."""
    return reach(session, session.listen(), "TIME-WAIT", "orphaned")


def opens(connection: Connection, seq: int, options: str) -> bool:
    """Whether a SYN opens the next incarnation.

    RFC 6191 2 has the others dropped in silence; RFC 9293 3.10.7.4, which is newer, has them challenged.
    """
    _, peer = connection
    syn = peer.make(SYN, seq=seq, options=options)
    peer.send_together(syn)
    acknowledged = syn.next_seq
    reply = peer.expect_one_of(opened=Pattern(SYN, seq=0, ack=acknowledged), refused=Pattern(ACK, seq=2, ack=2))
    return reply.is_("opened")


def stamp_of(segment: Segment) -> int:
    """Its timestamp, less that of the first segment of these two ports."""
    option = segment.option("TS")
    assert option is not None
    return option.values[0]


@requirement("RFC6191-2-1", "RFC6191-2-7", "RFC9293-SHLD-4")
@both_families
@pytest.mark.parametrize("seq", [HIGHER, LOWER], ids=["higher", "lower"])
def test_newer_timestamp_opens(stamped_time_wait: Connection, seq: int) -> None:
    assert opens(stamped_time_wait, seq, NEWER)


@requirement("RFC6191-3-1")
@both_families
def test_own_timestamps_grow_from_one_incarnation_to_the_next(session: Session) -> None:
    client = session.socket()
    client_port = client.port
    peer = session.new_peer(client_port)
    client.connect(peer, wait=False)
    first = peer.expect(SYN, seq=0, options="TS")
    peer.send(RST, seq=0, ack=1)
    session.settle()
    client.close()
    peer.expect_silence()  # time for the clock to tick
    session.socket(client_port).connect(peer, wait=False)
    second = peer.expect(SYN, seq=0, options="TS")
    assert 0 < stamp_of(second) - stamp_of(first) < FAR_AHEAD


@requirement("RFC6191-2-2", "RFC6191-2-7")
@both_families
def test_equal_timestamp_opens_with_a_higher_number(stamped_time_wait: Connection) -> None:
    assert opens(stamped_time_wait, HIGHER, STAMPED)


@requirement("RFC6191-2-2", "RFC6191-2-4")
@both_families
def test_equal_timestamp_does_not_open_with_a_lower_number(stamped_time_wait: Connection) -> None:
    assert not opens(stamped_time_wait, LOWER, STAMPED)


@requirement("RFC6191-2-3", "RFC6191-2-7")
@both_families
def test_syn_without_timestamp_opens_with_a_higher_number(stamped_time_wait: Connection) -> None:
    assert opens(stamped_time_wait, HIGHER, PLAIN)


@requirement("RFC6191-2-3", "RFC6191-2-4")
@both_families
def test_syn_without_timestamp_does_not_open_with_a_lower_number(stamped_time_wait: Connection) -> None:
    assert not opens(stamped_time_wait, LOWER, PLAIN)


@requirement("RFC6191-2-4")
@both_families
@pytest.mark.parametrize("seq", [HIGHER, LOWER], ids=["higher", "lower"])
def test_older_timestamp_does_not_open(stamped_time_wait: Connection, seq: int) -> None:
    assert not opens(stamped_time_wait, seq, OLDER)


@requirement("RFC6191-2-5", "RFC6191-2-7")
@both_families
@pytest.mark.parametrize("seq", [HIGHER, LOWER], ids=["higher", "lower"])
def test_timestamp_opens_where_the_old_connection_had_none(plain_time_wait: Connection, seq: int) -> None:
    assert opens(plain_time_wait, seq, STAMPED)


@requirement("RFC6191-2-6", "RFC9293-MAY-2")
@both_families
def test_higher_number_opens_without_timestamps(plain_time_wait: Connection) -> None:
    assert opens(plain_time_wait, HIGHER, PLAIN)


@requirement("RFC6191-2-6", "RFC9293-MAY-2")
@both_families
def test_lower_number_does_not_open_without_timestamps(plain_time_wait: Connection) -> None:
    assert not opens(plain_time_wait, LOWER, PLAIN)
