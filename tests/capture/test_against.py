"""Two captures of one connection: what one end sent and the other did not see, or saw late, or altered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.capture.against import compared, rebased
from harness.capture.conversation import Conversation, Sighting
from harness.capture.differing import differences
from harness.capture.story import Story
from harness.cli.main import main
from harness.tcp.options import parse_options
from harness.tcp.relative import FirstNumbers
from harness.tcp.segment import ACK, FIN, RST, SYN, Segment
from tests.capture.captures import INCIDENT, Told, packet, pcap, segment, written
from tests.capture.test_conversion import taken

WAY = 2.0
SENT = [0.0, 20.0, 30.0, 40.0, 50.0, 60.0]
CLIENT: list[tuple[float, Segment]] = [(0.0, segment(SYN)), (5.0, segment(ACK, 1, 1))] + [
    (at, segment(ACK, 1 + 100 * n, 1, bytes(100))) for n, at in enumerate(SENT[1:])
]
SERVER: list[tuple[float, Segment]] = [(3.0, segment(SYN, ack=1)), (70.0, segment(ACK, 1, 501))]


def ends(
    ahead: float = 0, *, delays: dict[int, float] | None = None, lost: tuple[int, ...] = ()
) -> tuple[list[Told], list[Told]]:
    """What both ends see of it, the second by a clock that is so many ms ahead; delays by the client's segments."""
    more = delays or {}
    here: list[Told] = [(at, 0, one) for at, one in CLIENT] + [(at + WAY, 1, one) for at, one in SERVER]
    there: list[Told] = [(at, 1, one) for at, one in SERVER]
    there += [(at + WAY + more.get(n, 0), 0, one) for n, (at, one) in enumerate(CLIENT) if n not in lost]
    return sorted(here, key=lambda one: one[0]), [
        (at + ahead, side, one) for at, side, one in sorted(there, key=lambda one: one[0])
    ]


def text(tmp_path: Path, first: list[Told], second: list[Told]) -> list[str]:
    conversation, sightings = taken(tmp_path, first)
    other, others = taken(tmp_path, second)
    story = Story(conversation)
    for one in sightings:
        story.tell(one)
    found = compared(sightings, rebased(others, other, conversation), 1460)
    return [] if found is None else list(differences(found, story))


@pytest.mark.parametrize("ahead", [0, 5000, -250])
def test_clocks_may_differ_and_the_way_is_told(tmp_path: Path, ahead: int) -> None:
    here, there = ends(1000 + ahead)
    found = text(tmp_path, [(at + 1000, *rest) for at, *rest in here], there)  # type: ignore[misc]
    assert f"nearer to the server; B's clock is {abs(ahead)} ms {'behind' if ahead < 0 else 'ahead'}" in found[0]
    assert "the way takes 2 ms at least" in found[0]
    assert found[1:] == [
        f"of {count} segments of the {who}, all came in order and in time"
        for count, who in ((7, "client"), (2, "server"))
    ]


def test_the_captures_may_be_named_in_either_order(tmp_path: Path) -> None:
    here, there = ends(100, lost=(3,))
    for first, second, sender in ((here, there, "A"), (there, here, "B")):
        found = text(tmp_path, first, second)
        assert "of 7 segments of the client, 1 never came" in found
        assert (
            found[2].strip()
            == f"frame 5 of {sender}: 101:201 of the client never came: {'AB'[sender == 'A']} has it not"
        )


def test_what_came_late_or_behind_another_is_told(tmp_path: Path) -> None:
    found = "\n".join(text(tmp_path, *ends(delays={3: 13.0})))
    assert "of 7 segments of the client, 1 came late, 1 were overtaken" in found
    assert "frame 5 of A, frame 6 of B: 101:201 of the client was overtaken by frame 6 of A" in found
    assert "101:201 of the client came 13 ms later than the fastest" in found


def test_what_is_sent_again_is_not_taken_for_its_lost_first_copy(tmp_path: Path) -> None:
    here = [*INCIDENT[:3], (10.0, 0, INCIDENT[3][2]), (213.0, 0, INCIDENT[3][2]), (220.0, 1, segment(ACK, 1, 2))]
    there = [*INCIDENT[:3], *here[4:]]
    found = text(tmp_path, here, there)
    assert found[1:3] == [
        "of 4 segments of the client, 1 never came",
        "    frame 4 of A: the FIN of the client never came: B has it not",
    ]


