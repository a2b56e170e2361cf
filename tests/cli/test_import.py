"""``finwait import`` of a capture: what is in it, and whether a kernel does it again."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from harness.capture.trying import hypotheses
from harness.cli import import_capture, import_reproduction
from harness.cli.import_minimized import save_minimized
from harness.cli.import_programs import AskedForPrograms, Tried
from harness.cli.main import main
from harness.kernels.supply.spec import parse
from harness.run.rehearsal import rehearse
from harness.tcp.pattern import Difference
from harness.tcp.segment import ACK, PSH
from harness.tcp.timing import Span
from harness.tcp.verdict import Evidence, Outcome
from harness.trace.records import Result
from netns import privilege
from tests.capture.captures import HANDSHAKE, INCIDENT, Told, segment, written
from tests.capture.test_conversion import taken

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
    assert len(list((tmp_path / "runs").glob("*/question-*"))) == 2 - together
    assert "    # frame 6\n" in kept.read_text()
    assert "it is whole, since no ending and no kernel differs" in text


def test_what_is_saved_runs_on_kernels_and_can_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    privilege.ensure()
    (first, *_) = hypotheses(*taken(tmp_path, ASKED), near=1)
    (tmp_path / "test_kept.py").write_text(first.text("x.pcap"))
    run = ("--kernel", "host", "--run-dir", str(tmp_path), "--run-name", "runs", str(tmp_path / "test_kept.py"))
    assert main(["matrix", *run]) == 0
    assert re.search(r"conforms +1\n", capsys.readouterr().out)
    folder = str(tmp_path / "runs" / "host")
    assert main(["compare", folder, folder]) == 0
    assert "0 regressed, 0 fixed, 0 behaved otherwise, 1 same" in capsys.readouterr().out


def test_what_is_saved_is_a_test_of_plain_pytest_and_a_scenario_that_bisect_takes(tmp_path: Path) -> None:
    privilege.ensure()
    (first, *_) = hypotheses(*taken(tmp_path, ASKED), near=1)
    saved = tmp_path / "test_kept.py"
    saved.write_text(first.text("x.pcap"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", saved.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    rehearse([str(saved)], Path(__file__).parents[2])  # with which bisect begins


class FakeKernels:
    """Two kernels, of which one challenges a FIN that its ACK overtook, but not after close()."""

    def __init__(self) -> None:
        self.specs = [parse("host"), parse("uml:5.10")]
        self.console = Console(file=StringIO(), width=400)

    def ask(self, programs: Mapping[str, str]) -> dict[str, dict[str, Result]]:
        return {name: {"host": self.result(text, affected=False), "uml:5.10": self.result(text, affected=True)}
                for name, text in programs.items()}  # fmt: skip

    def result(self, text: str, *, affected: bool) -> Result:
        lines = [line.strip() for line in text.splitlines()]
        behind = text.partition("peer.expect(FIN, seq=1, ack=1)")[2]
        if "peer.send(FIN" not in behind or "peer.expect(ACK, seq=2, ack=1)" not in behind:
            return Result(scenario="x", outcome=Outcome.CONFORMS)
        if affected and "server.close()" not in lines:
            return Result(scenario="x", outcome=Outcome.CONFORMS)
        evidence = Evidence(expected=(), observed="> . 2:2(0) ack 2", differences=(Difference("ack", "1", "2"),))
        return Result(scenario="x", outcome=Outcome.DEVIATES, evidence=evidence)


def test_what_is_saved_differs_between_endings_and_kernels_and_is_no_longer_than_that(tmp_path: Path) -> None:
    kernels = FakeKernels()
    tried = []
    for one in hypotheses(*taken(tmp_path, INCIDENT), near=1):
        if one.order == "frame 6 overtakes frame 4":
            answers = kernels.ask({"x": one.text("x")})["x"]
            tried.append(Tried(one, {name: [result] for name, result in answers.items()}))
    best = next(one for one in tried if one.hypothesis.ending == "shutdown(SHUT_WR)")
    save_minimized(best, tried, "x.pcap", 2, cast(AskedForPrograms, kernels), tmp_path / "test_it.py")
    said = cast(StringIO, kernels.console.file).getvalue()
    assert "it differs from close() and on host, for which 7 of 14 steps are needed" in said
    lines = (tmp_path / "test_it.py").read_text().partition("def ")[2].splitlines()[1:]
    assert [line.strip() for line in lines] == [
        "listener = session.listen()",
        "peer = session.new_peer()",
        "server = listener.accept()",
        "# inferred, for the FIN: shutdown(SHUT_WR)",
        "server.shutdown(socket.SHUT_WR)",
        "# frame 5",
        "peer.expect(FIN, seq=1, ack=1)",
        "# frame 4",
        "peer.send(FIN, seq=1, ack=1)",
        "# frame 7",
        "peer.expect(ACK, seq=2, ack=1)",
    ]
