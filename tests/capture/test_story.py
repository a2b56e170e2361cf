"""What a capture tells of a connection, in words that name its frames."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.capture.conversation import Conversation, Conversations, Sighting
from harness.capture.near import near_side
from harness.capture.reading import read
from harness.capture.story import Story
from harness.capture.telling import lines
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, FIN, NONE, RST, SYN
from tests.capture.captures import (
    HANDSHAKE,
    INCIDENT,
    ROUND,
    SERVER,
    Told,
    ethernet,
    packet,
    pcap,
    segment,
    stories,
    story,
    text,
    written,
)


def sightings(tmp_path: Path, told: list[Told]) -> list[Sighting]:
    return [one for _, one in Conversations().sort(read(written(tmp_path / "x", told)))]


def test_the_incident_is_told(tmp_path: Path) -> None:
    found = text(tmp_path, INCIDENT)
    assert "opens in frames 1 and 2; 0 octets there, 0 back; the client ends in frame 4 (FIN); the server" in found
    assert "the server ends in frame 5 (FIN, which crosses the other's); 1 segment sent again" in found
    assert "frame 7: the server acknowledges 1 again, and not the FIN of frame 4: a challenge ACK" in found
    assert "or the FIN came later; RFC 9293 answers it by an ACK of 2 (RFC9293-3.10.7.4 eighth RFC9293-E-17)" in found
    assert "frame 8: the client sends the FIN of frame 4 again, 203 ms later: frame 7 had left it out" in found
    assert "it ends a silence of 200 ms, in which the client had waited for its timer" in found
    assert near_side(story(tmp_path, INCIDENT))[0] == 1


def test_octets_count_once_and_over_the_wrap(tmp_path: Path) -> None:
    again = (300.0, 1, segment(ACK, 1, 101, b"y" * 50))
    found = text(tmp_path, [*HANDSHAKE, *ROUND, again])
    assert "100 octets there, 50 back; no end in the capture; 1 segment sent again" in found
    assert "the server sends 1:51 of frame 5 again, 296 ms later: nothing had answered it" in found


def test_what_was_acknowledged_is_sent_again_needlessly(tmp_path: Path) -> None:
    found = text(tmp_path, [*HANDSHAKE, *ROUND, (300.0, 0, segment(ACK, 1, 1, b"x" * 100))])
    assert "frame 6: the client sends 1:101 of frame 4 again, 297 ms later: needlessly, for frame 5 had ack" in found


def test_what_changed_places_is_not_called_sent_again(tmp_path: Path) -> None:
    late = [(3.0, 0, segment(ACK, 101, 1, b"b" * 9)), (3.5, 0, segment(ACK, 1, 1, b"a" * 100))]
    found = text(tmp_path, [*HANDSHAKE, *late])
    assert "frame 5: the client sends 1:101 late: what it should stand before overtook it by 0.5 ms" in found
    assert "sent again" not in found


def test_a_hole_that_is_filled_later_was_a_loss(tmp_path: Path) -> None:
    lost = [(3.0, 0, segment(ACK, 101, 1, b"b" * 9)), (203.0, 0, segment(ACK, 1, 1, b"a" * 100))]
    found = text(tmp_path, [*HANDSHAKE, *lost])
    assert "frame 5: the client sends 1:101 200 ms after what follows it: its first copy is not in the capture" in found


def test_a_closed_window_and_its_probe_are_told(tmp_path: Path) -> None:
    shut = (5.0, 1, segment(ACK, 51, 101, window=0))
    probe = (400.0, 0, segment(ACK, 100, 51))
    found = text(tmp_path, [*HANDSHAKE, *ROUND, (4.5, 0, segment(ACK, 101, 51)), shut, probe])
    assert "frame 7: the server closes its window" in found
    assert "frame 8: the client sends an ACK as a probe of the closed window" in found


def test_a_reset_with_another_number_is_told(tmp_path: Path) -> None:
    found = text(tmp_path, [*HANDSHAKE, *ROUND, (5.0, 0, segment(RST, 7))])
    assert "the client resets it in frame 6" in found
    assert "the RST has the number 7 and not 101, the next that the server expects" in found


def test_a_fin_numbered_as_the_syn_is_told(tmp_path: Path) -> None:
    found = text(tmp_path, [HANDSHAKE[0], (290.0, 0, segment(FIN, 0)), (300.0, 1, segment(SYN, ack=1))])
    assert "the client numbers its FIN as its SYN: it ends in SYN-SENT" in found


def test_a_connection_without_its_opening_is_told(tmp_path: Path) -> None:
    found = text(tmp_path, INCIDENT[3:])
    assert "it was open before the capture begins" in found
    assert "192.0.2.2:80 acknowledges 1 again, and not the FIN of frame 1" in found


def test_one_direction_alone_is_told(tmp_path: Path) -> None:
    found = text(tmp_path, [one for one in [*HANDSHAKE, *ROUND] if one[1] == 0])
    assert "only one direction is in the capture" in found


def test_frames_that_two_interfaces_captured_count_once(tmp_path: Path) -> None:
    frames = [(at, ethernet(packet(side, one, identification=n))) for n, (at, side, one) in enumerate(INCIDENT, 1)]
    doubled = [(at + late, data) for at, data in frames for late in (0, 0.1)]
    (tmp_path / "x").write_bytes(pcap(doubled))
    (found,) = stories(tmp_path / "x")
    assert found.conversation.twice == len(INCIDENT)
    assert found.sides[0].again == 1


def test_frames_of_one_side_alone_may_be_there_twice(tmp_path: Path) -> None:
    frames = [
        (at, side, ethernet(packet(side, one, identification=n))) for n, (at, side, one) in enumerate(INCIDENT, 1)
    ]
    doubled = [(at + late, data) for at, side, data in frames for late in (0, 0.1)[: 1 + side]]
    (tmp_path / "x").write_bytes(pcap(doubled))
    (found,) = stories(tmp_path / "x")
    assert found.conversation.twice == sum(side for _, side, _ in INCIDENT)
    assert found.sides[1].again == 0


def test_what_comes_again_behind_its_answer_is_no_copy(tmp_path: Path) -> None:
    syn, answer = (ethernet(packet(side, one)) for _, side, one in HANDSHAKE[:2])
    (tmp_path / "x").write_bytes(pcap([(0, syn), (0.1, answer), (0.2, syn), (0.3, answer)]))
    (found,) = stories(tmp_path / "x")
    assert found.conversation.twice == 0
    assert found.sides[0].again == found.sides[1].again == 1


def test_ports_that_are_used_again_are_another_connection(tmp_path: Path) -> None:
    closed: list[Told] = [*INCIDENT, (300.0, 0, segment(SYN, 5000)), (301.0, 1, segment(SYN, ack=5001))]
    found = stories(written(tmp_path / "x", closed))
    assert [one.conversation.number for one in found] == [1, 2]
    assert found[1].opening == [10, 11]
    assert found[1].conversation.ends[1][1] == SERVER[1]


OFFLOADED = [(at, side, msgspec.structs.replace(one, checksum=1 - side or None)) for at, side, one in HANDSHAKE]
"""As on the client's machine: its network card fills the checksums in."""


