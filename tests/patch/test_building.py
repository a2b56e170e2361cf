"""Both kernels of a change: what is built anew, what is not, and what is said of a patch that is none."""

from __future__ import annotations

import difflib
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.git import Clone
from harness.kernels.supply.make import NotBuilt
from harness.kernels.supply.sources import Sources, remove_sources
from harness.patch.building import Builds, builds
from harness.patch.reading import Patch, commit_range, read_patch
from tests.patch.conftest import TCP, commit, git

FILE = "net/ipv4/tcp.c"


def patch_of(before: str, after: str, name: str = FILE) -> Patch:
    lines = (before.splitlines(keepends=True), after.splitlines(keepends=True))
    return Patch("my.patch", "".join(difflib.unified_diff(*lines, f"a/{name}", f"b/{name}")), (name,))


CHANGE = patch_of(TCP, TCP.replace("> 1", ">= 1"))


def built(sources: Sources, change: Patch | str, cache: Cache, base: str = "") -> tuple[Builds | str, list[str]]:
    lines: list[str] = []
    return builds(sources, base or sources.base, change, cache, lines.append), lines


def compiled(lines: list[str]) -> list[str]:
    """What make compiled for both kernels, by name."""
    return sorted(line.split()[1].removeprefix("net/ipv4/") for line in lines if line.startswith("  CC "))


def test_second_kernel_compiles_only_what_the_patch_changes(tarball: Path, cache: Cache) -> None:
    found, lines = built(Sources.of_tarball(tarball, cache), CHANGE, cache)
    assert isinstance(found, Builds)
    assert compiled(lines) == ["tcp.o", "tcp.o", "udp.o"]
    assert (found.names, found.same) == ((FILE,), False)


def test_kernel_without_a_patch_is_the_tarballs_own_after_another_patch(tarball: Path, cache: Cache) -> None:
    sources = Sources.of_tarball(tarball, cache)
    first, _ = built(sources, CHANGE, cache)
    second, lines = built(sources, patch_of(TCP, TCP.replace("0", "7")), cache)
    assert isinstance(first, Builds)
    assert isinstance(second, Builds)
    assert second.before == first.before
    assert second.after.folder != first.after.folder
    assert compiled(lines) == ["tcp.o"]  # only for the kernel after it


def test_same_patch_again_is_not_built_again(tarball: Path, cache: Cache) -> None:
    sources = Sources.of_tarball(tarball, cache)
    first, _ = built(sources, CHANGE, cache)
    second, lines = built(sources, CHANGE, cache)
    assert isinstance(first, Builds)
    assert isinstance(second, Builds)
    assert (second.after, lines) == (first.after, [])


def test_new_file_of_a_patch_is_gone_for_the_next(tarball: Path, cache: Cache) -> None:
    sources = Sources.of_tarball(tarball, cache)
    built(sources, Patch("new.patch", "--- /dev/null\n+++ b/net/ipv4/new.c\n@@ -0,0 +1 @@\n+int n;\n", ()), cache)
    assert (sources.tree / "net/ipv4/new.c").exists()
    built(sources, CHANGE, cache)
    assert not (sources.tree / "net/ipv4/new.c").exists()


def test_what_a_killed_run_left_in_the_sources_is_cleared_away(tarball: Path, cache: Cache) -> None:
    sources = Sources.of_tarball(tarball, cache)
    built(sources, CHANGE, cache)
    (sources.tree / "net/ipv4/left.c").write_text("int left;\n")
    (sources.folder / "git" / "index.lock").touch()
    (sources.folder / "busy").touch()
    found, _ = built(sources, CHANGE, cache)
    assert isinstance(found, Builds)
    assert not (sources.tree / "net/ipv4/left.c").exists()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (patch_of(TCP, TCP.replace("Of TCP.", "About TCP,\n * and more.")), "it changes comments alone"),
        (patch_of("TCP\n", "UDP\n", "Documentation/tcp.rst"), "it changes no file that a kernel is built from"),
    ],
    ids=["comment", "document"],
)
def test_patch_that_cannot_matter_is_named_without_a_build(
    tarball: Path, cache: Cache, change: Patch, why: str
) -> None:
    assert built(Sources.of_tarball(tarball, cache), change, cache) == (why, [])


def test_comment_in_a_string_is_none(tarball: Path, cache: Cache) -> None:
    before = TCP.replace("return 1", 'return "a"[0]')
    sources = Sources.of_tarball(tarball, cache)
    first = patch_of(TCP, before)
    second = patch_of(before, before.replace('"a"', '"/* */"'))
    found, _ = built(sources, Patch("two.patch", first.text + second.text, (FILE,)), cache)
    assert isinstance(found, Builds)


