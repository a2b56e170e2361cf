"""``finwait explore``: the disorder is found by programs that nobody wrote, and a mistake is one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.explore.corpus import read_corpus
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.run.jobs import backend_of

OLD, NEW = "uml-virtual:5.10", "uml-virtual:7.2"
COUNTING = "uml-virtual:7.2,code-coverage"


def test_a_fin_overtaken_by_its_ack_is_found_shortened_and_confirmed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in (OLD, NEW):
        if missing := backend_of(parse(name), Cache.of_user()).available():
            pytest.skip(missing)
    arguments = ("--theme", "closing", "--programs", "1", "--seed", "5706", "--save", str(tmp_path))
    assert main(["explore", "--kernel", OLD, "--kernel", NEW, *arguments]) == 1
    text = capsys.readouterr().out
    (found,) = [part for part in text.split("\n\n") if "in FIN-WAIT-2, F., ack before SND.NXT:" in part]
    title, told, *ladders = found.splitlines()
    assert title.endswith(": ., FIN-WAIT-2 | . acknowledging more, TIME-WAIT")
    assert "confirmed on fresh kernels" in told
    assert ladders[-1].count("◀─── . 2:2(0) ack 1") == ladders[-1].count("◀─── . 2:2(0) ack 2") == 1
    number = title.partition(".")[0]
    saved = (tmp_path / f"test_difference_{number}.py").read_text()
    assert "peer.expect(ACK, seq=2, ack=2)" in saved  # as the new kernel does
    assert "> . 2:2(0) ack 2" in (tmp_path / f"difference_{number}.pkt").read_text()
    finding = tmp_path / f"difference_{number}.json"
    assert main(["explore", "--replay", str(finding), "--kernel", NEW]) == 2
    assert f"{finding} differs no longer" in capsys.readouterr().err
    assert "differences in 1 program of seed 5706" in text
    assert "out of sight: window sizes, PSH, timestamp values, time, IP header, TCP_INFO" in text


def test_a_kernel_that_counts_tells_its_lines_and_what_reaches_them_is_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if missing := backend_of(parse(COUNTING), Cache.of_user()).available():
        pytest.skip(missing)
    arguments = ["explore", "--kernel", COUNTING, "--theme", "closing", "--corpus", str(tmp_path / "kept")]
    main([*arguments, "--programs", "5"])
    progress = capsys.readouterr().out.splitlines()[0]
    assert (found := re.search(r"; (\d+) of (\d+) lines of net/ipv4/tcp\*\.c reached; (\d) kept;", progress))
    assert 1000 < int(found[1]) < int(found[2])
    assert len(read_corpus(tmp_path / "kept").kept) == int(found[3])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--kernel", "host", "--theme", "closed"], "there is no theme 'closed'"),
        (["--kernel", "host", "--for", "soon"], "--for soon: not a time"),
        (["--kernel", "nothing"], "nothing"),
        (["--kernel", "host", "--kernel", "host", "--see", "colours"], "--see colours: nothing of that name"),
        (["--kernel", "host", "--corpus", "/dev/null"], "/dev/null/corpus.json cannot be read (Not a directory)"),
        (["--kernel", "host", "--corpus", "x" * 300], "cannot be read (File name too long)"),
        (["--kernel", "host", "--corpus", "/proc/kept"], "/proc/kept/corpus.json cannot be written"),
        (["--kernel", "host", "--see", "all"], "--see compares kernels"),
        ([], "no kernel is named"),
        (["--replay", "/nowhere/at all"], "/nowhere/at all cannot be read (No such file or directory)"),
        (["--kernel", "host", "--replay", __file__], "test_explore.py is no finding"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_a_finding_that_a_corpus_knows_is_not_said_to_differ_no_longer(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["explore", "--kernel", "host", "--replay", "finding.json", "--corpus", "kept"])
    assert "--corpus: not allowed with argument --replay" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["explore --programs", "mutate --sample", "matrix --at-once"])
@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_a_number_is_from_1_on(option: str, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*f"{option}={number}".split(), "--kernel", "host"])
    assert f"{number!r} is no number from 1 on" in capsys.readouterr().err
