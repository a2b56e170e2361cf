"""A store of what was fetched and built, shared by all runs of a user; an entry is whole or it is not there.

Layout: ``KIND/KEY/content/...`` with ``KIND/KEY/manifest.json`` beside it; ``locks/`` and ``unfinished/``
hold what is being made. An entry is made in ``unfinished/`` under a lock, written through to the disk and
renamed into place, so what a killed run leaves is never taken for an entry, and the next run that wants the
same entry clears it away.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import FinwaitError

_PIECE = 1 << 20
_STORES = ("locks", "unfinished", "pins", "apt")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One whole entry: kind (``deb``, ``tree``, ...), key, the folder with its content, size in bytes."""

    kind: str
    key: str
    content: Path
    size: int


class Cache:
    """The entries below one folder. Safe for any number of processes at once on one machine.

    Args:
        root: the folder.
        lender: another that has entries too; nothing is changed there.
    """

    def __init__(self, root: Path, lender: Path | None = None) -> None:
        self.root = root
        self._folders = (root, lender) if lender and lender != root else (root,)

    @classmethod
    def of_user(cls) -> Cache:
        """``$XDG_CACHE_HOME/finwait``, by default ``~/.cache/finwait``; under sudo the caller's lends what it has."""
        base = os.environ.get("XDG_CACHE_HOME", "")
        root = (Path(base) if base.startswith("/") else Path.home() / ".cache") / "finwait"
        caller = os.environ.get("SUDO_UID", "") if os.geteuid() == 0 else ""
        with suppress(KeyError):  # a user whom this machine does not know
            if caller.isdecimal():
                return cls(root, Path(pwd.getpwuid(int(caller)).pw_dir) / ".cache" / "finwait")
        return cls(root)

    def content(self, kind: str, key: str) -> Path | None:
        """The folder with an entry's content, or None when there is no such entry."""
        folders = (folder / kind / key / "content" for folder in self._folders)
        return next((folder for folder in folders if folder.is_dir()), None)

    def fill(self, kind: str, key: str, make: Callable[[Path], None]) -> Path:
        """The folder with an entry's content, made first by ``make(folder)`` when it is not there yet.

        Two processes that want the same entry at once make it once: the second waits. When ``make`` raises,
        nothing is kept.

        Raises:
            FinwaitError: no space, no permission, or what ``make`` raises.
        """
        whole = self.content(kind, key)
        if whole is not None:  # no lock, so that a cache that is not this user's can be used
            return whole
        with self._plain_errors(), self.lock(f"{kind}-{key}"):
            whole = self.content(kind, key)
            if whole is not None:
                return whole
            unfinished = self.root / "unfinished" / f"{kind}-{key}"
            _clear(unfinished)
            try:
                content = unfinished / "content"
                content.mkdir(parents=True)
                make(content)
                _write_through(unfinished / "manifest.json", json.dumps(manifest(content, sync=True), indent=1))
                final = self.root / kind / key
                final.parent.mkdir(parents=True, exist_ok=True)
                _clear(final)  # there without a content folder: not ours, or half removed
                unfinished.rename(final)
                _sync_folder(final.parent)
            except BaseException:  # Ctrl-C too: what is half made takes room until somebody wants it again
                _clear(unfinished)
                raise
            return final / "content"

    def entries(self) -> list[CacheEntry]:
        """Every whole entry, by kind and key."""
        found = []
        for content in sorted(self.root.glob("*/*/content")):
            if content.parent.parent.name not in _STORES:
                size = sum(file.lstat().st_size for file in content.rglob("*") if not file.is_dir())
                found.append(CacheEntry(content.parent.parent.name, content.parent.name, content, size))
        return found

    def verify(self) -> list[str]:
        """Recompute every hash; one line for each file that differs from what was stored."""
        return [line for entry in self.entries() for line in _differences(entry)]

    def remove(self, kind: str, key: str) -> bool:
        """Remove an entry; False when there was none. It disappears at once and is deleted after that."""
        with self._plain_errors(), self.lock(f"{kind}-{key}"):
            entry = self.root / kind / key
            if not entry.is_dir():
                return False
            leaving = self.root / "unfinished" / f"{kind}-{key}"
            _clear(leaving)
            leaving.parent.mkdir(parents=True, exist_ok=True)
            entry.rename(leaving)
            _clear(leaving)
            return True

    def sweep(self) -> list[str]:
        """Delete what killed runs left unfinished, and only that; the names of what was deleted."""
        swept = []
        for leftover in sorted((self.root / "unfinished").glob("*")):
            with self._plain_errors(), self.lock(leftover.name, wait=False) as held:
                if held:
                    _clear(leftover)
                    swept.append(leftover.name)
        return swept

    def pin(self, name: str, record: object) -> None:
        """Remember a JSON value under a name: which packages a kernel's name stands for."""
        with self._plain_errors(), self.lock(f"pin-{name}"):
            file = self.root / "pins" / f"{name}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part")
            _write_through(part, json.dumps(record, indent=1))
            part.replace(file)

    def pinned(self, name: str) -> Any:  # noqa: ANN401  a JSON value
        """What was remembered under a name, or None."""
        for folder in self._folders:
            with suppress(FileNotFoundError):
                return json.loads((folder / "pins" / f"{name}.json").read_text(encoding="utf-8"))
        return None

    @contextmanager
    def lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock, at most until the process ends; False when it is taken and nobody wants to wait."""
        locks = self.root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / name).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise plain_error(error, self.root) from error


def plain_error(error: OSError, folder: Path) -> FinwaitError:
    """What an OSError from work in the cache means to its user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FinwaitError(f"no space left in {folder}", hint="make room, or set XDG_CACHE_HOME to a folder with more")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return FinwaitError(
            f"cannot write {error.filename or folder}",
            why=error.strerror or "",
            hint="chown that folder, or set XDG_CACHE_HOME to one of your own",
        )
    return FinwaitError(f"cannot use the cache {folder}", why=str(error))


def sha256_of(file: Path) -> str:
    """The SHA256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def manifest(folder: Path, *, sync: bool = False) -> dict[str, str]:
    """What is in a folder, by relative path: ``sha256:HEX`` for a file, ``link:TARGET`` for a symbolic link.

    With ``sync`` each file is also written through to the disk.
    """
    listed = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            listed[name] = f"link:{path.readlink()}"
        elif path.is_file():
            listed[name] = f"sha256:{sha256_of(path)}"
            if sync:
                _sync_folder(path)
    return listed


def _differences(entry: CacheEntry) -> list[str]:
    name = f"{entry.kind}/{entry.key}"
    try:
        stored = json.loads((entry.content.parent / "manifest.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return [f"{name}: manifest.json is missing or unreadable"]
    now = manifest(entry.content)
    lines = [f"{name}/{path}: gone" for path in stored if path not in now]
    lines += [f"{name}/{path}: was not there" for path in now if path not in stored]
    changed = [path for path in stored if now.get(path, stored[path]) != stored[path]]
    lines += [f"{name}/{path}: changed" for path in changed]
    if entry.kind == "deb":  # a manifest that was changed along with the file would not tell
        wrong = [path for path, value in now.items() if value != f"sha256:{entry.key}" and path not in changed]
        lines += [f"{name}/{path}: is not what its key says" for path in wrong]
    return lines


def _clear(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)


def _write_through(file: Path, text: str) -> None:
    with file.open("w", encoding="utf-8") as target:
        target.write(text)
        target.flush()
        os.fsync(target.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
