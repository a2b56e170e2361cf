"""The tree an emulated machine boots into, as cpio archives that the kernel unpacks one after the other.

The format is "newc" of Documentation/driver-api/early-userspace/buffer-format.rst. Nothing needs privileges
here: a device node is only a record in the archive.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from harness.errors import FinwaitError
from harness.kernels.boot.packages import GUEST_PACKAGES, package_files, plugins_of_pytest
from harness.kernels.supply.cache import Cache

_TOOLS = {"test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "distutils", "pydoc_data"}
_LEFT_OUT = _TOOLS | {"site-packages", "dist-packages"}
ROOT_FILE = "root.cpio"
_LINKS_ON_THE_WAY = 40  # as many as the kernel itself follows (MAXSYMLINKS)
_DEVICE = stat.S_IFCHR | 0o600

Keep = Callable[[os.DirEntry[str]], bool]


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: int
    data: bytes | Path = b""
    size: int = 0
    mtime: int = 0
    device: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class Archive:
    """Files for one cpio archive, each under its own absolute path."""

    entries: dict[str, _Entry] = field(default_factory=dict)

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Put a regular file with this content."""
        self._parents(path)
        self.entries[path] = _Entry(stat.S_IFREG | mode, data, len(data))

    def link(self, path: str, target: str) -> None:
        """Put a symbolic link."""
        self._parents(path)
        self.entries[path] = _Entry(stat.S_IFLNK | 0o777, os.fsencode(target), len(os.fsencode(target)))

    def folder(self, path: str) -> None:
        """Put an empty folder."""
        self._parents(path + "/")

    def device(self, path: str, major: int, minor: int) -> None:
        """Put a character device node."""
        self._parents(path)
        self.entries[path] = _Entry(_DEVICE, device=(major, minor))

    def add(self, path: Path, keep: Keep = lambda _: True) -> None:
        """Add a host file, or of a folder what ``keep`` says yes to, and each link and folder on the way.

        Raises:
            FinwaitError: it is not there, or may not be read.
        """
        try:
            real = self._way_to(path)
            if real.is_dir():
                self._tree(str(real), keep)
            else:
                self._file(str(real), real.stat())
        except OSError as error:
            raise FinwaitError(f"the guest's tree needs {path}: {error.strerror}") from None

    def write(self, out: BinaryIO) -> None:
        """Write the archive; it ends with the trailer that lets another one follow.

        Raises:
            FinwaitError: a file vanished or may not be read.
        """
        for number, name in enumerate(sorted(self.entries), start=1):
            entry = self.entries[name]
            try:
                data = entry.data if isinstance(entry.data, bytes) else entry.data.read_bytes()
            except OSError as error:
                raise FinwaitError(f"the guest's tree needs {name}: {error.strerror}") from None
            _write_record(out, name.lstrip("/"), number, entry, data)
        _write_record(out, "TRAILER!!!", 0, _Entry(0), b"")

    def key(self) -> str:
        """A key that changes with any name, size, mode or modification time in the archive.

        What Python compiled does not count: any process that imports something may add to it, and it follows from the
        sources. Nor does a folder's time, which changes with it.
        """
        digest = hashlib.sha256()
        for name, entry in sorted(self.entries.items()):
            if "/__pycache__" in name:
                continue
            if stat.S_ISDIR(entry.mode):
                digest.update(f"{name}\0{entry.mode}\0".encode(errors="surrogateescape"))
                continue
            digest.update(f"{name}\0{entry.mode}\0{entry.size}\0{entry.mtime}\0".encode(errors="surrogateescape"))
            if isinstance(entry.data, bytes):
                digest.update(entry.data)
        return digest.hexdigest()[:20]

    def size(self) -> int:
        """Bytes of file content."""
        return sum(entry.size for entry in self.entries.values())

    def _parents(self, path: str) -> None:
        at = path.rfind("/")
        while at > 0:
            folder = path[:at]
            if folder in self.entries:
                return
            self.entries[folder] = _Entry(stat.S_IFDIR | 0o755)
            at = path.rfind("/", 0, at)

    def _way_to(self, path: Path) -> Path:
        """Put each symbolic link on the way and return where the path really leads."""
        ahead, here, links = list(reversed(path.absolute().parts[1:])), "/", 0
        while ahead:
            part = ahead.pop()
            if part == "..":
                here = os.path.dirname(here)  # noqa: PTH120
                continue
            here_now = os.path.join(here, part)  # noqa: PTH118
            if os.path.islink(here_now):  # noqa: PTH114
                links += 1
                if links > _LINKS_ON_THE_WAY:
                    raise OSError(40, "too many levels of symbolic links")
                target = os.readlink(here_now)  # noqa: PTH115
                self.link(here_now, target)
                here = "/" if target.startswith("/") else here
                ahead.extend(p for p in reversed(Path(target).parts) if p != "/")
            else:
                here = here_now
        return Path(here)

    def _file(self, path: str, found: os.stat_result) -> None:
        self._parents(path)
        mode = stat.S_IFREG | stat.S_IMODE(found.st_mode)
        self.entries[path] = _Entry(mode, Path(path), found.st_size, int(found.st_mtime))

    def _tree(self, folder: str, keep: Keep) -> None:
        self.folder(folder)
        with os.scandir(folder) as found:
            for entry in found:
                if not keep(entry):
                    continue
                if entry.is_symlink():
                    if os.path.exists(entry.path):  # noqa: PTH110  what dangles is of no use
                        self.add(Path(entry.path), keep)
                elif entry.is_dir():
                    self._tree(entry.path, keep)
                elif entry.is_file():
                    self._file(entry.path, entry.stat())


