"""What a file that somebody gives as a kernel is: read from its first bytes, never from its name."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.errors import FinwaitError
from harness.process import run_to_end

VIRTUAL_TIME = b"time-travel=inf-cpu"
"""What a User Mode Linux with CONFIG_UML_TIME_TRAVEL_SUPPORT has in its help text."""


class ImageKind(StrEnum):
    """The kinds of file that can be booted, or hold what can."""

    BZIMAGE = "bzImage"
    UML = "User Mode Linux binary"
    DEB = "Debian package"


@dataclass(frozen=True, slots=True)
class Image:
    """A kernel file; ``release`` as ``uname -r`` says it, ``package`` the name of a package, or empty."""

    kind: ImageKind
    path: Path
    release: str = ""
    package: str = ""


# e_machine of elf(5) by the machine names of uname(2).
_ELF_MACHINES = {
    3: "i686",
    62: "x86_64",
    183: "aarch64",
    40: "arm",
    243: "riscv64",
    21: "ppc64le",
    22: "s390x",
}
_DEB_MACHINES = {"amd64": "x86_64", "i386": "i686", "arm64": "aarch64", "armhf": "arm", "ppc64el": "ppc64le"}
_DEB_MAGIC = b"!<arch>\ndebian-binary"  # deb(5)
_BANNER = re.compile(rb"Linux version (\d+\.\d+[^ \0]*) ")
_NOT_ONE = "a bzImage, a User Mode Linux binary or a .deb"


def identify(path: Path, machine: str = "") -> Image:
    """Tell what kernel a file is, for a machine (as uname(2) names it; this one by default).

    Raises:
        FinwaitError: it cannot be read, is no kernel, or is one for another architecture.
    """
    machine = machine or os.uname().machine
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            if len(head) < 1024 and not head.startswith(_DEB_MAGIC):
                raise FinwaitError(f"{path} is not a kernel", why="it is too short", hint=_NOT_ONE)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
                return _identify(path, head, whole, machine)
    except OSError as error:
        raise FinwaitError(f"cannot read {path}", why=error.strerror or "") from error


def _identify(path: Path, head: bytes, whole: mmap.mmap, machine: str) -> Image:
    if head.startswith(_DEB_MAGIC):
        return _deb(path, machine)
    if head.startswith(b"\x7fELF"):
        return _elf(path, head, whole, machine)
    # Documentation/arch/x86/boot.rst: the header's magic, and where the release is written.
    if head[0x202:0x206] == b"HdrS":
        return _bzimage(path, head, whole, machine)
    # Documentation/arch/arm64/booting.rst
    if head[0x38:0x3C] == b"ARMd":
        raise _other_architecture(path, "aarch64", machine)
    if head.startswith((b"\x1f\x8b", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        raise FinwaitError(f"{path} is compressed", hint="unpack it first, or give " + _NOT_ONE)
    raise FinwaitError(f"{path} is not a kernel", hint=_NOT_ONE)


def _deb(path: Path, machine: str) -> Image:
    package, architecture = deb_fields(path)
    found = _DEB_MACHINES.get(architecture, architecture)
    if found not in ("all", machine):
        raise _other_architecture(path, found, machine)
    return Image(ImageKind.DEB, path, package=package)


def deb_fields(path: Path) -> tuple[str, str]:
    """The name and the architecture that a .deb gives itself.

    Raises:
        FinwaitError: no dpkg-deb on this machine, or it cannot read the file.
    """
    if shutil.which("dpkg-deb") is None:
        raise FinwaitError("there is no dpkg-deb on this machine", hint="install dpkg")
    argv = ("dpkg-deb", "--show", "--showformat=${Package} ${Architecture}\\n", str(path))
    ended = run_to_end(argv, limit=60, cwd=Path("/"), env={**os.environ, "LC_ALL": "C"})
    words = ended.lines[-1].split() if ended.lines else []
    if ended.status != 0 or len(words) != 2:
        raise FinwaitError(f"{path} is a damaged Debian package", why=" ".join(ended.lines[-1:]))
    return words[0], words[1]


def _elf(path: Path, head: bytes, whole: mmap.mmap, machine: str) -> Image:
    order = "<" if head[5] == 1 else ">"
    number = struct.unpack_from(order + "H", head, 18)[0]
    found = _ELF_MACHINES.get(number, f"ELF machine {number}")
    if found != machine:
        raise _other_architecture(path, found, machine)
    banner = _BANNER.search(whole)
    if banner is None:
        raise FinwaitError(f"{path} is a program, not a kernel", hint=_NOT_ONE)
    if whole.find(b"User Mode Linux") < 0:
        raise FinwaitError(
            f"{path} is a vmlinux, which finwait cannot boot",
            hint="arch/x86/boot/bzImage of the same build",
        )
    return Image(ImageKind.UML, path, banner[1].decode("ascii", "replace"))


def _bzimage(path: Path, head: bytes, whole: mmap.mmap, machine: str) -> Image:
    protocol = struct.unpack_from("<H", head, 0x206)[0]
    # xloadflags, from protocol 2.12: bit 0 says that there is a 64-bit entry point.
    long_mode = protocol >= 0x20C and bool(struct.unpack_from("<H", head, 0x236)[0] & 1)
    found = "x86_64" if long_mode else "i686"
    if found != machine:
        raise _other_architecture(path, found, machine)
    start = struct.unpack_from("<H", head, 0x20E)[0] + 0x200
    release = bytes(whole[start : start + 128]).split(b"\0")[0].split(b" ")[0]
    return Image(ImageKind.BZIMAGE, path, release.decode("ascii", "replace"))


def _other_architecture(path: Path, found: str, machine: str) -> FinwaitError:
    return FinwaitError(f"{path} is for {found}, and this machine is {machine}", hint="a kernel built for " + machine)


def holds(binary: Path, text: bytes) -> bool:
    """Whether a file has these bytes anywhere in it."""
    with binary.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return whole.find(text) >= 0