def test_what_was_altered_or_made_on_the_way_is_told(tmp_path: Path) -> None:
    mss = [segment(SYN, options=parse_options(f"mss {size}")) for size in (1460, 1380)]
    rest: list[Told] = [*INCIDENT[1:3]]
    injected: list[Told] = [(11.0, 0, segment(FIN, 1, 1)), (12.0, 0, segment(ACK, 9, 9))]
    found = text(tmp_path, [(0, 0, mss[0]), *rest, injected[1]], [(0, 0, mss[1]), *rest, *injected])
    assert (
        "    frame 1 of A, frame 1 of B: the SYN of the client was altered on the way: mss 1460 became mss 1380"
        in found
    )
    assert "the FIN, as of the client, is not in A: it was made on the way, or A missed it" in "\n".join(found)


def test_a_capture_that_begins_later_misses_nothing(tmp_path: Path) -> None:
    here, there = ends()
    found = text(tmp_path, here, there[4:])
    assert found[1] == "4 segments of A are from a time that B does not cover"
    assert "never came" not in "".join(found)


def test_a_reset_of_no_connection_keeps_its_zero_where_numbers_count_from_elsewhere() -> None:
    names = ((b"\xc0\0\2\1", 40000), (b"\xc0\0\2\2", 80))
    later, whole = (Conversation(1, names, first=(FirstNumbers(7), FirstNumbers(isn))) for isn in (100, 90))
    answers = [segment(RST, 0, 5), segment(ACK, 1, 5, options=parse_options("sack 6:7"))]
    found = rebased([Sighting(n, n, 1, one) for n, one in enumerate(answers)], later, whole)
    assert [(one.segment.seq, one.segment.ack) for one in found] == [(0, 5), (11, 5)]


def test_captures_without_a_common_segment(tmp_path: Path) -> None:
    assert text(tmp_path, INCIDENT[:1], [(0, 1, segment(ACK, 5, 5))]) == []


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(range(len(INCIDENT))), min_size=1),
    st.lists(st.sampled_from(range(len(INCIDENT))), min_size=1),
)
def test_any_two_captures_can_be_compared(
    tmp_path_factory: pytest.TempPathFactory, one: list[int], other: list[int]
) -> None:
    path = tmp_path_factory.getbasetemp()
    assert len(text(path, [INCIDENT[n] for n in one], [INCIDENT[n] for n in other])) != 1


def test_the_command_finds_the_connection_behind_other_addresses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "a.pcap", INCIDENT)
    (tmp_path / "b.pcap").write_bytes(
        pcap([(at, packet(side, one).replace(b"\xc0\0\2\1", b"\x0a\0\0\7")) for at, side, one in INCIDENT], link=101)
    )
    assert main(["import", str(path), "--against", str(tmp_path / "b.pcap")]) == 0
    assert "of 5 segments of the client, all came in order and in time" in capsys.readouterr().out
    written(tmp_path / "c.pcap", [(0, 0, segment(SYN, 77))])
    assert main(["import", str(path), "--against", str(tmp_path / "c.pcap")]) == 0
    assert "no segment of the connection is in c.pcap too" in capsys.readouterr().out


def test_a_file_without_the_connection_is_another_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "a.pcap", INCIDENT)
    other = packet(0, segment(ACK, 5, 5)).replace(b"\xc0\0\2\1", b"\x0a\0\0\7")
    (tmp_path / "b.pcap").write_bytes(pcap([(0, other)], link=101))
    assert main(["import", str(path), "--against", str(tmp_path / "b.pcap")]) == 2
    assert "b.pcap has 0 connections that can be 192.0.2.1:40000 192.0.2.2:80" in capsys.readouterr().err


def test_a_second_try_that_was_lost_is_told_from_the_first_by_its_timestamp(tmp_path: Path) -> None:
    def stamped(value: int) -> Segment:
        return segment(ACK, 1, 1, b"a" * 100, options=parse_options(f"nop,nop,TS val {value} ecr 1"))

    here, there = ends()
    here = [one for one in here if one[2].seq != 1 or not one[2].data]
    there = [one for one in there if one[2].seq != 1 or not one[2].data]
    first, second = (21.0, 0, stamped(7)), (22.0, 0, stamped(8))
    found = text(tmp_path, sorted([*here, first, second], key=lambda one: one[0]), [*there, (90.0, 0, stamped(7))])
    assert [line.strip() for line in found if "never came: B" in line] == [
        "frame 5 of A: 1:101 of the client never came: B has it not"
    ]
