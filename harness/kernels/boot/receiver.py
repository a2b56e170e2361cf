"""The host's end of a guest's stream of records: its files, kept below one folder and nowhere else."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from harness.kernels.boot import stream

_LONGEST_PATH = 4096
_LARGEST_FILE = 1 << 31


class Malformed(Exception):
    """The stream is not what a guest of ours sends; after it nothing in the stream can be trusted."""


@dataclass(slots=True)
class Receiver:
    """Takes a stream apart. A file is replaced whole, and only what came by the stream grows or is removed by it.

    Args:
        output: the folder that the paths in the stream start from.
    """

    output: Path
    answer: bytes | None = None
    booted: bytes | None = None
    _rest: bytearray = field(default_factory=bytearray)
    _ours: set[Path] = field(default_factory=set)

    def feed(self, data: bytes) -> None:
        """Take the next bytes, in pieces of any size.

        Raises:
            Malformed: no record of ours, or a path that leads out of the output folder.
            OSError: a file cannot be written.
        """
        self._rest += data
        while len(self._rest) >= stream.HEAD.size:
            kind, path_length, length = stream.HEAD.unpack_from(self._rest)
            if path_length > _LONGEST_PATH or length > _LARGEST_FILE:
                raise Malformed(f"a record of {path_length} and {length} bytes")
            begin = stream.HEAD.size + path_length
            if len(self._rest) < begin + length:
                return
            path = bytes(self._rest[stream.HEAD.size : begin])
            content = bytes(self._rest[begin : begin + length])
            del self._rest[: begin + length]
            self._take(kind, path, content)

    def _take(self, kind: bytes, path: bytes, content: bytes) -> None:
        match kind:
            case stream.ANSWER:
                self.answer = content
            case stream.BOOTED:
                self.booted = content
            case stream.PUT:
                self._put(self._below(path), content)
            case stream.MORE:
                self._more(self._below(path), content)
            case stream.FOLDER:
                self._folder(self._below(path))
            case stream.DELETE:
                self._delete(self._below(path))
            case _:
                raise Malformed(f"a record of kind {kind!r}")

    def _below(self, path: bytes) -> Path:
        name = os.fsdecode(path)
        if b"\0" in path or not all(part not in ("", ".", "..") for part in name.split("/")):
            raise Malformed(f"the path {name!r}")
        full = self.output / name
        # A link that stood in the output folder before must not lead a guest's file out of it either.
        if not full.parent.resolve().is_relative_to(self.output.resolve()):
            raise Malformed(f"the path {name!r}, which a symbolic link leads elsewhere")
        return full

    def _folder(self, path: Path) -> None:
        if not path.is_dir():
            path.mkdir(parents=True)
            self._ours.add(path)

    def _put(self, path: Path, content: bytes) -> None:
        self._folder(path.parent)
        handle, fresh = tempfile.mkstemp(prefix=".incoming-", dir=path.parent)
        with os.fdopen(handle, "wb") as out:
            out.write(content)
        Path(fresh).chmod(0o644)
        Path(fresh).replace(path)
        self._ours.add(path)

    def _more(self, path: Path, content: bytes) -> None:
        if path not in self._ours or path.is_symlink():
            raise Malformed(f"more of {path.name!r}, of which there is nothing")
        with path.open("ab") as out:
            out.write(content)

    def _delete(self, path: Path) -> None:
        if path not in self._ours:
            return
        self._ours.discard(path)
        with contextlib.suppress(OSError):  # a folder with something else in it stays
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
