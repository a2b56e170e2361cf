"""The archives that a guest boots into: what cpio(1)'s newc format says, and what is in them."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.kernels.boot.initramfs import (
    Archive,
    environment,
    python_root,
    shared_libraries,
    without,
)
from harness.kernels.boot.packages import package_files, plugins_of_pytest
from harness.kernels.supply.cache import Cache
from netns import privilege


def records(data: bytes) -> Iterator[tuple[str, int, int, bytes]]:
    """Name, mode, modification time and content of each record, read by the format's own description."""
    at = 0
    while at < len(data):
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        assert data[at : at + 6] == b"070701"
        name = data[at + 110 : at + 110 + fields[11] - 1].decode()
        begin = (at + 110 + fields[11] + 3) & ~3
        yield name, fields[1], fields[5], data[begin : begin + fields[6]]
        at = (begin + fields[6] + 3) & ~3


def written(archive: Archive) -> dict[str, tuple[int, bytes]]:
    out = io.BytesIO()
    archive.write(out)
    listed = list(records(out.getvalue()))
    assert listed[-1][0] == "TRAILER!!!"
    return {name: (mode, content) for name, mode, _, content in listed[:-1]}


def test_folders_come_before_what_is_in_them() -> None:
    archive = Archive()
    archive.put("/a/b/c", b"content", 0o755)
    names = list(written(archive))
    assert names == ["a", "a/b", "a/b/c"]
    assert written(archive)["a/b/c"] == (stat.S_IFREG | 0o755, b"content")
    assert stat.S_ISDIR(written(archive)["a"][0])


def test_file_keeps_mode_time_and_content(tmp_path: Path) -> None:
    file = tmp_path / "with a space"
    file.write_bytes(b"12345")
    file.chmod(0o750)
    os.utime(file, (1_600_000_000, 1_600_000_000))
    archive = Archive()
    archive.add(file)
    out = io.BytesIO()
    archive.write(out)
    found = {name: (mode, time, content) for name, mode, time, content in records(out.getvalue())}
    assert found[str(file)[1:]] == (stat.S_IFREG | 0o750, 1_600_000_000, b"12345")


def test_links_on_the_way_are_there_with_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "deep" / "file").write_bytes(b"x")
    (tmp_path / "absolute").symlink_to(tmp_path / "real")
    (tmp_path / "relative").symlink_to("absolute/deep/../deep")
    archive = Archive()
    archive.add(tmp_path / "relative" / "file")
    found = {"/" + name: entry for name, entry in written(archive).items()}
    assert found[str(tmp_path / "relative")] == (stat.S_IFLNK | 0o777, b"absolute/deep/../deep")
    assert found[str(tmp_path / "absolute")][1] == os.fsencode(tmp_path / "real")
    assert found[str(tmp_path / "real/deep/file")][1] == b"x"


def test_links_in_a_circle_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(FinwaitError, match="too many levels of symbolic links"):
        Archive().add(tmp_path / "one")


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match=r"the guest's tree needs .*gone: No such file"):
        Archive().add(tmp_path / "gone")


def test_checkout_without_output_hidden_files_and_environments(tmp_path: Path) -> None:
    for name in (
        "mine.py",
        ".git/config",
        "runs/old",
        "venv/pyvenv.cfg",
        "venv/bin/python",
        "sub/__init__.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    archive = Archive()
    archive.add(tmp_path, without(tmp_path / "runs"))
    kept = {str(Path("/" + name).relative_to(tmp_path)) for name in written(archive) if str(tmp_path)[1:] + "/" in name}
    assert kept == {"mine.py", "sub", "sub/__init__.py"}


def test_key_changes_with_what_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    keys = set()
    for content, seconds in ((b"a", 1), (b"ab", 1), (b"ab", 2)):
        file.write_bytes(content)
        os.utime(file, (seconds, seconds))
        archive = Archive()
        archive.add(file)
        keys.add(archive.key())
    again = Archive()
    again.add(file)
    assert len(keys) == 3
    assert again.key() in keys


def test_device_node_needs_no_privileges() -> None:
    archive = Archive()
    archive.device("/dev/console", 5, 1)
    assert stat.S_ISCHR(written(archive)["dev/console"][0])


def test_packages_come_with_what_they_require() -> None:
    found = {path.name for path in package_files(("pytest",))}
    assert {"pytest", "_pytest", "pluggy", "iniconfig"} <= found
    assert "scapy" not in found


def test_plugins_of_pytest_that_are_installed_go_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pytest_told.py").touch()
    described = tmp_path / "pytest_told-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: pytest-told\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[pytest11]\ntold = pytest_told\n")
    (described / "RECORD").write_text("pytest_told.py,,\npytest_told-1.dist-info/METADATA,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert tmp_path / "pytest_told.py" in list(package_files(plugins_of_pytest()))
    assert "pytest-xdist" not in plugins_of_pytest()


def test_package_that_is_not_installed_is_passed_over() -> None:
    assert list(package_files(("no-such-distribution",))) == []


def test_libraries_of_this_python_include_the_loader() -> None:
    found = {path.name for path in shared_libraries([Path(sys.executable)])}
    assert "libc.so.6" in found
    assert any(name.startswith("ld-linux") for name in found)


def test_what_python_compiles_in_between_makes_no_new_archive(tmp_path: Path) -> None:
    def key() -> str:
        archive = Archive()
        archive.add(tmp_path / "package")
        return archive.key()

    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("a = 1\n")
    before = key()
    (tmp_path / "package" / "__pycache__").mkdir()
    (tmp_path / "package" / "__pycache__" / "module.cpython-311.pyc").write_bytes(b"compiled")
    assert key() == before
    (tmp_path / "package" / "module.py").write_text("a = 22\n")
    assert key() != before


def test_archive_that_guests_share_holds_nothing_of_the_checkout() -> None:
    checkout = str(Path(__file__).parents[2])
    beside = (name for name in environment().entries if name.startswith(checkout + "/") and "/.venv/" not in name)
    # the folders on the way to an environment inside the checkout are no content of it
    assert [name for name in beside if not name.endswith("/.venv")] == []


def test_shared_root_is_made_once_and_runs_python(tmp_path: Path) -> None:
    root = python_root(Cache(tmp_path))
    before = root.stat().st_mtime_ns
    assert python_root(Cache(tmp_path)) == root
    assert root.stat().st_mtime_ns == before
    if not privilege.is_root():
        pytest.skip("only root can change its root folder")
    if not shutil.which("busybox"):
        pytest.skip("busybox, which unpacks the archive, is not installed (Debian package: busybox)")
    tree = tmp_path / "tree"
    tree.mkdir()
    with root.open("rb") as archive:
        unpack = ["busybox", "cpio", "-i", "-d", "-m", "--quiet"]
        subprocess.run(unpack, cwd=tree, stdin=archive, check=False, capture_output=True)
    needed = "scapy, pytest, pyroute2, netaddr, cryptography.hazmat.primitives.cmac"
    code = f"import json, ctypes, {needed}; print('imported')"
    ran = subprocess.run(
        ["chroot", str(tree), sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False
    )
    assert ran.stdout == "imported\n", ran.stderr
