"""How fast ``finwait import`` tells a large capture, and in how much memory: a bulk transfer with timestamps."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.tcp.ip import internet_checksum
from harness.tcp.segment import ACK

FRAMES = (100_000, 1_000_000)
SIZE = 1448  # octets of data in a segment
LARGE_SIZE = 100  # where there are many, so that the file has 150 MB and not 1.5 GB
_ADDRESSES = socket.inet_aton("192.0.2.1") + socket.inet_aton("192.0.2.2")
_STAMPS = bytes.fromhex("0101080a0000000700000009")
_PCAP = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)


def report() -> Iterator[str]:
    """Lines with the figures."""
    with tempfile.TemporaryDirectory() as folder:
        for count in FRAMES:
            size = SIZE if count == FRAMES[0] else LARGE_SIZE
            file = Path(folder) / "large.pcap"
            with file.open("wb") as taken:
                taken.write(_PCAP)
                taken.writelines(records(count, size))
            seconds, memory = _measured(file)
            rate = f"{count / seconds:,.0f} frames a second of processor time, {memory >> 20} MB"
            yield f"a capture of {count:,} frames with {size} octets is told: {rate}"


def records(count: int, size: int) -> Iterator[bytes]:
    """Frames of one side's data, each two acknowledged by the other, as records of a pcap file."""
    sent = 1
    for number in range(count):
        acknowledges = number % 3 == 2
        data = b"" if acknowledges else bytes(size)
        ports, seq, ack = ((40000, 80), 1, sent) if acknowledges else ((80, 40000), sent, 1)
        sent += len(data)
        addresses = _ADDRESSES if acknowledges else _ADDRESSES[4:] + _ADDRESSES[:4]
        head = struct.pack("!HHIIHHHH", *ports, seq, ack % 2**32, 8 << 12 | int(ACK), 500, 0, 0)
        raw = head + _STAMPS + data
        checksum = internet_checksum(addresses + struct.pack("!HH", socket.IPPROTO_TCP, len(raw)) + raw)
        raw = raw[:16] + struct.pack("!H", checksum) + raw[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(raw), number % 2**16, 0x4000, 64, socket.IPPROTO_TCP, 0)
        frame = bytes(12) + b"\x08\x00" + ip + addresses + raw
        second, rest = divmod(number * 10, 1_000_000)
        yield struct.pack("<IIII", 1_700_000_000 + second, rest, len(frame), len(frame)) + frame


def _measured(file: Path) -> tuple[float, int]:
    """Seconds of processor time that the command takes for a file, without its start, and its most memory in octets."""
    command = [sys.executable, "-m", "harness", "import"]
    idle, _ = _used([*command, "--help"])
    seconds, memory = _used([*command, str(file)])
    return seconds - idle, memory


def _used(command: list[str]) -> tuple[float, int]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10
