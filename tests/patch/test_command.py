"""What ``finwait patch`` prints, and how it ends: where no kernel has to run, and where two have to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from rich.console import Console

from harness.cli.main import CHECKOUT, main
from harness.code.index import FILE as INDEX
from harness.code.index import CodeFile, CodeFunction, CodeIndex, packed
from harness.kernels.boot.uml_virtual import source_tarball
from harness.kernels.supply import build
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.patch.building import Builds
from harness.patch.judging import KeptRun, judged
from harness.run.jobs import backend_of
from harness.run.workers import Workers
from reports.compare import compare
from tests.patch.conftest import TCP
from tests.patch.test_building import CHANGE, FILE, patch_of

Patched = Callable[..., tuple[int, str, str]]


@pytest.fixture
def patched(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Patched:
    """Judge a patch of the small kernel: the exit status, and what was printed and said of a mistake."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(text: str, *more: str) -> tuple[int, str, str]:
        file = tmp_path / "my.patch"
        file.write_text(text)
        status = main(["patch", str(file), "--tree", str(clone), "--run-dir", str(tmp_path / "runs"), *more])
        file.unlink()
        return (status, *capsys.readouterr())

    return run


def test_patch_of_comments_ends_well_and_leaves_nothing(patched: Patched, tmp_path: Path) -> None:
    text = patch_of(TCP, TCP.replace("Of TCP", "Of TCP and more")).text
    assert patched(text) == (0, "my.patch: nothing changes: it changes comments alone\n", "")
    assert not (tmp_path / "runs").exists()


def test_time_to_explore_that_is_none_is_said_before_anything_is_built(patched: Patched, tmp_path: Path) -> None:
    hint = "--explore soon: not a time"
    status, out, error = patched(CHANGE.text, "--explore", "soon")
    assert (status, out, hint in error, error.count("\n")) == (2, "", True, 1)
    assert not (tmp_path / "runs").exists()


def test_patch_that_makes_the_same_kernel_is_not_run(patched: Patched, tmp_path: Path) -> None:
    text = "--- /dev/null\n+++ b/net/ipv4/new.c\n@@ -0,0 +1 @@\n+int n;\n"
    why = "with it the kernel is the same to the octet (net/ipv4/new.c)"
    assert patched(text) == (0, f"my.patch: nothing changes: {why}\n", "")
    assert not (tmp_path / "runs").exists()


def test_patch_that_does_not_compile_ends_with_the_compilers_line(patched: Patched, tmp_path: Path) -> None:
    status, out, error = patched(patch_of(TCP, TCP.replace("return 1;", "return one;")).text)
    assert (status, out) == (2, "")
    assert f"{FILE}:6:16: error: " in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_kernels_are_built_here_and_asked_of_the_cluster(patched: Patched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.patch.KeptRun", lambda *_: SimpleNamespace(known=lambda: None))
    status, out, error = patched(CHANGE.text, "--cluster=tcp://192.0.2.1:8786")
    assert (status, out.partition(";")[0]) == (2, f"my.patch changes {FILE}")
    assert "tcp://192.0.2.1:8786 has no TLS" in error
    assert error.count("\n") == 1


def test_kernel_without_a_source_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.patch").write_text(CHANGE.text)
    runs = tmp_path / "runs"
    assert main(["patch", str(tmp_path / "my.patch"), "--kernel", "uml:6.1", "--run-dir", str(runs), "-k", "fin"]) == 2
    said = "finwait: uml:6.1 is not built from a source; try: another, such as uml-virtual:7.2\n"
    assert capsys.readouterr() == ("", said)
    assert not runs.exists()


def test_affected_scenarios_are_listed_without_a_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = CodeFile((CodeFunction("tcp_rcv", 2, 7),), {4: 0, 5: 1, 6: 0})
    index = CodeIndex("uml-virtual:7.2", ("test_near", "test_far"), {FILE: code}, (packed(0b01), packed(0b00)))
    (tmp_path / INDEX).write_bytes(msgspec.json.encode(index))
    (tmp_path / "my.patch").write_text(CHANGE.text)
    assert main(["patch", str(tmp_path / "my.patch"), "--affected", "--index", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "changed lines of tcp_rcv: 1; 1 scenarios reach one" in out
    assert "test_near" in out
    assert "test_far" not in out


def test_affected_by_comments_alone_needs_no_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.patch").write_text(patch_of(TCP, TCP.replace("Of TCP", "About TCP")).text)
    assert main(["patch", str(tmp_path / "my.patch"), "--affected", "--run-dir", str(tmp_path / "runs")]) == 0
    assert capsys.readouterr().out == "the patch changes no code that was there: nothing is affected\n"


def test_what_a_kernel_did_before_is_asked_once(tmp_path: Path) -> None:
    spec = parse("uml-virtual:7.2")
    if missing := backend_of(spec, Cache.of_user()).available():
        pytest.skip(missing)
    kernel = build.known(source_tarball(spec, Cache.of_user()), Cache.of_user())
    assert kernel is not None
    builds, cache = Builds(kernel, replace(kernel), ()), Cache(tmp_path / "cache")
    arguments = [str(CHECKOUT / "scenarios/closing/test_disorder.py"), "-k", "overtaken and close-IPv4-noTS"]
    before = KeptRun(cache, "before", kernel, arguments, CHECKOUT)
    assert before.known() is None
    (tmp_path / "again").mkdir()
    with Workers(tmp_path, CHECKOUT, Cache.of_user(), Console(quiet=True)) as workers:
        first = judged(workers, builds, arguments, tmp_path, None, more=True)
        before.keep(first.runs[0])
        known = before.known()
        second = judged(workers, builds, arguments, tmp_path / "again", known, more=False)
    assert first.complete
    assert [run.name for run in second.runs] == ["before", "after"]
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["after"]
    for found in (first, second):
        comparison = compare(*found.runs)
        assert (comparison.same, comparison.exit_status) == (len(found.runs[0].results), 0)
    assert KeptRun(cache, "before", kernel, [*arguments, "-x"], CHECKOUT).known() is None
