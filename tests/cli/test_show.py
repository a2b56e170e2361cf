"""``finwait show``: one result of a run on the screen, and its program as text that runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.trace.runs import LoadedRun, load
from netns import privilege

CHECKOUT = Path(__file__).parents[2]
SCENARIOS = """\
from harness import ACK, FIN, RST, Connection, report, requirement, shutdown_wr


@requirement("RFC9293-E-17")
def test_fin_is_acknowledged(established: Connection) -> None:
    server, peer = established
    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=2)
    assert server.receive() == b""


@report("https://example.org/fin", "CVE-2019-11477")
def test_fin_is_reset(established: Connection) -> None:
    server, peer = established
    shutdown_wr(server)
    peer.expect(RST, seq=1, ack=1)
"""


def finwait(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> LoadedRun:
    privilege.ensure()
    folder = tmp_path_factory.mktemp("show")
    (folder / "test_two.py").write_text(SCENARIOS)
    ran = finwait("run", str(folder / "test_two.py"), "--run-dir", str(folder), "--run-name", "one")
    assert "1 conforms, 1 deviates" in ran.stdout, ran.stdout + ran.stderr
    return load(folder / "one")


def shown(run: LoadedRun, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["show", str(run.path), *arguments]) == 0
    return capsys.readouterr().out


def test_result_is_shown_with_reason_ladder_and_evidence(run: LoadedRun, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(run, capsys, "-k", "reset")
    assert "test_two.py::test_fin_is_reset" in text
    assert "deviates on host" in text
    assert text.count("reported  https://example.org/fin\nreported  CVE-2019-11477\n") == 1
    assert "expected  > R. 1:1(0) ack 1" in text
    assert "F. 1:1(0) ack 1" in text.split("│ state")[1]
    assert str(run.path / "captures") in text


def test_brief_ladder_has_no_windows_and_no_options(run: LoadedRun, capsys: pytest.CaptureFixture[str]) -> None:
    whole, brief = (shown(run, capsys, "-k", "acknowledged", *more) for more in ((), ("--brief",)))
    assert "──── F. 1:1(0) ack 1 ───" in brief
    assert "win 65535" in whole
    assert "win " not in brief
    assert "TS val" in whole
    assert "TS val" not in brief


def test_requirement_stands_with_its_text(run: LoadedRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert "RFC9293-E-17  An in-sequence FIN advances RCV.NXT by one" in shown(run, capsys, "-k", "acknowledged")


def test_name_that_fits_none_or_several_is_one_error(run: LoadedRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(run.path), "-k", "nothing of that kind"]) == 2
    assert "no result in" in capsys.readouterr().err
    assert main(["show", str(run.path), "-k", "fin"]) == 2
    said = capsys.readouterr().err
    assert "2 results match 'fin'" in said
    assert "test_two.py::test_fin_is_reset" in said


@pytest.mark.parametrize(("name", "said"), [("acknowledged", "1 conforms"), ("reset", "1 deviates")])
def test_printed_python_ends_as_the_original_did(
    run: LoadedRun, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "test_printed.py").write_text(shown(run, capsys, "-k", name, "--as", "python"))
    ran = finwait("run", str(tmp_path / "test_printed.py"), "--run-dir", str(tmp_path))
    assert f"finwait: {said};" in ran.stdout, ran.stdout + ran.stderr


def test_packetdrill_script_has_the_segments(run: LoadedRun, capsys: pytest.CaptureFixture[str]) -> None:
    script = shown(run, capsys, "-k", "acknowledged", "--as", "pkt")
    assert "< F. 1:1(0) ack 1 win 65535" in script
    assert "> . 1:1(0) ack 2" in script
    assert script.endswith("\n")


def test_picture_goes_to_a_file(run: LoadedRun, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    whole, brief = tmp_path / "whole.svg", tmp_path / "brief.svg"
    assert shown(run, capsys, "-k", "reset", "--svg", str(whole)) == ""
    shown(run, capsys, "-k", "reset", "--svg", str(brief), "--brief")
    assert ">F. 1:1(0) ack 1 win " in whole.read_text()
    assert ">F. 1:1(0) ack 1</text>" in brief.read_text()
    assert main(["show", str(run.path), "-k", "reset", "--svg", str(tmp_path / "none" / "x.svg")]) == 2
    assert "cannot be written (No such file or directory)" in capsys.readouterr().err


def test_picture_begins_where_it_is_asked_to(
    run: LoadedRun, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    parts = []
    for since in ("handshake", "shutdown"):
        shown(run, capsys, "-k", "reset", "--since", since, "--svg", str(tmp_path / since))
        parts.append((tmp_path / since).read_text())
    assert [">S 0:0(0)" in drawn for drawn in parts] == [True, False]
    assert ["listen(" in drawn for drawn in parts] == [False, False]
    assert ">ESTABLISHED<" in parts[1]
    assert main(["show", str(run.path), "-k", "reset", "--since", "splice"]) == 2
    said = capsys.readouterr().err
    assert "nothing here begins with splice" in said
    assert "handshake, " in said


def test_what_a_run_found_is_listed_with_what_is_news_first(run: LoadedRun, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(run, capsys)
    assert text.startswith("deviates unexpectedly (1)\n  1  flags: F., not R")
    assert "test_two.py::test_fin_is_reset" in text
    assert "test_fin_is_acknowledged" not in text
    assert text.splitlines()[-1] == "host: 1 deviates unexpectedly, 1 conforms; -k NAME shows one"
    assert main(["show", str(run.path), "--as", "python"]) == 2
    assert "which result to show is not said" in capsys.readouterr().err
