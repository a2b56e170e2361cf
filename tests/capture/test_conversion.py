"""A captured connection as programs: the other side's segments, calls that are inferred, answers that are expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.capture.arrivals import orders
from harness.capture.conversation import Conversation, Conversations, Sighting
from harness.capture.reading import read
from harness.capture.trying import Hypothesis, hypotheses
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, FIN, PSH, RST, SYN
from tests.capture.captures import HANDSHAKE, INCIDENT, Told, segment, written


def taken(tmp_path: Path, told: list[Told], *, write: bool = True) -> tuple[Conversation, list[Sighting]]:
    path = tmp_path / "x.pcap"
    found = list(Conversations().sort(read(written(path, told) if write else path)))
    return found[0][0], [sighting for _, sighting in found]


def made(tmp_path: Path, told: list[Told], near: int) -> Hypothesis:
    """What is tried first."""
    return hypotheses(*taken(tmp_path, told), near)[0]


def statements(found: Hypothesis) -> list[str]:
    """The lines of its scenario, without comments."""
    lines = found.text("x").partition("def ")[2].splitlines()[1:]
    return [line.strip() for line in lines if "#" not in line]


def test_the_fin_that_was_left_out_may_have_been_overtaken_or_lost(tmp_path: Path) -> None:
    _, sightings = taken(tmp_path, INCIDENT)
    found = {one.words: [sighting.frame for sighting in one.sightings] for one in orders(sightings, near=1)}
    assert found == {
        "in the order of the capture": [1, 2, 3, 5, 4, 6, 7, 8, 9],  # frame 5 was sent without knowing of 4
        "frame 6 overtakes frame 4": [1, 2, 3, 5, 6, 4, 7, 8, 9],
        "frame 4 is lost": [1, 2, 3, 5, 6, 7, 8, 9],
    }


def test_the_order_seen_at_the_near_side_is_the_order(tmp_path: Path) -> None:
    _, sightings = taken(tmp_path, INCIDENT[:6])
    assert [one.words for one in orders(sightings, near=0)] == ["in the order of the capture"]


def test_every_ending_is_tried_in_every_order(tmp_path: Path) -> None:
    found = hypotheses(*taken(tmp_path, INCIDENT), near=1)
    assert len({one.name for one in found}) == len(found) == 3 * 8
    calls = {one.ending: [line for line in statements(one) if "server." in line] for one in found}
    assert calls["close()"] == ["server.close()"]
    assert calls["close() last by a child process"] == ["server.close_by_child()"]
    assert calls["shutdown(SHUT_WR), then close()"] == ["server.shutdown(socket.SHUT_WR)", "server.close()"]


def test_a_server_answers_and_its_peer_sends_what_it_sent(tmp_path: Path) -> None:
    def stamp(text: str) -> dict[str, Any]:
        return {"options": parse_options(text)}

    stamped: list[Told] = [
        (0, 0, segment(SYN, **stamp("mss 1400,nop,nop,TS val 7 ecr 0"))),
        (1, 1, segment(SYN, ack=1, **stamp("mss 1460,nop,nop,TS val 9 ecr 7"))),
        (2, 0, segment(ACK, 1, 1, **stamp("nop,nop,TS val 8 ecr 9"))),
        (3, 0, segment(PSH | ACK, 1, 1, b"GET", **stamp("nop,nop,TS val 9 ecr 9"))),
        (4, 1, segment(ACK, 1, 4, bytes(1400 - 12), **stamp("nop,nop,TS val 9 ecr 9"))),
        (4, 1, segment(FIN | ACK, 1389, 4, b"end", **stamp("nop,nop,TS val 9 ecr 9"))),
    ]
    assert statements(made(tmp_path, stamped, 1)) == [
        "listener = session.listen()",
        "peer = session.new_peer(isn=1000)",
        'peer.send(SYN, seq=0, window=65535, options="mss 1400,nop,nop,TS val 7 ecr 0")',
        "peer.expect(SYN, seq=0, ack=1)",
        'peer.send(ACK, seq=1, ack=1, window=65535, options=f"nop,nop,TS val 8 ecr {peer.echo}")',
        "server = listener.accept()",
        "peer.allow(ACK, ack=Between(low=1, high=4), length=0)",
        'peer.send(PSH, seq=1, ack=1, window=65535, options=f"nop,nop,TS val 9 ecr {peer.echo}", data=b"...")',
        "server.receive(3)",
        'server.send(b"." * 1391, MsgFlag(32768))',
        "peer.expect(ACK, seq=1, ack=4, length=1388)",
        "server.close()",
        "peer.expect(FIN, seq=1389, ack=4, length=3)",
    ]


def test_a_client_opens_and_what_its_syn_lacks_is_switched_off(tmp_path: Path) -> None:
    found = made(tmp_path, HANDSHAKE, 0)
    assert statements(found) == [
        'session.sysctl("net/ipv4/tcp_timestamps", 0)',
        'session.sysctl("net/ipv4/tcp_sack", 0)',
        'session.sysctl("net/ipv4/tcp_window_scaling", 0)',
        "client = session.socket()",
        "peer = session.new_peer(client.port, isn=4294967295)",
        "client.connect(peer, wait=False)",
        "peer.expect(SYN, seq=0)",
        'peer.send(SYN, seq=0, ack=1, window=65535, options="")',
        "peer.expect(ACK, seq=1, ack=1)",
        "client.wait_connected()",
    ]
    assert any("tcp_sack is 0" in line for line in found.made.said)


def test_a_missing_handshake_is_assumed_and_said(tmp_path: Path) -> None:
    found = made(tmp_path, INCIDENT[3:], 1)
    assert 'peer.send(SYN, seq=0, options="mss 1460,sackOK,nop,nop,nop,wscale 7")' in statements(found)
    assert found.made.said == (
        "the handshake is not in the capture: the options mss 1460,sackOK,nop,nop,nop,wscale 7 are assumed",
    )


def test_a_frame_for_several_segments_is_several(tmp_path: Path) -> None:
    large: list[Told] = [
        *HANDSHAKE,
        (3, 0, segment(PSH | ACK, 1, 1, bytes(3000))),
        (4, 1, segment(ACK, 1, 3001, bytes(2000))),
    ]
    found = statements(made(tmp_path, large, 1))
    assert [line for line in found if "data=" in line or "length=1" in line or "length=5" in line] == [
        'peer.send(ACK, seq=1, ack=1, window=65535, options="", data=b"." * 1460)',
        'peer.send(ACK, seq=1461, ack=1, window=65535, options="", data=b"." * 1460)',
        'peer.send(PSH, seq=2921, ack=1, window=65535, options="", data=b"." * 80)',
        "peer.expect(ACK, seq=1, ack=3001, length=1460)",
        "peer.expect(ACK, seq=1461, ack=3001, length=540)",
    ]


def test_a_reset_may_have_four_causes(tmp_path: Path) -> None:
    found = hypotheses(*taken(tmp_path, [*HANDSHAKE, (5, 1, segment(RST | ACK, 1, 1))]), near=1)
    assert len(found) == 4
    assert statements(found[0])[-3:-1] == ["server.linger(0)", "server.close()"]


def test_a_timer_beyond_what_is_waited_for_ends_the_program(tmp_path: Path) -> None:
    data = segment(ACK, 1, 1, b"data")
    told: list[Told] = [
        *HANDSHAKE,
        (3, 1, data),
        (203, 1, data),
        (603, 1, data),
        (9603, 1, data),
        (9604, 0, segment(ACK, 1, 5)),
    ]
    found = made(tmp_path, told, 1)
    assert [line for line in statements(found) if "peer.expect(ACK" in line] == [
        "peer.expect(ACK, seq=1, ack=1, length=4)",
        "peer.expect(ACK, seq=1, ack=1, length=4, within=2.4)",
        "peer.expect(ACK, seq=1, ack=1, length=4, within=2.8)",
    ]
    assert "the last 2 frames, from 7 on, are left out" in "; ".join(found.made.said)
    assert found.made.program.settings == {"hold_timers": False}


def test_a_port_that_only_resets_has_no_listener(tmp_path: Path) -> None:
    found = made(tmp_path, [HANDSHAKE[0], (1, 1, segment(RST | ACK, 1, 1))], 1)  # 0 on the wire
    assert statements(found) == [
        "peer = session.new_peer(isn=1000)",
        'peer.send(SYN, seq=0, window=65535, options="")',
        "peer.expect(RST, seq=0, ack=1)",
    ]


def test_a_damaged_segment_is_sent_damaged_and_does_not_count(tmp_path: Path) -> None:
    damaged, whole = segment(PSH | ACK, 1, 1, b"GET", checksum=1), segment(PSH | ACK, 1, 1, b"GET")
    found = statements(made(tmp_path, [*HANDSHAKE, (3, 0, damaged), (203, 0, whole), (204, 1, segment(FIN, 1, 4))], 1))
    assert found.count("server.receive(3)") == 1
    assert [line.partition("options=")[2] for line in found if "peer.send(PSH" in line] == [
        '"", data=b"...", checksum=-1)',
        '"", data=b"...")',
    ]


def test_short_segments_in_a_row_were_not_held_back(tmp_path: Path) -> None:
    row: list[Told] = [(3, 1, segment(PSH | ACK, 1, 1, b"one")), (4, 1, segment(PSH | ACK, 4, 1, b"two"))]
    assert 'server.set_option("TCP_NODELAY", 1)' in statements(made(tmp_path, [*HANDSHAKE, *row], 1))
    one_by_one = [row[0], (3.5, 0, segment(ACK, 1, 4)), row[1]]
    assert "NODELAY" not in "".join(statements(made(tmp_path, [*HANDSHAKE, *one_by_one], 1)))


def test_a_connection_is_accepted_with_the_ack_that_opens_it(tmp_path: Path) -> None:
    ahead: list[Told] = [*HANDSHAKE[:2], (2, 0, segment(FIN, 0, 1)), (3, 0, segment(ACK, 1, 1))]
    found = statements(made(tmp_path, ahead, 1))
    assert found.index("listener.accept()") == len(found) - 1


def test_an_acknowledgment_of_what_nobody_can_have_sent_is_not_filled_up(tmp_path: Path) -> None:
    told: list[Told] = [*HANDSHAKE, (3, 1, segment(ACK, 1, 2**31 - 5)), (4, 0, segment(PSH | ACK, 1, 1, b"GET"))]
    assert sum("peer.send(" in line for line in statements(made(tmp_path, told, 1))) == 3


def test_what_the_capture_lost_is_sent_before_it_is_acknowledged(tmp_path: Path) -> None:
    told: list[Told] = [*HANDSHAKE, (3, 0, segment(ACK, 101, 1, b"b")), (4, 1, segment(PSH | ACK, 1, 102, b"yes"))]
    found = made(tmp_path, [*told, (5, 1, segment(ACK, 4, 103)), (6, 1, segment(FIN, 4, 103))], 1)
    lines = statements(found)
    filled, read = lines.index('peer.send(ACK, seq=1, ack=1, data=b"." * 100)'), lines.index("server.receive(101)")
    assert filled < read < lines.index('server.send(b"...")')
    assert sum("peer.send(" in line and "seq=102" in line for line in lines) == 0  # that was its FIN
    assert "octets from 1 on are not in the capture, and are sent: they are acknowledged" in found.made.said


def full(seq: int, at: float, ack: int = 1) -> Told:
    return at, 1, segment(PSH | ACK, seq, ack, bytes(1460))


def test_data_that_an_ack_has_sent_at_once_had_waited_for_it(tmp_path: Path) -> None:
    handshake = [*HANDSHAKE[:2], (2, 0, segment(ACK, 1, 1, window=1460))]
    ack = (10.0, 0, segment(ACK, 1, 1461, window=1460))
    waited = statements(made(tmp_path, [*handshake, full(1, 3), ack, full(1461, 10.1)], 1))
    assert [line for line in waited if "server.send" in line] == ['server.send(b"." * 2920)']
    # a moment later, or where a timer sends the last again although others would wait, or where there was room
    again = [full(1, 3), full(1, 300), (310.0, *ack[1:]), full(1461, 310.1)]
    for opened, between in (
        (handshake, [full(1, 3), ack, full(1461, 30)]),
        (handshake, again),
        (HANDSHAKE, [full(1, 3), ack, full(1461, 10.1)]),
    ):
        later = statements(made(tmp_path, [*opened, *between], 1))
        assert [line for line in later if "server.send" in line] == ['server.send(b"." * 1460)'] * 2


def test_a_timer_that_sends_the_first_of_a_flight_again_means_that_there_are_no_probes(tmp_path: Path) -> None:
    flight = [*HANDSHAKE, full(1, 3), full(1461, 3.1)]
    off = 'session.sysctl("net/ipv4/tcp_early_retrans", 0)'
    assert off in statements(made(tmp_path, [*flight, full(1, 300)], 1))
    assert off not in statements(made(tmp_path, [*flight, full(1461, 60), full(1, 300)], 1))


def test_a_reset_behind_a_fin_may_be_called_for(tmp_path: Path) -> None:
    ended: list[Told] = [*HANDSHAKE, (3, 1, segment(FIN, 1, 1)), (4, 0, segment(ACK, 1, 2))]
    assert not any("later" in one.ending for one in hypotheses(*taken(tmp_path, ended), 1))
    for reset, answers in ((segment(RST, 2, 1), False), (segment(RST, 2), True)):
        told: list[Told] = [*ended, (5, 0, segment(PSH | ACK, 1, 2, b"end")), (6, 1, reset)]
        found = {one.ending: statements(one) for one in hypotheses(*taken(tmp_path, told), 1)}
        lines = found["shutdown(SHUT_WR), later connect() to AF_UNSPEC"]
        place = lines.index("server.disconnect()")
        assert lines.index("server.shutdown(socket.SHUT_WR)") < place
        # what answers a segment was called for before that came
        assert ("peer.send(PSH" in lines[place + answers]) == answers
        assert ("peer.send(PSH" in lines[place - 1]) != answers


def test_what_is_sent_again_at_once_is_not_waited_for_as_if_a_timer_did_it(tmp_path: Path) -> None:
    for after, waits in ((0.04, False), (300, True)):
        lines = statements(made(tmp_path, [*HANDSHAKE, full(1, 3), full(1, 3 + after)], 1))
        again = [line for line in lines if "peer.expect(" in line and "length=1460" in line][1]
        assert ("within=" in again) == waits
