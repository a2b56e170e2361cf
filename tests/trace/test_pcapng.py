from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.trace.events import Frame
from harness.trace.pcapng import pcapng

AT = 1_700_000_000_123_456_789
# Ethernet, IPv4, TCP: a bare ACK from 10.0.0.1:1 to 10.0.0.2:2.
ACK = bytes.fromhex(
    "02000000000202000000000108004500002800010000400666cd0a0000010a000002000100020000000100000001501001f400000000"
)
FRAMES = (
    Frame(AT, True, ACK, "3: send . 1:1(0) ack 1"),
    Frame(AT + 1, False, ACK + b"\0", "4: expect . 1:1(0) ack 1: accepté"),
    Frame(AT + 10**9, False, ACK[:17]),
)


def _read(content: bytes) -> list[Any]:
    # scapy's package checks for raw sockets on import; the reader alone needs none of that.
    from scapy.utils import RawPcapNgReader

    return list(RawPcapNgReader(io.BytesIO(content)))


def _packets(content: bytes) -> list[tuple[int, int | None, list[bytes], bytes]]:
    return [
        (
            ((meta.tshigh << 32) + meta.tslow) * 10**9 // meta.tsresol,
            meta.direction,
            list(meta.comments or []),
            data,
        )
        for data, meta in _read(content)
    ]


def _expected(frames: Sequence[Frame]) -> list[tuple[int, int | None, list[bytes], bytes]]:
    return [
        (frame.at, 2 if frame.outgoing else 1, [frame.step.encode()] if frame.step else [], frame.data)
        for frame in frames
    ]


def test_scapy_reads_back_every_frame_with_its_nanosecond_direction_and_step() -> None:
    assert _packets(pcapng(FRAMES, "a scenario: conforms")) == _expected(FRAMES)


frames = st.lists(
    st.builds(
        Frame,
        at=st.integers(0, 2**62),
        outgoing=st.booleans(),
        data=st.binary(min_size=1, max_size=70),
        step=st.text(st.characters(codec="utf-8"), max_size=30),
    ),
    max_size=5,
)


@given(frames=frames, comment=st.text(max_size=20))
def test_any_frames_come_back(frames: list[Frame], comment: str) -> None:
    assert _packets(pcapng(frames, comment)) == _expected(frames)


def test_a_comment_of_any_length_and_content_leaves_a_readable_file() -> None:
    for text in ("ü" * 70_000, "\udc80"):
        content = pcapng([Frame(AT, True, ACK, text)], text)
        [(_, _, [comment], data)] = _packets(content)
        assert (len(comment) <= 65535, data) == (True, ACK)
        comment.decode()


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian package: tshark)")
    return path


def test_wireshark_reads_the_file_as_meant(tmp_path: Path) -> None:
    tshark = _tool("tshark")
    path = tmp_path / "with a space.pcapng"
    path.write_bytes(pcapng(FRAMES[:2], "the scenario: deviates"))
    fields = ("frame.time_epoch", "frame.comment", "frame.packet_flags_direction", "frame.interface_name", "tcp.flags")
    argv = [tshark, "-r", str(path), "-T", "json", *(word for field in fields for word in ("-e", field))]
    output = subprocess.run(argv, capture_output=True, check=True)
    first, second = (packet["_source"]["layers"] for packet in json.loads(output.stdout))
    assert first["frame.comment"] == ["3: send . 1:1(0) ack 1"]
    assert second["frame.comment"] == ["4: expect . 1:1(0) ack 1: accepté"]
    assert first["frame.interface_name"] == ["peer"]
    assert first["tcp.flags"] == ["0x0010"]
    assert [int(layers["frame.packet_flags_direction"][0], 0) for layers in (first, second)] == [2, 1]
    assert first["frame.time_epoch"][0].endswith(".123456789") or first["frame.time_epoch"][0].endswith("123456789Z")


def test_capinfos_knows_the_precision_and_the_scenario(tmp_path: Path) -> None:
    capinfos = _tool("capinfos")
    path = tmp_path / "a.pcapng"
    path.write_bytes(pcapng(FRAMES, "the scenario: deviates"))
    output = subprocess.run([capinfos, str(path)], capture_output=True, check=True, text=True).stdout
    assert "the scenario: deviates" in output
    assert "nanoseconds (9)" in output
    assert "Number of packets:   3" in output
