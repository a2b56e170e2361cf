"""What a capture has not of the far side: how it opened, its ACKs, and options that the snap length cut off."""

from __future__ import annotations

from pathlib import Path

from harness.capture.trying import Hypothesis, hypotheses
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, FIN, PSH, SYN
from harness.tcp.timing import DAY
from tests.capture.captures import HANDSHAKE, Told, ethernet, packet, pcap_cut, segment
from tests.capture.test_conversion import statements, taken

OFFERED = parse_options("mss 1460,sackOK,TS val 70 ecr 7,nop,wscale 7")
STAMP = parse_options("nop,nop,TS val 71 ecr 8")
ASSUMED = 'options="mss 1460,sackOK,TS val {} ecr 0,nop,wscale 7"'


def first(tmp_path: Path, told: list[Told], near: int) -> Hypothesis:
    return hypotheses(*taken(tmp_path, told), near, DAY)[0]


def test_a_syn_that_is_not_there_is_assumed_as_its_answer_has_it(tmp_path: Path) -> None:
    opened: list[Told] = [(1, 1, segment(SYN, ack=1, options=OFFERED)), HANDSHAKE[2], (3, 0, segment(FIN, 1, 1))]
    found = first(tmp_path, opened, 1)
    told = statements(found)
    assert f"peer.send(SYN, seq=0, window=65535, {ASSUMED.format(7)})" in told
    assert told.count("peer.expect(SYN, seq=0, ack=1)") == told.count("listener.accept()") == 1
    assert (
        "the capture lacks how the far side opens the connection, or acknowledges: that is assumed" in found.made.said
    )


def test_a_capture_of_the_server_alone_has_its_client_assumed(tmp_path: Path) -> None:
    alone: list[Told] = [
        (1, 1, segment(SYN, ack=1, options=OFFERED)),
        (3, 1, segment(ACK, 1, 4, options=STAMP)),
        (9, 1, segment(PSH | ACK, 1, 4, b"one", options=STAMP)),
        (99, 1, segment(FIN, 4, 4, options=STAMP)),
    ]
    told = statements(first(tmp_path, alone, 1))
    opens = told.index("server = listener.accept()")
    assert told[opens - 1].startswith("peer.send(ACK, seq=1, ack=1, window=65535")
    assert 'peer.send(ACK, seq=1, ack=1, data=b"...")' in told[opens:]  # which it acknowledges
    acknowledged = next(line for line in told[opens:] if "ack=4, window" in line and "send" in line)
    assert told.index(acknowledged) < told.index("peer.expect(FIN, seq=4, ack=4)")


def test_a_capture_of_the_client_alone_has_its_server_assumed(tmp_path: Path) -> None:
    alone: list[Told] = [
        (0, 0, segment(SYN, options=parse_options("mss 1460,sackOK,TS val 6 ecr 0,nop,wscale 7"))),
        (1, 0, segment(ACK, 1, 1, options=parse_options("nop,nop,TS val 6 ecr 70"))),
        (2, 0, segment(FIN, 1, 1)),
    ]
    told = statements(first(tmp_path, alone, 0))
    answer = next(line for line in told if "SYN, seq=0, ack=1, window" in line or "TS val 70" in line)
    assert told.index("peer.expect(SYN, seq=0)") < told.index(answer) < told.index("client.wait_connected()")
    # nobody has answered a SYN behind which nothing comes
    assert not [one for one in statements(first(tmp_path, alone[:1], 0)) if "peer.send" in one]


def test_options_that_were_cut_off_are_assumed_with_the_timestamps_of_what_follows(tmp_path: Path) -> None:
    syn = segment(SYN, options=parse_options("mss 1400,sackOK,TS val 5 ecr 0,nop,wscale 9"))
    told: list[Told] = [
        (0, 0, syn),
        (1, 1, segment(SYN, ack=1, options=OFFERED)),
        (2, 0, segment(ACK, 1, 1, options=parse_options("nop,nop,TS val 6 ecr 70"))),
        (3, 1, segment(ACK, 1, 1, options=STAMP)),
    ]
    (tmp_path / "x.pcap").write_bytes(pcap_cut([(at, ethernet(packet(side, one))) for at, side, one in told], 66))
    found = hypotheses(*taken(tmp_path, told, write=False), 1, DAY)[0]
    text = 'options="mss 1400,sackOK,TS val 6 ecr 0,nop,wscale 7"'
    assert f"peer.send(SYN, seq=0, window=65535, {text})" in statements(found)
    assert "the options of a SYN are cut off: a window scale of 7 and SACK are assumed" in found.made.said


def test_an_ack_of_a_fin_is_not_judged_where_what_is_sent_acknowledges_it(tmp_path: Path) -> None:
    asked: list[Told] = [*HANDSHAKE, (3, 0, segment(PSH | ACK, 1, 1, b"hi")), (3.1, 0, segment(FIN, 3, 1))]
    allowed = "peer.allow(ACK, ack=Between(low=1, high={}), length=0)"
    late: list[Told] = [*asked, (3.2, 1, segment(PSH | ACK, 1, 4, b"answer"))]
    assert allowed.format(4) in statements(first(tmp_path, late, 1))
    soon: list[Told] = [*asked, (3.2, 1, segment(ACK, 1, 4)), (3.3, 1, segment(PSH | ACK, 1, 4, b"answer"))]
    assert allowed.format(3) in statements(first(tmp_path, soon, 1))