def test_a_card_that_cuts_names_its_machine(tmp_path: Path) -> None:
    large = (3.0, 0, segment(ACK, 1, 1, b"x" * 4000, checksum=1))
    found = story(tmp_path, [*OFFLOADED, large])
    assert "frame 4: 4000 octets in one frame, above the MSS of 1460: several segments, which the client's network" in (
        "\n".join(lines(found))
    )
    assert "the checksums of the client are wrong" in "\n".join(lines(found))
    assert near_side(found) == (
        0,
        "frames that are larger than a segment say that the capture was taken on its machine",
    )


def test_what_came_with_right_checksums_was_joined_where_it_came(tmp_path: Path) -> None:
    large = (30.0, 0, segment(ACK, 1, 1, b"x" * 4000, checksum=1))
    at_the_server = [HANDSHAKE[0], HANDSHAKE[1], (20.0, *HANDSHAKE[2][1:])]
    found = story(tmp_path, [*at_the_server, large])
    assert "several segments, which the server's machine had joined (GRO)" in "\n".join(lines(found))
    assert near_side(found)[0] == 1
    assert found.host == 1


def test_right_checksums_may_have_been_filled_in_since(tmp_path: Path) -> None:
    large = (30.0, 0, segment(ACK, 1, 1, bytes(4000)))
    at_the_client = [HANDSHAKE[0], (20.0, *HANDSHAKE[1][1:]), (21.0, *HANDSHAKE[2][1:])]
    assert story(tmp_path, [*at_the_client, large]).host == 0
    assert story(tmp_path, [*HANDSHAKE, large]).host is None


