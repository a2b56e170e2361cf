"""Segments in fragments of IP are put together; of what is not whole it is said that nothing is known."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from pathlib import Path

from harness.capture.conversation import Conversations
from harness.capture.files import Reading
from harness.capture.reading import read
from harness.cli.import_capture import summary
from harness.tcp.ip import internet_checksum
from harness.tcp.segment import ACK, PSH
from tests.capture.captures import ethernet, packet, pcap, segment

DATA = bytes(range(200))
WHOLE = packet(0, segment(PSH | ACK, 1, 1, DATA), identification=7)
ADDRESSES = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
TCP, UDP = 6, 17


def v4(whole: bytes, *, size: int = 64) -> list[bytes]:
    """An IPv4 packet in fragments."""
    payload = whole[20:]
    found = []
    for begin in range(0, len(payload), size):
        part = payload[begin : begin + size]
        more = 0x2000 * (begin + size < len(payload))
        head = bytearray(whole[:20])
        struct.pack_into("!H", head, 2, 20 + len(part))
        struct.pack_into("!H", head, 6, more | begin // 8)
        found.append(ethernet(bytes(head) + part))
    return found


def v6(kind: int = TCP) -> list[bytes]:
    """A segment over IPv6 in fragments, behind a header of destination options."""
    tcp = bytearray(WHOLE[20:])
    tcp[16:18] = bytes(2)
    struct.pack_into("!H", tcp, 16, internet_checksum(ADDRESSES + struct.pack("!II", len(tcp), TCP) + bytes(tcp)))
    found = []
    for begin in range(0, len(tcp), 64):
        part = bytes(tcp[begin : begin + 64])
        head = struct.pack("!BBHI", kind, 0, begin | (begin + 64 < len(tcp)), 99)
        options = struct.pack("!BBBB4x", 44, 0, 1, 4)
        rest = options + head + part
        found.append(ethernet(struct.pack("!IHBB", 6 << 28, len(rest), 60, 64) + ADDRESSES + rest, 0x86DD))
    return found


def told(tmp_path: Path, frames: Sequence[bytes]) -> tuple[list[tuple[int, int, int, bool]], str]:
    """The segments with their frame, length, what is cut, whether the checksum fits, and the line about the file."""
    path, reading, sorting = tmp_path / "x.pcap", Reading(), Conversations()
    path.write_bytes(pcap((at, data) for at, data in enumerate(frames)))
    segments = ((one, one.segment) for _, one in sorting.sort(read(path, reading)))
    found = [(one.frame, len(it.data), one.cut, it.checksum is None) for one, it in segments]
    return found, next(iter(summary(path, reading, sorting)))


def test_a_segment_in_fragments_is_whole_in_whatever_order_they_come(tmp_path: Path) -> None:
    for frames in (v4(WHOLE), v6()):
        first, second, third, last = frames
        found, line = told(tmp_path, [third, first, first, last, second])
        assert found == [(5, len(DATA), 0, True)]
        assert "1 TCP connection; 1 segment put together from fragments" in line


def test_of_fragments_without_the_others_nothing_is_known(tmp_path: Path) -> None:
    found, line = told(tmp_path, [*v4(WHOLE)[1:], *v6()[:-1], ethernet(packet(1, segment(ACK, 1, 201)))])
    assert [one[0] for one in found] == [7]
    assert "not TCP: 6 fragments of segments of which others are missing, so that their numbers are not known" in line


def test_what_overlaps_is_no_segment(tmp_path: Path) -> None:
    first, *rest = v4(WHOLE)
    assert told(tmp_path, [first, v4(WHOLE, size=72)[1], *rest])[0] == []


def test_what_the_snap_length_cut_of_a_fragment_is_not_taken_for_data(tmp_path: Path) -> None:
    first, *rest = v4(WHOLE)
    found, _ = told(tmp_path, [first[:-10], *rest])
    assert [one[:3] for one in found] == [(4, 200, 166)]


def test_fragments_of_something_else_are_something_else(tmp_path: Path) -> None:
    found, line = told(tmp_path, [v6(UDP)[0], ethernet(packet(0, segment(ACK, 1, 1)))])
    assert (len(found), "not TCP: 1 UDP" in line) == (1, True)


def test_a_segment_in_one_fragment_is_a_segment(tmp_path: Path) -> None:
    frames = v6()
    body = frames[0][14 + 40 + 16 :] + b"".join(one[14 + 40 + 16 :] for one in frames[1:])
    rest = frames[0][14 + 40 : 14 + 48] + struct.pack("!BBHI", TCP, 0, 0, 99) + body
    alone = ethernet(struct.pack("!IHBB", 6 << 28, len(rest), 60, 64) + ADDRESSES + rest, 0x86DD)
    assert told(tmp_path, [alone])[0] == [(1, len(DATA), 0, True)]
