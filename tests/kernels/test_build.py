"""Building a kernel: from a tree of a few lines that acts as the kernel's makefiles do, and a real one."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.kernels.boot.uml_virtual import source_tarball
from harness.kernels.supply.build import TOOLS, build_tarball, known, tarball_key, tree_version
from harness.kernels.supply.build import build as build_tree
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.fragments import VIRTUAL_UML, ConfigOption
from harness.kernels.supply.make import drop_torn
from harness.kernels.supply.spec import parse

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 7
allnoconfig:
\t@test -z "$(FOO)" && grep -v ABSENT $(KCONFIG_ALLCONFIG) > $(O)/.config
\t@grep -q 'config HZ' $(KBUILD_KCONFIG) && echo made >> $(O)/history
linux:
\t@echo "  CC      init/main.o"; cat $(CURDIR)/source $(O)/history > $(O)/linux
broken:
"""
VETH = ConfigOption("VETH", why="a link")
NEEDS = [tool for tool in TOOLS if shutil.which(tool) is None]
PACKAGES = " ".join(TOOLS[tool] for tool in NEEDS)
pytestmark = pytest.mark.skipif(bool(NEEDS), reason=f"no {', '.join(NEEDS)}; try: apt-get install {PACKAGES}")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "linux-6.12"
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "Kconfig").write_text('mainmenu "Linux"\n')
    (folder / "source").write_text("one\n")
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def packed(tree: Path) -> Path:
    tarball = tree.parent / "linux-source-6.12.tar.xz"
    with tarfile.open(tarball, "w:xz") as archive:
        archive.add(tree, tree.name)
    return tarball


