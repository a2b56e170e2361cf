"""A kernel of two files, as a tarball and as a clone, and a cache to build it in."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness.kernels.supply.build import TOOLS
from harness.kernels.supply.cache import Cache

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 7
allnoconfig:
\t@cp $(KCONFIG_ALLCONFIG) $(O)/.config
linux: $(O)/net/ipv4/tcp.o $(O)/net/ipv4/udp.o
\t@cat $^ > $(O)/linux
$(O)/%.o: %.c
\t@mkdir -p $(@D); echo "  CC      $*.o"; gcc -c -o $@ $<
"""
TCP = """\
/* Of TCP. */
int tcp_rcv(int segment)
{
\tif (segment > 1)
\t\treturn 0;
\treturn 1;
}
const char banner[] = "Linux version 6.12.7 (a@b) (gcc) #1, User Mode Linux";
"""
NEEDS = [tool for tool in (*TOOLS, "git") if shutil.which(tool) is None]


def git(folder: Path, *arguments: str) -> str:
    """What git says in a folder, as nobody in particular."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    ran = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return ran.stdout


def commit(clone: Path, message: str, **files: str) -> str:
    """Commit these contents, by name without the suffix; the commit's hash."""
    for name, text in files.items():
        (clone / "net" / "ipv4" / f"{name}.c").write_text(text)
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "--allow-empty", "-m", message)
    return git(clone, "rev-parse", "HEAD").strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    if NEEDS:
        pytest.skip(f"no {', '.join(NEEDS)}")
    folder = tmp_path / "linux-6.12"
    (folder / "net" / "ipv4").mkdir(parents=True)
    (folder / "Documentation").mkdir()
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "Kconfig").write_text('mainmenu "Linux"\n')
    (folder / "net" / "ipv4" / "tcp.c").write_text(TCP)
    (folder / "net" / "ipv4" / "udp.c").write_text("int udp_rcv;\n")
    (folder / "Documentation" / "tcp.rst").write_text("TCP\n")
    return folder


@pytest.fixture
def tarball(tree: Path) -> Path:
    made = tree.parent / "linux-source-6.12.tar.xz"
    with tarfile.open(made, "w:xz") as archive:
        archive.add(tree, tree.name)
    return made


@pytest.fixture
def clone(tree: Path) -> Path:
    git(tree, "init", "-q")
    commit(tree, "Begin")
    return tree


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")
