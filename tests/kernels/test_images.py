"""What a file given as a kernel is taken for."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.kernels.supply.images import ImageKind, identify


def bzimage(release: str, *, long_mode: bool = True) -> bytes:
    image = bytearray(8192)
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x20F)
    struct.pack_into("<H", image, 0x20E, 0x1000)
    struct.pack_into("<H", image, 0x236, 1 if long_mode else 0)
    text = f"{release} (somebody@somewhere) #1 SMP".encode()
    image[0x1200 : 0x1200 + len(text)] = text
    return bytes(image)


def elf(machine: int, content: bytes = b"") -> bytes:
    head = bytearray(b"\x7fELF\x02\x01\x01".ljust(4096, b"\0"))
    struct.pack_into("<H", head, 18, machine)
    return bytes(head) + content


def written(folder: Path, content: bytes) -> Path:
    file = folder / "a kernel"
    file.write_bytes(content)
    return file


def test_bzimage_and_its_release(tmp_path: Path) -> None:
    image = identify(written(tmp_path, bzimage("6.12.94-test")), "x86_64")
    assert (image.kind, image.release) == (ImageKind.BZIMAGE, "6.12.94-test")


def test_user_mode_linux_and_its_release(tmp_path: Path) -> None:
    content = b"\0Linux version 5.10.46 (who@where) x\0User Mode Linux v%s\0"
    image = identify(written(tmp_path, elf(62, content)), "x86_64")
    assert (image.kind, image.release) == (ImageKind.UML, "5.10.46")


def package(folder: Path, architecture: str) -> Path:
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    fields = f"Package: thing\nVersion: 1\nArchitecture: {architecture}\nMaintainer: t <t@e>\nDescription: x\n"
    (tree / "DEBIAN/control").write_text(fields)
    deb = folder / "a package"
    subprocess.run(["dpkg-deb", "--build", str(tree), str(deb)], check=True, capture_output=True)
    return deb


needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")


@needs_dpkg
def test_package_and_its_name(tmp_path: Path) -> None:
    image = identify(package(tmp_path, "amd64"), "x86_64")
    assert (image.kind, image.package) == (ImageKind.DEB, "thing")


@needs_dpkg
def test_package_for_another_machine(tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match="is for aarch64, and this machine is x86_64"):
        identify(package(tmp_path, "arm64"), "x86_64")


@needs_dpkg
def test_damaged_package(tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match="is a damaged Debian package") as caught:
        identify(written(tmp_path, b"!<arch>\ndebian-binary   ".ljust(2048, b" ")))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "too short"),
        (b"#!/bin/sh\n" * 200, "is not a kernel"),
        (bytes(2048), "is not a kernel"),
        (b"\x1f\x8b".ljust(2048, b"\0"), "is compressed"),
        (elf(62), "is a program, not a kernel"),
        (elf(62, b"\0Linux version 6.1.0 (who@where)\0"), "is a vmlinux"),
        (elf(183), "is for aarch64, and this machine is x86_64"),
        (bzimage("6.1", long_mode=False), "is for i686, and this machine is x86_64"),
        (bytes(0x38) + b"ARMd".ljust(2048, b"\0"), "is for aarch64, and this machine is x86_64"),
    ],
)
def test_what_is_no_kernel_for_this_machine(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(FinwaitError) as caught:
        identify(written(tmp_path, content), "x86_64")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nothing there", ""])
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(FinwaitError, match="cannot read"):
        identify(tmp_path / name)


def test_this_python_is_a_program() -> None:
    with pytest.raises(FinwaitError, match="is a program, not a kernel"):
        identify(Path(sys.executable).resolve())