def test_file_that_is_not_compiled_makes_the_same_kernel(tarball: Path, cache: Cache) -> None:
    new = "--- /dev/null\n+++ b/net/ipv4/new.c\n@@ -0,0 +1 @@\n+int n;\n"
    found, lines = built(Sources.of_tarball(tarball, cache), Patch("new.patch", new, ()), cache)
    assert isinstance(found, Builds)
    assert found.same
    assert compiled(lines) == ["tcp.o", "udp.o"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (patch_of("int other;\n", "int more;\n"), rf"the patch does not apply: patch failed: {FILE}:1"),
        (patch_of(TCP, TCP.replace("return 1;", "return one;")), rf"with the patch no kernel can be built: {FILE}:6:"),
        (
            Patch("none.patch", patch_of(TCP, TCP + "\n").text + patch_of(TCP + "\n", TCP).text, (FILE,)),
            "changes nothing",
        ),
        (patch_of(TCP, "", "../../passwd"), r"the patch does not apply: \.\./\.\./passwd: does not exist"),
    ],
    ids=["elsewhere", "not C", "there and back", "outside"],
)
def test_patch_of_no_use_is_named_in_a_line(tarball: Path, cache: Cache, change: Patch, said: str) -> None:
    sources = Sources.of_tarball(tarball, cache)
    with pytest.raises(FinwaitError, match=said) as error:
        built(sources, change, cache)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, NotBuilt) == ("no kernel can be built" in said)
    assert isinstance(built(sources, CHANGE, cache)[0], Builds)  # and the next is not hindered


def test_kernel_that_cannot_be_built_without_the_patch_is_not_the_patchs_fault(clone: Path, cache: Cache) -> None:
    base = commit(clone, "Broken", tcp=TCP.replace("return 1;", "return one;"))
    change = patch_of("int udp_rcv;\n", "int udp_sent;\n", "net/ipv4/udp.c")
    with pytest.raises(FinwaitError, match=rf"without the patch no kernel can be built: {FILE}:6:") as error:
        built(Sources.of_clone(Clone(clone), cache), change, cache, base=base)
    assert not isinstance(error.value, NotBuilt)


def test_users_clone_is_only_read(clone: Path, cache: Cache) -> None:
    (clone / "my.patch").write_text("untracked\n")
    before = {path: path.stat().st_mtime_ns for path in clone.rglob("*")}
    found, _ = built(Sources.of_clone(Clone(clone), cache), CHANGE, cache, base=Clone(clone).commit("HEAD"))
    assert isinstance(found, Builds)
    assert {path: path.stat().st_mtime_ns for path in clone.rglob("*")} == before


def test_range_of_commits(clone: Path, cache: Cache) -> None:
    user = Clone(clone)
    sources = Sources.of_clone(user, cache)
    commit(clone, "Later than the copy", tcp=TCP.replace("> 1", ">= 1"))
    found, lines = built(sources, user.commit("HEAD"), cache, base=user.commit("HEAD~1"))
    assert isinstance(found, Builds)
    assert found.names == (FILE,)
    assert compiled(lines) == ["tcp.o", "tcp.o", "udp.o"]


def test_series_of_mails_is_one_change(clone: Path, cache: Cache) -> None:
    begin = commit(clone, "Begin again")
    commit(clone, "One", tcp=TCP.replace("> 1", ">= 1"))
    commit(clone, "Two", tcp=TCP.replace("> 1", ">= 2"))
    mails = clone.parent / "mails"
    git(clone, "format-patch", "-q", "-o", str(mails), begin)
    series = read_patch(str(mails))
    assert series.touched == (FILE,)
    found, _ = built(Sources.of_clone(Clone(clone), cache), series, cache, base=begin)
    assert isinstance(found, Builds)
    assert found.names == (FILE,)


@pytest.mark.parametrize("state", ["no kernel", "no clone", "dirty"])
def test_tree_of_no_use_is_named_in_a_line(tree: Path, state: str) -> None:
    if state == "no kernel":
        (tree / "Kconfig").unlink()
    elif state == "dirty":
        git(tree, "init", "-q")
        commit(tree, "Begin")
        (tree / FILE).write_text("int dirty;\n")
    said = {
        "no kernel": "is not a kernel source tree",
        "no clone": "not a git repository|not the top folder of a git clone",
        "dirty": f"has changes that are not committed: {FILE}",
    }
    with pytest.raises(FinwaitError, match=said[state]) as error:
        Clone(tree).check_clean()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read the patch"),
        ("", "my.patch is empty"),
        ("Hello.\n", "my.patch holds no patch"),
        ("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n", "my.patch is a damaged patch: hunk is shorter than expected"),
    ],
    ids=["absent", "empty", "letter", "torn"],
)
def test_file_that_is_no_patch(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "my.patch"
    if content is not None:
        file.write_text(content)
    with pytest.raises(FinwaitError, match=said):
        read_patch(str(file))


def test_range_is_told_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a..b").touch()
    assert commit_range("v1..v2") == ("v1", "v2")
    assert commit_range("HEAD~3..") == ("HEAD~3", "HEAD")
    assert [commit_range(one) for one in ("a..b", "tcp.patch", "..")] == [None, None, None]


def test_command_says_in_one_line_what_is_wrong_with_a_patch(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "harness", "patch", "-", "--run-dir", str(tmp_path / "runs"))
    ran = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "finwait: standard input is empty; try: git format-patch\n"
    assert list(tmp_path.iterdir()) == []


def test_sources_go_with_their_objects(tarball: Path, cache: Cache) -> None:
    found, _ = built(Sources.of_tarball(tarball, cache), CHANGE, cache)
    assert isinstance(found, Builds)
    assert remove_sources(tarball, cache)
    assert [path for name in ("sources", "objects") for path in (cache.root / name).iterdir()] == []
    assert found.after.binary.exists()
    assert not remove_sources(tarball, cache)
