"""Files as capture programs write them, of segments that a test names."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.capture.conversation import Conversations
from harness.capture.reading import read
from harness.capture.story import Story
from harness.capture.telling import lines
from harness.tcp.ip import internet_checksum
from harness.tcp.options import encode_options
from harness.tcp.segment import ACK, FIN, SYN, Flags, Segment

CLIENT, SERVER = ("192.0.2.1", 40000), ("192.0.2.2", 80)
ETHERNET, MICROSECONDS = 1, 0xA1B2C3D4
FIRST = (1000, 2**32 - 1)  # the server's numbers wrap with its first octet

Told = tuple[float, int, Segment]
"""When in ms, who (0 for the client), and what, in relative numbers."""


def segment(flags: Flags, seq: int = 0, ack: int | None = None, data: bytes = b"", **fields: Any) -> Segment:  # noqa: ANN401
    flags = flags | ACK if ack is not None else flags
    return Segment(flags=flags, seq=seq, ack=ack or 0, data=data, **fields)


HANDSHAKE: list[Told] = [
    (0, 0, segment(SYN)),
    (1, 1, segment(SYN, ack=1)),
    (2, 0, segment(ACK, 1, 1)),
]
ROUND: list[Told] = [(3.0, 0, segment(ACK, 1, 1, b"x" * 100)), (4.0, 1, segment(ACK, 1, 101, b"y" * 50))]

INCIDENT: list[Told] = [
    *HANDSHAKE,
    (10, 0, segment(FIN, 1, 1)),
    (11, 1, segment(FIN, 1, 1)),
    (12, 0, segment(ACK, 2, 2)),
    (13, 1, segment(ACK, 2, 1)),
    (213, 0, segment(FIN, 1, 2)),
    (214, 1, segment(ACK, 2, 2)),
]
"""As seen at the client: its FIN is overtaken by its ACK on the way, and dropped."""


def packet(side: int, told: Segment, *, identification: int = 0) -> bytes:
    """The IPv4 packet of a segment."""
    (source, sport), (target, dport) = (CLIENT, SERVER) if side == 0 else (SERVER, CLIENT)
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    seq = (told.seq + FIRST[side]) % 2**32
    ack = (told.ack + FIRST[1 - side]) % 2**32 if told.flags & ACK else 0
    options = encode_options(told.options)
    offset = (20 + len(options)) // 4 << 12 | told.flags
    head = struct.pack("!HHIIHH", sport, dport, seq, ack, offset, told.window)
    rest = options + told.data
    length = 20 + len(rest)
    right = internet_checksum(addresses + struct.pack("!HH", 6, length) + head + bytes(4) + rest)
    tcp = head + struct.pack("!HH", right if told.checksum is None else told.checksum, 0) + rest
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, identification, 0x4000, 64, 6, 0)
    return ip + addresses + tcp


def ethernet(data: bytes, kind: int = 0x0800) -> bytes:
    return bytes(12) + struct.pack("!H", kind) + data


def pcap(frames: Iterable[tuple[float, bytes]], *, link: int = ETHERNET, magic: int = MICROSECONDS) -> bytes:
    """A file of frames with their times in ms."""
    ticks = 1_000_000 if magic != MICROSECONDS else 1000  # nano- or microseconds in a millisecond
    content = struct.pack("<IHHIIII", magic, 2, 4, 0, 0, 262144, link)
    for at, data in frames:
        second, rest = divmod(round(at * ticks), 1000 * ticks)
        content += struct.pack("<IIII", 1_700_000_000 + second, rest, len(data), len(data)) + data
    return content


def pcap_cut(frames: Iterable[tuple[float, bytes]], snap: int) -> bytes:
    """A file of which each frame has so many octets at most."""
    content = pcap([])
    for at, data in frames:
        record = pcap([(at, data[:snap])])[24:]
        content += record[:12] + struct.pack("<I", len(data)) + record[16:]
    return content


def written(path: Path, told: Iterable[Told]) -> Path:
    """A capture of a connection, over Ethernet."""
    path.write_bytes(
        pcap((at, ethernet(packet(side, one, identification=n))) for n, (at, side, one) in enumerate(told, 1))
    )
    return path


def stories(path: Path) -> list[Story]:
    """Every connection of a file, told."""
    found: dict[int, Story] = {}
    for conversation, sighting in Conversations().sort(read(path)):
        found.setdefault(conversation.number, Story(conversation)).tell(sighting)
    return list(found.values())


def story(tmp_path: Path, told: list[Told]) -> Story:
    """The one connection of these segments, told."""
    (found,) = stories(written(tmp_path / "x.pcap", told))
    return found


def text(tmp_path: Path, told: list[Told]) -> str:
    """What is said of these segments."""
    return "\n".join(lines(story(tmp_path, told)))