def test_where_no_checksum_is_whole_large_frames_do_not_tell_the_machine(tmp_path: Path) -> None:
    told = [*HANDSHAKE, (3.0, 0, segment(ACK, 1, 1, bytes(4000)))]
    cut = [msgspec.structs.replace(one, cut=1) for one in sightings(tmp_path, told)]
    found = Story(Conversation(1, ((b"1234", 1), (b"1234", 2))))
    for one in cut:
        found.tell(one)
    assert "which 49.50.51.52:1's network card was to cut (TSO), or which 49.50.51.52:2's" in "\n".join(lines(found))
    assert found.host is None


def test_both_sides_on_one_machine_say_nothing_of_where_it_was_taken(tmp_path: Path) -> None:
    both = [(at, side, msgspec.structs.replace(one, checksum=1)) for at, side, one in HANDSHAKE]
    found = story(tmp_path, [*both, (3.0, 0, segment(ACK, 1, 1, b"x" * 4000, checksum=1))])
    assert found.host is None
    assert near_side(found)[1].startswith("it was asked to open the connection")


def test_a_damaged_segment_is_no_work_left_to_a_card(tmp_path: Path) -> None:
    damaged = (3.0, 0, segment(ACK, 1, 1, b"x" * 4, checksum=1))
    found = story(tmp_path, [*HANDSHAKE, damaged])
    assert "the client sent 1 with a wrong checksum, so damaged" in "\n".join(lines(found))
    assert near_side(found)[0] == 1


def test_a_refusal_is_no_capture_of_one_direction(tmp_path: Path) -> None:
    found = story(tmp_path, [HANDSHAKE[0], (1.0, 1, segment(RST, 0, 1))])
    assert "only one direction" not in "\n".join(lines(found))
    assert near_side(found)[0] == 1


def test_the_side_of_which_there_is_something_is_the_near_one(tmp_path: Path) -> None:
    found = story(tmp_path, [HANDSHAKE[0], (1000.0, *HANDSHAKE[0][1:])])
    assert near_side(found) == (0, "the capture has nothing of the other")


def test_an_answer_to_a_syn_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "opens in frame 1, which answers a SYN that is not in the capture" in text(tmp_path, HANDSHAKE[1:])


def test_a_simultaneous_open_is_told(tmp_path: Path) -> None:
    found = story(
        tmp_path, [HANDSHAKE[0], (1, 1, segment(SYN)), (2, 0, segment(SYN, ack=1)), (3, 1, segment(SYN, ack=1))]
    )
    assert "opens in frames 1 and 2, whose SYNs cross: a simultaneous open (RFC 9293 3.5)" in "\n".join(lines(found))
    assert near_side(found) == (0, "both open at once, it first; --endpoint names the other")


def test_a_reset_behind_a_fin_that_is_on_its_way_is_no_stray_one(tmp_path: Path) -> None:
    reset: list[Told] = [(3, 1, segment(FIN, 1, 1)), (3.2, 1, segment(RST, 2, 1))]
    assert "frame 5: the RST has" not in text(tmp_path, [*HANDSHAKE, *reset])


