"""``finwait import`` of a capture: what is in it, and whether a kernel does it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import import_capture, import_reproduction
from harness.cli.main import main
from harness.tcp.segment import ACK, PSH
from harness.tcp.timing import Span
from netns import privilege
from tests.capture.captures import HANDSHAKE, Told, segment, written

ASKED: list[Told] = [
    *HANDSHAKE,
    (3, 0, segment(PSH | ACK, 1, 1, b"GET")),
    (4, 1, segment(ACK, 1, 4)),
    (60, 1, segment(PSH | ACK, 1, 4, b"answer")),
    (61, 0, segment(ACK, 4, 7)),
]


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    status = main(["import", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_a_capture_is_told_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = said(capsys, written(tmp_path / "x.pcap", ASKED))
    assert status == 0
    assert "x.pcap: 7 frames, 1 TCP connection\n#1  192.0.2.1:40000 -> 192.0.2.2:80: opens in frames 1 and 2" in text
    assert "│◀─── P. 1:7(6) ack 4" in text


def test_a_connection_is_chosen_by_number_port_or_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "x.pcap", ASKED)
    for wanted in ("1", "40000", "192.0.2.2:80", "192.0.2.1:40000 192.0.2.2:80"):
        assert said(capsys, path, "--connection", wanted)[0] == 0
    status, text = said(capsys, path, "--connection", "2")
    assert (status, "0 connections are '2'" in text) == (2, True)


def test_a_long_connection_is_drawn_in_part_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_capture, "MOST_FRAMES", 5)
    _, text = said(capsys, written(tmp_path / "x.pcap", ASKED))
    assert "only the first 5 frames of the connection are drawn" in text


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(b"\0no capture")
    status, text = said(capsys, tmp_path / "x")
    assert status == 2
    assert text.startswith(f"finwait: {tmp_path / 'x'} holds no frame")
    path = written(tmp_path / "y", ASKED)
    assert said(capsys, path, "--reproduce", "--endpoint", "192.0.2.9", "--kernel", "host")[0] == 2


@pytest.mark.parametrize("question", [Span(-1, "none"), import_reproduction.QUESTION])
def test_the_running_kernel_does_it_again_and_a_scenario_is_kept(
    question: Span, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    privilege.ensure()
    monkeypatch.setattr(import_reproduction, "QUESTION", question)
    path, kept = written(tmp_path / "x.pcap", ASKED), tmp_path / "test_kept.py"
    run = ("--kernel", "host", "--runs", "2", "--run-dir", tmp_path / "runs", "--save", kept)
    status, text = said(capsys, path, "--reproduce", *run)
    assert "the kernel to ask is 192.0.2.2:80" in text
    assert status == 0, text
    assert "reproduces it, 2 of 2" in text
    together = question.ns > 0  # runs that wait for less than a question takes are one
    assert len(list((tmp_path / "runs").glob("*/run-*"))) == 2 - together
    assert "    # frame 6\n" in kept.read_text()
