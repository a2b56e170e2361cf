"""Options that nobody knows, and lists of options that are not well made (RFC 9293 3.1 and 3.2).

What is malformed may be passed over, dropped with its segment, or answered by a reset: MUST-7 asks for being prepared,
and suggests the reset. Whatever comes, the next connection must work.
"""

from __future__ import annotations

import pytest

from harness import ACK, ANY, FIN, RST, SYN, WRONG_CHECKSUM, Connection, Endpoint, Session, both_families, requirement

UNKNOWN = "opt 253 abcd,nop,nop"
MSS_600 = bytes((2, 4, 2, 88))
SCALE = bytes((3, 3, 7))
NOP, END = b"\1", b"\0"

malformed = pytest.mark.parametrize(
    "raw",
    [
        pytest.param(bytes((253, 0, 0, 0)), id="length-0"),
        pytest.param(bytes((253, 1, 0, 0)), id="length-1"),
        pytest.param(bytes((253, 40, 0, 0)), id="beyond-the-header"),
        pytest.param(NOP * 3 + bytes((253,)), id="cut-off-at-its-length"),
        pytest.param(bytes((2, 3, 5, 1)), id="mss-of-1-byte"),
        pytest.param(bytes((2, 0, 5, 180)), id="mss-of-length-0"),
        pytest.param(bytes((8, 4, 0, 0)), id="timestamps-of-2-bytes"),
        pytest.param(bytes((5, 7, 1, 2, 3, 4, 5, 1)), id="sack-of-5-bytes"),
        pytest.param(bytes((3, 3, 7, 253, 255, 1, 1, 1)), id="length-255-behind-a-good-one"),
    ],
)


@requirement("RFC9293-MUST-6", "RFC9293-MUST-68")
@both_families
@pytest.mark.parametrize("options", [UNKNOWN, "opt 253,nop,nop", "opt 254 " + 38 * "aa"])
def test_unknown_option_of_a_syn_is_passed_over(session: Session, listener: Endpoint, options: str) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=options)
    peer.expect(SYN, seq=0, ack=1, without="opt 253,opt 254")
    peer.send(ACK, seq=1, ack=1)
    listener.accept()


@requirement("RFC9293-MUST-5", "RFC9293-MUST-6")
@both_families
@pytest.mark.parametrize("timestamps", [False], ids=["noTS"])
def test_options_are_taken_in_every_kind_of_segment(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=f"mss 1460,{UNKNOWN}")
    peer.expect(SYN, seq=0, ack=1)
    peer.send(ACK, seq=1, ack=1, options=UNKNOWN)
    server = listener.accept()
    peer.send(ACK, seq=1, ack=1, data=b"data", options=UNKNOWN)
    peer.expect(ACK, seq=1, ack=5)
    assert server.receive() == b"data"
    peer.send(FIN, seq=5, ack=1, options=UNKNOWN)
    peer.expect(ACK, seq=1, ack=6)
    peer.send(RST, seq=6, options=UNKNOWN)
    peer.send(ACK, seq=6, ack=1)
    peer.expect(RST, seq=1)


@requirement("RFC9293-MUST-7")
@both_families
@malformed
def test_malformed_options_of_a_syn_are_survived(session: Session, listener: Endpoint, raw: bytes) -> None:
    peer = session.new_peer(listener.port)
    peer.allow(SYN, seq=0, ack=1)
    peer.allow(RST, seq=0, ack=1)
    peer.send(SYN, seq=0, raw_options=raw)
    session.establish(listener)


@requirement("RFC9293-MUST-7")
@both_families
@malformed
@pytest.mark.parametrize("timestamps", [False], ids=["noTS"])
def test_malformed_options_of_data_are_survived(session: Session, listener: Endpoint, raw: bytes) -> None:
    _, peer = session.establish(listener)
    peer.allow(ACK, seq=1, ack=5)
    peer.allow(RST, seq=1, ack=ANY)
    peer.send(ACK, seq=1, ack=1, data=b"data", raw_options=raw)
    other, fresh = session.establish(listener)
    fresh.send(ACK, seq=1, ack=1, data=b"fine")
    fresh.expect(ACK, seq=1, ack=5)
    assert other.receive() == b"fine"


@requirement("RFC9293-MUST-64", "RFC9293-MUST-4")
@both_families
@pytest.mark.parametrize("before", [1, 2, 3, 35], ids=lambda count: f"{count}-NOP")
def test_option_off_the_word_is_read(session: Session, listener: Endpoint, before: int) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, raw_options=before * NOP + MSS_600)
    peer.expect(SYN, seq=0, ack=1)
    expect_size_600(session, Connection(listener, peer))


def expect_size_600(session: Session, opening: Connection) -> None:
    """The kernel has read the MSS of 600."""
    listener, peer = opening
    peer.send(ACK, seq=1, ack=1)
    session.settle()
    listener.accept().send(bytes(600 + 1))
    peer.expect(ACK, seq=1, ack=1, length=600)
    peer.allow(ACK, seq=601, ack=1, length=1)
    peer.send(ACK, seq=1, ack=602)


@requirement("RFC9293-MUST-4")
@both_families
def test_list_of_nothing_but_padding_is_read(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, raw_options=40 * NOP)
    peer.expect(SYN, seq=0, ack=1, options="mss", without="TS,wscale,sackOK")


@requirement("RFC9293-MUST-4", "RFC9293-3.1")
@both_families
def test_nothing_is_read_behind_the_end_of_the_list(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, raw_options=MSS_600 + END + SCALE)
    peer.expect(SYN, seq=0, ack=1, options="mss", without="wscale")
    expect_size_600(session, Connection(listener, peer))


@requirement("RFC9293-MUST-3")
@both_families
def test_segment_with_a_wrong_checksum_is_dropped(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"wrong", checksum=WRONG_CHECKSUM)
    peer.send(ACK, seq=1, ack=1, data=b"right")
    peer.expect(ACK, seq=1, ack=6)
    assert server.receive() == b"right"


@requirement("RFC9293-3.1", "RFC9293-MUST-7")
@both_families
@pytest.mark.parametrize("words", [0, 4, 15], ids=lambda words: f"offset-{words}")
def test_header_that_cannot_be_as_long_as_it_says_is_dropped(established: Connection, words: int) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"wrong", options="", data_offset=words)
    peer.send(ACK, seq=1, ack=1, data=b"right")
    peer.expect(ACK, seq=1, ack=6)
    assert server.receive() == b"right"
