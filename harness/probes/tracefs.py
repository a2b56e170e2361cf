"""What tracefs tells of a tracepoint: its number, the fields of its records, the names of their values.

No mount is made: where it is not mounted, a detached mount (fsmount(2)) is opened, which nobody else can see and which
is gone with its descriptor. Nothing is written outside of an instance, which ``harness.probes.drops`` makes where a
kernel has no perf events.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

_MOUNTED = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
# The same numbers on every machine (asm-generic/unistd.h), like all calls since Linux 5.1; these came with 5.2.
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_FS_CLOEXEC = 1
_FSCONFIG_CMD_CREATE = 6
_libc = ctypes.CDLL(None, use_errno=True)

_ID = re.compile(r"^ID: (\d+)$", re.MULTILINE)
_FIELD = re.compile(
    r"^\s*field:[^;]*?(?P<name>\w+)(?:\[[^]]*\])?;\s*offset:(?P<offset>\d+);\s*size:(?P<size>\d+);"
    r"\s*signed:(?P<signed>[01]);",
    re.MULTILINE,
)
_SYMBOLIC = re.compile(r"__print_symbolic\(REC->(?P<field>\w+),(?P<pairs>(?:\s*\{[^{}]*\},?)+)\)")
_PAIR = re.compile(r"\{\s*(0x[0-9a-fA-F]+|\d+)\s*,\s*\"([^\"]*)\"\s*\}")


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field stands in a record, in bytes."""

    offset: int
    size: int
    signed: bool


@dataclass(frozen=True, slots=True)
class Format:
    """A tracepoint's record as this kernel lays it out."""

    number: int
    fields: dict[str, Field]
    symbols: dict[str, dict[int, str]] = field(default_factory=dict)

    def integer(self, record: bytes, name: str) -> int | None:
        """A field's value in the machine's byte order; None when this kernel's record has no such field."""
        if (where := self.fields.get(name)) is None:
            return None
        return int.from_bytes(record[where.offset : where.offset + where.size], sys.byteorder, signed=where.signed)

    def content(self, record: bytes, name: str) -> bytes | None:
        """A field's bytes; None when this kernel's record has no such field."""
        if (where := self.fields.get(name)) is None:
            return None
        return record[where.offset : where.offset + where.size]

    def symbol(self, record: bytes, name: str) -> str:
        """The name of a field's value, the number where the format has none, empty where there is no such field."""
        if (value := self.integer(record, name)) is None:
            return ""
        return self.symbols.get(name, {}).get(value, str(value))


def parse_format(text: str) -> Format:
    """Read a tracepoint's ``format`` file (Documentation/trace/events.rst, "Event formats").

    Raises:
        ValueError: the text has no ID, so it is no such file.
    """
    if not (number := _ID.search(text)):
        raise ValueError("no tracepoint format: it has no ID")
    fields = {
        found["name"]: Field(int(found["offset"]), int(found["size"]), found["signed"] == "1")
        for found in _FIELD.finditer(text)
    }
    symbols = {
        found["field"]: {int(value, 0): name for value, name in _PAIR.findall(found["pairs"])}
        for found in _SYMBOLIC.finditer(text)
    }
    return Format(int(number[1]), fields, symbols)


class Tracefs:
    """tracefs, mounted or not; a held descriptor.

    Raises:
        OSError: there is none in this kernel (ENODEV), or this user may not look (EPERM, EACCES).
    """

    def __init__(self) -> None:
        for folder in _MOUNTED:
            if _readable(folder / "events" / "sock"):
                self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                return
        self._folder = detached(b"tracefs")

    def close(self) -> None:
        """Let go."""
        os.close(self._folder)

    def names(self, folder: str) -> list[str]:
        """What a folder of tracefs holds: ``instances``, ``events/tcp``.

        Raises:
            OSError: there is no such folder, or this user may not look.
        """
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            return sorted(os.listdir(descriptor))  # noqa: PTH208  (a descriptor has no path)
        finally:
            os.close(descriptor)

    def make(self, folder: str) -> None:
        """Make an instance.

        Raises:
            OSError: there is one, or this user may not.
        """
        os.mkdir(folder, dir_fd=self._folder)

    def remove(self, folder: str) -> None:
        """Remove it.

        Raises:
            OSError: there is none, or somebody has a file of it open.
        """
        os.rmdir(folder, dir_fd=self._folder)

    def open(self, file: str, flags: int) -> int:
        """A file's descriptor.

        Raises:
            OSError: there is none, or this user may not open it so.
        """
        return os.open(file, flags | os.O_CLOEXEC, dir_fd=self._folder)

    def write(self, file: str, text: str) -> None:
        """Write a whole text to a file.

        Raises:
            OSError: the kernel does not take it.
        """
        descriptor = self.open(file, os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def format(self, event: str) -> Format | None:
        """The format of ``group/event``; None when this kernel has no such tracepoint.

        Raises:
            OSError: this user may not read it.
        """
        try:
            descriptor = self.open(f"events/{event}/format", os.O_RDONLY)
        except FileNotFoundError:
            return None
        with open(descriptor, encoding="ascii", errors="replace") as file:  # noqa: PTH123  (relative to a descriptor)
            return parse_format(file.read())


def _readable(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except PermissionError:
        return False


def detached(kind: bytes) -> int:
    """A mount of a file system that has no device, of which nobody else sees anything; its descriptor.

    Raises:
        OSError: there is none in this kernel (ENODEV), or this user may not look (EPERM).
    """
    context = _call(_FSOPEN, kind, _FS_CLOEXEC)
    try:
        _call(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return _call(_FSMOUNT, context, _FS_CLOEXEC, 0)
    finally:
        os.close(context)


def _call(number: int, *arguments: object) -> int:
    # syscall(2) takes longs, and ctypes passes an int for a Python one
    longs = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *longs)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