def _write_record(out: BinaryIO, name: str, number: int, entry: _Entry, data: bytes) -> None:
    raw = os.fsencode(name) + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (number, entry.mode, 0, 0, links, entry.mtime, len(data), 0, 0, *entry.device, len(raw), 0)
    head = b"070701" + "".join(f"{value & 0xFFFFFFFF:08X}" for value in fields).encode() + raw
    out.write(head + bytes(-len(head) % 4))
    out.write(data + bytes(-len(data) % 4))


def environment() -> Archive:
    """This Python environment as it is now; see ``python_root``.

    Raises:
        FinwaitError: a file may not be read, or ``ldd`` is missing.
    """
    archive = Archive()
    archive.add(Path(sys.executable))
    if Path(sys.prefix, "pyvenv.cfg").exists():
        archive.add(Path(sys.prefix, "pyvenv.cfg"))
    for name in ("stdlib", "platstdlib"):
        if Path(sysconfig.get_path(name)).is_dir():
            archive.add(Path(sysconfig.get_path(name)), _worth_having)
    for path in package_files((*GUEST_PACKAGES, *plugins_of_pytest())):
        archive.add(path, _no_optimised)
    for path in shared_libraries(_linked(archive)):
        archive.add(path)
    _skeleton(archive)
    return archive


def python_root(cache: Cache) -> Path:
    """The archive that every guest of this Python environment shares, kept under its content's key.

    It holds the running Python with its standard library, GUEST_PACKAGES with what they require, the shared
    libraries all of these are linked to, and the few files of /etc that the C library reads.

    Raises:
        FinwaitError: a file may not be read, or ``ldd`` is missing.
    """
    archive = environment()

    def make(folder: Path) -> None:
        with (folder / ROOT_FILE).open("wb") as out:
            archive.write(out)

    return cache.fill("guest-root", archive.key(), make) / ROOT_FILE


def _worth_having(entry: os.DirEntry[str]) -> bool:
    left_out = entry.name in _LEFT_OUT or re.search(r"^(config-|_tkinter|_test|_ctypes_test)|\.a$", entry.name)
    return not left_out and _no_optimised(entry)


def _no_optimised(entry: os.DirEntry[str]) -> bool:
    return not re.search(r"\.opt-\d\.pyc$", entry.name)


def without(*folders: Path) -> Keep:
    """Leave out these folders, everything hidden, and virtual environments: those are no part of a checkout."""
    left_out = {os.path.realpath(folder) for folder in folders}

    def keep(entry: os.DirEntry[str]) -> bool:
        if entry.name.startswith(".") or entry.name == "node_modules":
            return False
        if entry.is_dir() and (entry.path in left_out or os.path.exists(f"{entry.path}/pyvenv.cfg")):  # noqa: PTH110
            return False
        return _no_optimised(entry)

    return keep


def _linked(archive: Archive) -> Iterator[Path]:
    for entry in archive.entries.values():
        if isinstance(entry.data, Path) and (".so" in entry.data.name or entry.mode & 0o111):
            with entry.data.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield entry.data


def shared_libraries(files: Iterable[Path]) -> list[Path]:
    """The shared libraries and the loader that these ELF files need, as ``ldd`` finds them.

    Raises:
        FinwaitError: ``ldd`` is missing.
    """
    if shutil.which("ldd") is None:
        raise FinwaitError("the guest's libraries cannot be found: there is no ldd", hint="apt-get install libc-bin")
    found = set[str]()
    told = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False).stdout
    for line in told.splitlines():
        if match := re.match(r"\s+(?:\S+ => )?(/.+) \(0x", line):
            found.add(match[1])
    extra = [Path(path).parent / "libgcc_s.so.1" for path in found]  # loaded by name when a thread ends
    return sorted({Path(path) for path in found} | {path for path in extra if path.exists()})


def _skeleton(archive: Archive) -> None:
    for folder in ("proc", "sys", "dev", "run", "tmp", "var", "etc", "root"):
        archive.folder(f"/{folder}")
    archive.device("/dev/console", 5, 1)
    archive.link("/var/run", "/run")
    archive.put("/etc/passwd", b"root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    archive.put("/etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    archive.put("/etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n")
    archive.put("/etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files\nservices: files\n")
    for path in ("/etc/ld.so.cache", "/etc/services", "/etc/protocols", "/etc/ethertypes"):
        if Path(path).exists():
            archive.add(Path(path))