def message(error: pytest.ExceptionInfo[FinwaitError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_built_binary_configuration_and_record(tree: Path, cache: Cache) -> None:
    lines: list[str] = []
    built = build_tree(tree, cache, options=(VETH,), progress=lines.append)
    assert built.binary.read_text() == "one\nmade\n"
    assert built.config.read_text() == "CONFIG_VETH=y\n"
    assert (built.version, built.refused) == ("6.12.7", ())
    assert built.compiler.startswith("gcc")
    assert "  CC      init/main.o" in lines


def test_users_tree_is_only_read_and_builds_again_where_it_was_built(tree: Path, cache: Cache) -> None:
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    first = build_tree(tree, cache, options=(VETH,))
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*")} == before
    (tree / "source").write_text("two\n")
    second = build_tree(tree, cache, options=(VETH,))
    assert second.folder != first.folder
    assert second.binary.read_text() == "two\nmade\nmade\n"  # the objects of the first build were there


def test_tree_is_configured_again_only_where_what_configures_it_is_newer(tree: Path, cache: Cache) -> None:
    """As kconfig lists it for make, in include/config/auto.conf.cmd."""
    folder = "$(O)/include/config"
    listing = f"@mkdir -p {folder}; printf 'deps := \\\\\\n\\tnet/Kconfig \\\\\\n' > {folder}/auto.conf.cmd"
    (tree / "Makefile").write_text(MAKEFILE.replace("linux:\n", f"\t{listing}\nlinux:\n"))
    (tree / "net").mkdir()
    (tree / "net" / "Kconfig").touch()
    made = [build_tree(tree, cache, options=(VETH,)).binary.read_text().count("made")]
    made.append(build_tree(tree, cache, options=(VETH,)).binary.read_text().count("made"))
    os.utime(tree / "net" / "Kconfig", (4e9, 4e9))
    made.append(build_tree(tree, cache, options=(VETH,)).binary.read_text().count("made"))
    made.append(build_tree(tree, cache, options=(VETH, ConfigOption("TUN"))).binary.read_text().count("made"))
    assert made == [1, 1, 2, 3]


def test_object_whose_compiler_was_killed_is_made_anew(tmp_path: Path) -> None:
    for name, command, made in (("whole", 2, 1), ("torn", 1, 2)):
        for file, at in ((f".{name}.o.cmd", command), (f"{name}.o", made)):
            (tmp_path / file).touch()
            os.utime(tmp_path / file, (at, at))
    (tmp_path / "unknown.o").touch()
    drop_torn(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.o")) == ["unknown.o", "whole.o"]


def test_tarball_is_built_once_and_leaves_only_its_result(tree: Path, cache: Cache) -> None:
    tarball, lines = packed(tree), list[str]()
    assert known(tarball, cache, (VETH,)) is None
    first = build_tarball(tarball, cache, options=(VETH,))
    second = build_tarball(tarball, cache, options=(VETH,), progress=lines.append)
    assert second == first == known(tarball, cache, (VETH,))
    assert lines == []
    assert {path.name for path in first.folder.iterdir()} == {"linux", "config", "build.json"}
    assert [entry.kind for entry in cache.entries()] == ["kernel"]
    assert list((cache.root / "unfinished").iterdir()) == []


def test_a_kernel_that_counts_keeps_what_its_counts_are_told_by(tree: Path, cache: Cache) -> None:
    (tree / "net").mkdir()
    (tree / "net" / "tcp.c").write_text("int a;\n")
    asked = "$(GCOV_PROFILE_tcp_input.o)"
    notes = f"\t@test -z {asked} || (mkdir $(O)/net; printf 'oncg\\0$(CURDIR)/net/tcp.c\\0' > $(O)/net/{asked}.gcno)\n"
    (tree / "Makefile").write_text(MAKEFILE.replace("linux:\n", "linux:\n" + notes))
    counting = (VETH, ConfigOption("GCOV_KERNEL", why="counts"))
    plain = build_tree(tree, cache, options=(VETH,))
    built = build_tree(tree, cache, options=counting)
    assert {path.name for path in built.folder.rglob("*")} >= {"y.gcno", "tcp.c"}
    assert (built.folder / "code" / "net" / "tcp.c").read_text() == "int a;\n"
    assert not (plain.folder / "code").exists()  # nobody told make to count
    assert built.binary.read_text() == plain.binary.read_text()  # neither had the other's objects


def test_other_options_are_another_kernel(tree: Path, cache: Cache) -> None:
    tarball = packed(tree)
    build_tarball(tarball, cache, options=(VETH,))
    assert known(tarball, cache, (VETH, ConfigOption("TUN", why="a device"))) is None


def test_option_that_the_tree_lacks_is_named_with_what_needs_it(tree: Path, cache: Cache) -> None:
    lacking = ConfigOption("ABSENT_ONE", why="measuring time")
    with pytest.raises(FinwaitError) as error:
        build_tree(tree, cache, options=(VETH, lacking))
    assert "Linux 6.12.7" in message(error)
    assert "CONFIG_ABSENT_ONE=y (measuring time)" in message(error)
    assert "VETH" not in message(error)


def test_optional_option_that_the_tree_lacks_is_recorded(tree: Path, cache: Cache) -> None:
    assert build_tree(tree, cache, options=(VETH, ConfigOption("ABSENT", required=False))).refused == ("ABSENT",)


def test_option_of_a_later_version_is_not_asked_for(tree: Path, cache: Cache) -> None:
    assert build_tree(tree, cache, options=(VETH, ConfigOption("ABSENT", since=(7, 0)))).refused == ()


def test_outer_settings_do_not_leak_in(tree: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "FOO=1")
    monkeypatch.setenv("FOO", "1")
    build_tree(tree, cache, options=(VETH,))


def test_failing_make_shows_its_first_error(tree: Path, cache: Cache) -> None:
    (tree / "Makefile").write_text(MAKEFILE.replace("@echo", "@echo 'net/tcp.c:7: error: no such thing'; false; echo"))
    (tree / "Makefile").write_text((tree / "Makefile").read_text().replace("; cat", " && false; exit 1; cat"))
    with pytest.raises(FinwaitError, match=r"make linux failed for .*: net/tcp\.c:7: error: no such thing"):
        build_tree(tree, cache, options=(VETH,))


@pytest.mark.parametrize("content", [None, "all:\n", "VERSION = 6\n", "VERSION = x\nPATCHLEVEL = 1\nSUBLEVEL = 2\n"])
def test_folder_that_is_no_kernel_tree(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "Makefile").write_text(content)
    with pytest.raises(FinwaitError, match="is not a kernel source tree"):
        tree_version(tmp_path)


@pytest.mark.parametrize("made", [".config", "include/config/auto.conf"])
def test_tree_that_was_configured_in_place(tree: Path, cache: Cache, made: str) -> None:
    (tree / made).parent.mkdir(parents=True, exist_ok=True)
    (tree / made).write_text("")
    with pytest.raises(FinwaitError) as error:
        build_tree(tree, cache, options=(VETH,))
    assert "mrproper" in message(error)


def test_path_with_a_space_is_refused_before_make_stumbles(tree: Path, cache: Cache) -> None:
    with pytest.raises(FinwaitError) as error:
        build_tree(tree.rename(tree.parent / "my linux"), cache, options=(VETH,))
    assert "refuse a path with a space" in message(error)


def test_missing_tools_are_named_with_their_packages(
    tree: Path, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("make", "gcc", "ld"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(FinwaitError) as error:
        build_tree(tree, cache, options=(VETH,))
    assert re.search(r"no flex, bison, bc; try: apt-get install flex bison bc$", message(error))


def test_tarball_that_is_none(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "linux.tar.xz").write_bytes(b"no archive")
    with pytest.raises(FinwaitError, match="cannot unpack"):
        build_tarball(tmp_path / "linux.tar.xz", cache, options=(VETH,))
    assert list((cache.root / "unfinished").iterdir()) == []


def test_killed_build_leaves_no_process(tree: Path, cache: Cache) -> None:
    hang = MAKEFILE.replace("cat $(CURDIR)", "echo $$$$; exec sleep 1000; cat $(CURDIR)")
    (tree / "Makefile").write_text(hang)
    code = (
        "import sys; from pathlib import Path; from harness.kernels.supply import build, cache, fragments\n"
        "build.build(Path(sys.argv[1]), cache.Cache(Path(sys.argv[2])), options=(fragments.ConfigOption('VETH'),),"
        " progress=lambda line: print(line, flush=True))"
    )
    argv = [sys.executable, "-c", code, str(tree), str(cache.root)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        compiler = next(int(line) for line in harness.stdout if line.strip().isdecimal())
        watched = os.pidfd_open(compiler)
        harness.send_signal(signal.SIGKILL)
    assert select.select([watched], [], [], 10)[0]
    os.close(watched)


def real_tarball() -> Path | FinwaitError:
    try:
        return source_tarball(parse("uml-virtual:7.2"), Cache.of_user())
    except FinwaitError as error:
        return error


REAL = real_tarball()


# What configuring reads: a whole tree would be 90,000 files to unpack and to remove again.
CONFIGURED_BY = ("*/Kconfig*", "*/Makefile*", "*/Kbuild*", "*/scripts/*", "*/arch/um/*", "*/arch/x86/*")


@pytest.mark.skipif(isinstance(REAL, FinwaitError), reason=str(REAL))
def test_real_tree_names_the_option_that_it_lacks(tmp_path: Path, cache: Cache) -> None:
    unpack = ["tar", "-xf", str(REAL), "--wildcards", *CONFIGURED_BY]
    subprocess.run(unpack, cwd=tmp_path, check=True)
    (folder,) = tmp_path.glob("linux-source-*")
    options = (*VIRTUAL_UML, ConfigOption("NO_SUCH_OPTION", why="a test"))
    with pytest.raises(FinwaitError) as error:
        build_tree(folder, cache, options=options)
    assert re.search(r"Linux 7\.2\.\d+ in .* does not take CONFIG_NO_SUCH_OPTION=y \(a test\);", message(error))


def test_a_build_is_kept_under_what_was_asked_for_and_not_under_why(tree: Path) -> None:
    tarball = packed(tree)
    key = tarball_key(tarball, (VETH,))
    assert tarball_key(tarball, (ConfigOption("VETH", why="another reason"),)) == key
    assert tarball_key(tarball, (ConfigOption("VETH", value="n"),)) != key
    assert tarball_key(tarball, (ConfigOption("VETH", since=(6, 1)),)) != key
