"""What an emulated guest tells its host, as records on one byte stream: files as they are closed, and the status.

Only the standard library, and nothing of ours: the guest has this file by itself.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field

# kind, length of the path, length of the content; numbers in network order.
_HEAD = struct.Struct("!cIQ")
PUT, FOLDER, DELETE, BOOTED, ANSWER = b"P", b"F", b"D", b"B", b"A"
_LONGEST_PATH = 4096
_LARGEST_FILE = 1 << 31


class Malformed(Exception):
    """The stream is not what a guest of ours sends; after it nothing in the stream can be trusted."""


def record(kind: bytes, path: bytes = b"", content: bytes = b"") -> bytes:
    """One record as bytes; ``path`` is relative to the output folder."""
    return _HEAD.pack(kind, len(path), len(content)) + path + content


@dataclass(slots=True)
class Receiver:
    """Takes a guest's stream apart and keeps the files below ``output``; nothing of the guest's lands elsewhere.

    A file is replaced whole. Only what this receiver put there is ever removed.
    """

    output: str
    answer: bytes | None = None
    booted: bytes | None = None
    on_booted: Callable[[], None] | None = None
    _rest: bytearray = field(default_factory=bytearray)
    _ours: set[str] = field(default_factory=set)

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            Malformed: no record of ours, or a path that leads out of the output folder.
        """
        self._rest += data
        while len(self._rest) >= _HEAD.size:
            kind, path_length, length = _HEAD.unpack_from(self._rest)
            if path_length > _LONGEST_PATH or length > _LARGEST_FILE:
                raise Malformed(f"a record of {path_length} and {length} bytes")
            end = _HEAD.size + path_length + length
            if len(self._rest) < end:
                return
            path = bytes(self._rest[_HEAD.size : _HEAD.size + path_length])
            content = bytes(self._rest[_HEAD.size + path_length : end])
            del self._rest[:end]
            self._take(kind, path, content)

    def _take(self, kind: bytes, path: bytes, content: bytes) -> None:
        if kind == ANSWER:
            self.answer = content
        elif kind == BOOTED:
            self.booted = content
        elif kind in (PUT, FOLDER, DELETE):
            self._file(kind, self._below(path), content)
        else:
            raise Malformed(f"a record of kind {kind!r}")

    def _below(self, path: bytes) -> str:
        name = os.fsdecode(path)
        parts = name.split("/")
        if b"\0" in path or not all(part and part not in (".", "..") for part in parts):
            raise Malformed(f"the path {name!r}")
        full = os.path.join(self.output, *parts)
        # A link that stood in the output folder before must not lead a guest's file out of it either.
        root = os.path.realpath(self.output)
        if os.path.commonpath([root, os.path.realpath(os.path.dirname(full))]) != root:
            raise Malformed(f"the path {name!r}, which a symbolic link leads elsewhere")
        return full

    def _file(self, kind: bytes, path: str, content: bytes) -> None:
        if kind == FOLDER:
            os.makedirs(path, exist_ok=True)
            self._ours.add(path)
        elif kind == PUT:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            handle, fresh = tempfile.mkstemp(prefix=".incoming-", dir=os.path.dirname(path))
            with os.fdopen(handle, "wb") as out:
                out.write(content)
            os.chmod(fresh, 0o644)
            os.replace(fresh, path)
            self._ours.add(path)
        elif path in self._ours:
            self._ours.discard(path)
            with contextlib.suppress(OSError):  # a folder with something else in it stays
                os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
