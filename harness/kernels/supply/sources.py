"""A kernel's sources in the cache, in any version of a tree and with any patch: the user's tree is only read.

One folder is changed from one version to the next, so that make compiles what differs and no more. A git repository
beside it knows its content; of a user's clone it borrows the objects (gitrepository-layout(5), alternates).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.supply.build import objects_of
from harness.kernels.supply.cache import Cache, plain_error, sha256_of
from harness.kernels.supply.git import Clone, ask_git, environment, output, said
from harness.kernels.supply.tarball import unpacked
from harness.process import Ended, run_to_end

GIT_LIMIT = 1800.0


class Sources:
    """The sources of one tarball or one clone, of which one version at a time lies in ``tree``.

    Args:
        folder: in the cache; ``git`` and ``source`` are in it.
        cache: for the lock.
    """

    def __init__(self, folder: Path, cache: Cache) -> None:
        self.folder = folder
        self.tree = folder / "source"
        self._cache = cache

    @classmethod
    def of_tarball(cls, tarball: Path, cache: Cache) -> Sources:
        """Unpacked the first time, which takes a minute; ``base`` is what it held.

        Raises:
            FinwaitError: it cannot be unpacked, or no room is left.
        """
        folder = _place(cache, sha256_of(tarball)[:16])
        with _made_once(folder, cache) as new:
            if new:
                unpacked(tarball.absolute(), new / "unpacked").rename(new / "source")
                (new / "unpacked").rmdir()
                made = cls(new, cache)
                made._begin()
                # names and hashes do: the content of what a patch changes is kept when it comes
                output(made._change("ls-files", "-oz", into="update-index --add --info-only -z --stdin"), new)
                (new / "base").write_text(made._git("write-tree", "--missing-ok")[0])
        return cls(folder, cache)

    @classmethod
    def of_clone(cls, clone: Clone, cache: Cache) -> Sources:
        """Empty the first time; ``check_out`` has any commit of the clone, also of later ones.

        Raises:
            FinwaitError: git cannot read the clone.
        """
        folder = _place(cache, sha256(str(clone.folder).encode()).hexdigest()[:16])
        with _made_once(folder, cache) as new:
            if new:
                (new / "source").mkdir()
                cls(new, cache)._begin()
        objects, shallow = (
            clone.folder / clone.ask("rev-parse", "--git-path", name) for name in ("objects", "shallow")
        )
        (folder / "git" / "objects" / "info" / "alternates").write_text(f"{objects}\n")
        if shallow.exists():
            shutil.copyfile(shallow, folder / "git" / "shallow")
        return cls(folder, cache)

    @property
    def base(self) -> str:
        """The git tree that a tarball held."""
        return (self.folder / "base").read_text()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the sources for oneself, as whatever follows asks."""
        with self._cache.lock(_lock(self.folder)):
            yield

    def check_out(self, version: str) -> str:
        """Have a commit or a git tree in ``tree``; the git tree that it is.

        Raises:
            FinwaitError: git cannot, in its words.
        """
        with self._changing() as torn:
            output(self._change("read-tree", "--reset", "-u", version), self.folder)
            if torn:  # a run that was killed may have left files that no index knows
                output(self._change("clean", "-q", "-d", "-f", "-f", "-x"), self.folder)
        return self._git("rev-parse", f"{version}^{{tree}}")[0]

    def apply(self, patch: str, touched: Iterable[str]) -> str:
        """Apply a patch to what is checked out, or nothing of it; the git tree that this makes.

        Args:
            patch: one or several, one after the other, as git apply takes them.
            touched: the files that it names.

        Raises:
            FinwaitError: it does not apply, in git's words.
        """
        file = self.folder / "patch"
        file.write_bytes(patch.encode(errors="surrogateescape"))
        originals = [name for name in touched if (self.tree / name).is_file()]
        if originals and (self.folder / "base").exists():
            self._git("hash-object", "-w", "--", *originals)
        with self._changing():
            ended = self._change("apply", "--index", "--whitespace=nowarn", str(file))
        if ended.status != 0:
            raise FinwaitError(f"the patch does not apply: {said(ended)}")
        return self._git("write-tree", "--missing-ok")[0]

    def differing(self, first: str, second: str) -> list[str]:
        """The files in which two git trees differ, by name."""
        return self._git("-c", "core.quotePath=false", "diff-tree", "-r", "--name-only", first, second)

    def text(self, version: str, name: str) -> str:
        """A file of a git tree; empty where it has none.

        Raises:
            FinwaitError: its content was never kept: no patch has touched it.
        """
        if not self._git("ls-tree", "--name-only", version, "--", name):
            return ""
        return "\n".join(self._git("cat-file", "blob", f"{version}:{name}"))

    def candidates(self, good: Iterable[str], bad: str) -> list[str]:
        """The commits of which one is the first bad one, the one first that halves them best (git-rev-list(1)).

        Raises:
            FinwaitError: git cannot read the clone.
        """
        ranked = self._git("rev-list", "--bisect-all", bad, *(f"^{one}" for one in good))
        return [line.split()[0] for line in ranked]

    @contextmanager
    def _changing(self) -> Iterator[bool]:
        """Whether the last change was not brought to its end."""
        busy = self.folder / "busy"
        torn = busy.exists()
        if torn:
            (self.folder / "git" / "index.lock").unlink(missing_ok=True)
        busy.touch()
        yield torn
        busy.unlink()

    def _begin(self) -> None:
        self._git("init", "--quiet", "--template=")
        (self.folder / "git" / "objects" / "info").mkdir(parents=True, exist_ok=True)

    def _git(self, *arguments: str) -> list[str]:
        """What git says; it ends by itself before long."""
        return output(ask_git(self.tree, arguments, self._own), self.folder)

    def _change(self, *arguments: str, into: str = "") -> Ended:
        """Run git, which may be long, and pass what it says to another git where ``into`` has the arguments."""
        argv = ("git", *arguments)
        if into:
            argv = ("sh", "-c", f'"$@" | git {into}', "sh", *argv)
        return run_to_end(argv, limit=GIT_LIMIT, cwd=self.tree, env=environment(self._own))

    @property
    def _own(self) -> dict[str, str]:
        return {
            **{"GIT_DIR": str(self.folder / "git"), "GIT_WORK_TREE": str(self.tree)},
            **{"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
        }


def _place(cache: Cache, name: str) -> Path:
    return cache.root.resolve() / "sources" / name


def _lock(folder: Path) -> str:
    return f"sources-{folder.name}"


@contextmanager
def _made_once(folder: Path, cache: Cache) -> Iterator[Path | None]:
    """A new folder, put in place at the end; None where it is there. What a killed run leaves is cleared away."""
    try:
        with cache.lock(_lock(folder)):
            if folder.is_dir():
                yield None
                return
            unfinished = cache.root.resolve() / "unfinished" / _lock(folder)
            shutil.rmtree(unfinished, ignore_errors=True)
            try:
                unfinished.mkdir(parents=True)
                yield unfinished
                folder.parent.mkdir(parents=True, exist_ok=True)
                unfinished.rename(folder)
            except BaseException:  # Ctrl-C too
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
    except OSError as error:
        raise plain_error(error, cache.root) from error


def remove_sources(tarball: Path, cache: Cache) -> bool:
    """Remove a tarball's unpacked sources and the objects that were made of them; False when there were none."""
    folder = _place(cache, sha256_of(tarball)[:16])
    with cache.lock(_lock(folder)):
        found = folder.is_dir()
        for each in (objects_of(folder / "source", cache), folder):
            shutil.rmtree(each, ignore_errors=True)
    return found
