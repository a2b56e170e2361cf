"""Files that travel: packed the same way every time, named by their content, and unpacked whole or not at all."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.supply.cache import sha256_of

_UNNEEDED = frozenset(("__pycache__", "build", "runs"))
"""Folders of a checkout that nobody reads elsewhere; those whose names begin with a dot stay too."""


@dataclass(frozen=True)
class Parcel:
    """Files below one folder.

    Args:
        kind: of the entry of a cache that they are kept in there; empty where they are kept for one run.
        base: the folder that their names count from.
        paths: files, and folders with all that is in them.
        known: the key, where it is known without packing.
    """

    kind: str
    base: Path
    paths: tuple[Path, ...]
    known: str = ""

    @cached_property
    def content(self) -> bytes:
        """The archive."""
        return pack(self.base, self.paths)

    @cached_property
    def key(self) -> str:
        """What the content is known by, in hexadecimal; nothing is packed for it."""
        if self.known:
            return self.known
        told = (f"{path.relative_to(self.base)}\0{_digest(path)}" for path in _files(self.paths))
        return sha256("\0".join(told).encode()).hexdigest()


def checkout_files(folder: Path) -> Iterator[Path]:
    """What of a checkout, or of a folder of scenarios, is needed elsewhere."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _UNNEEDED or path.name.endswith(".egg-info"):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from checkout_files(path)
        else:
            yield path


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() and not path.is_symlink() else [path]
        yield from (one for one in inside if one.is_symlink() or not one.is_dir())


def _digest(path: Path) -> str:
    return f"to {path.readlink()}" if path.is_symlink() else sha256_of(path)


def pack(base: Path, paths: Iterable[Path]) -> bytes:
    """Files and folders as an archive, alike for files that are alike: without owners, and without their times."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path in paths:
            archive.add(path, path.relative_to(base), filter=_without_its_place)
    # hardly compressed, since the network of a cluster is quicker than more of that
    return gzip.compress(made.getvalue(), 1, mtime=0)


def unpack(content: bytes, folder: Path) -> None:
    """Put what was packed below a folder.

    Raises:
        FinwaitError: something of it would lie elsewhere.
    """
    inside = folder.resolve()
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        # Python before 3.11.4 has no filters, and 3.14 another one by itself
        archive.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
        for member in archive:
            if not (inside / member.name).parent.resolve().is_relative_to(inside):
                raise FinwaitError(f"{member.name} was packed to lie outside of {folder}")
            archive.extract(member, inside)


def _without_its_place(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member