def test_segments_without_ack_or_flags_are_taken(tmp_path: Path) -> None:
    assert story(tmp_path, [*HANDSHAKE, (3.0, 0, segment(NONE, 1)), (4.0, 1, segment(NONE, 1))]).counted is not None


def test_all_frames_of_a_sighting_are_in_relative_numbers(tmp_path: Path) -> None:
    found: list[Sighting] = [one for _, one in Conversations().sort(read(written(tmp_path / "x", INCIDENT)))]
    assert [(one.side, one.segment.seq, one.segment.ack) for one in found][3:7] == [
        (0, 1, 1),
        (1, 1, 1),
        (0, 2, 2),
        (1, 2, 1),
    ]


def test_what_the_capture_lost_is_told_by_its_acknowledgment(tmp_path: Path) -> None:
    lacking: list[Told] = [
        *HANDSHAKE,
        (3, 1, segment(ACK, 1, 101)),
        (4, 0, segment(ACK, 101, 1, b"b")),
        (5, 1, segment(ACK, 1, 102)),
    ]
    found = story(tmp_path, lacking)
    assert found.remarks[0].text == (
        "the server acknowledges 100 more than is there of the client: the capture has lost it, or has it later"
    )
    assert len(found.remarks) == 1


def test_a_fin_that_acknowledges_what_was_not_sent_is_not_asked_to_be_taken(tmp_path: Path) -> None:
    refused: list[Told] = [(3, 0, segment(FIN, 1, 50)), (4, 1, segment(ACK, 1, 1)), (5, 1, segment(ACK, 1, 1))]
    found = text(tmp_path, [*HANDSHAKE, *refused])
    assert "not the FIN of frame 4: a challenge ACK, or the FIN came later; RFC 9293 answers it by an ACK of 1" in found
    assert "RFC5961-5.2-3" in found


def test_a_frame_above_the_mss_of_its_receiver_is_offload_in_its_turn_too(tmp_path: Path) -> None:
    small: list[Told] = [
        (0, 0, segment(SYN, options=parse_options("mss 1460"))),
        (1, 1, segment(SYN, ack=1, options=parse_options("mss 536"))),
        HANDSHAKE[2],
        (3, 0, segment(ACK, 1, 1, bytes(600))),
    ]
    assert "frame 4: 600 octets in one frame, above the MSS of 536: several segments" in text(tmp_path, small)


def test_a_probe_of_an_open_window_keeps_alive(tmp_path: Path) -> None:
    probe = (400.0, 0, segment(ACK, 100, 51))
    found = text(tmp_path, [*HANDSHAKE, *ROUND, (4.5, 0, segment(ACK, 101, 51)), probe])
    assert "frame 7: the client sends an ACK as a keepalive probe" in found


def test_the_last_of_a_flight_that_is_sent_again_at_once_is_a_probe(tmp_path: Path) -> None:
    flight: list[Told] = [(3, 0, segment(ACK, 1, 1, bytes(100))), (3.1, 0, segment(ACK, 101, 1, bytes(100)))]
    soon = text(tmp_path, [*HANDSHAKE, *flight, (8, 0, flight[1][2])])
    assert "sends 101:201 of frame 5 again, 4.9 ms later: sooner than a timeout, so as a probe of a lost tail" in soon
    late = text(tmp_path, [*HANDSHAKE, *flight, (903, 0, flight[1][2])])
    assert "nothing had answered it, so it was lost, or its ACK" in late
    assert "if it came" not in late  # what stands before it may have come as well


def test_what_comes_again_sooner_than_any_timer_was_not_sent_again_by_one(tmp_path: Path) -> None:
    data = segment(ACK, 1, 1, bytes(100))
    found = text(tmp_path, [*HANDSHAKE, (3, 0, data), (3.04, 0, data), (300, 1, segment(ACK, 1, 101))])
    assert "sends 1:101 of frame 4 again, 0.0 ms later: too soon for any timer, so one of the two had waited" in found
