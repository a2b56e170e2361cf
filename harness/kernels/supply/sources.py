"""A kernel's sources in the cache, in any version of a tree and with any patch: the user's tree is only read.

One folder is changed from one version to the next, so that make compiles what differs and no more. A git repository
beside it knows its content; of a user's clone it borrows the objects (gitrepository-layout(5), alternates).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache, plain_error, sha256_of
from harness.kernels.supply.tarball import unpacked
from harness.process import Ended, run_to_end

GIT_LIMIT = 1800.0


class Clone:
    """A user's git clone of a kernel; nothing in it is changed.

    Args:
        folder: its top.

    Raises:
        FinwaitError: it is no clone or no kernel.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        if not (self.folder / "Makefile").is_file() or not (self.folder / "Kconfig").is_file():
            raise FinwaitError(f"{folder} is not a kernel source tree", hint="the top folder of a clone")
        if self.ask("rev-parse", "--show-toplevel") != str(self.folder):
            raise FinwaitError(
                f"{folder} is not the top folder of a git clone", hint="git init, git add and git commit"
            )

    def ask(self, *arguments: str) -> str:
        """What git says.

        Raises:
            FinwaitError: it refuses; in its words.
        """
        return "\n".join(_output(_ask_git(self.folder, arguments), self.folder))

    def check_clean(self) -> None:
        """Look whether the files are as committed; what git does not track is no part of them.

        Raises:
            FinwaitError: they are not.
        """
        if changed := self.ask("status", "--porcelain", "--untracked-files=no").splitlines():
            what = f"{self.folder} has changes that are not committed: {changed[0][2:].strip()}"
            raise FinwaitError(what, hint="git commit, or git stash")

    def commit(self, name: str) -> str:
        """The hash of a commit, by any of its names.

        Raises:
            FinwaitError: there is none.
        """
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        ended = _ask_git(self.folder, asked)
        if ended.status != 0:
            raise FinwaitError(f"there is no commit {name!r} in {self.folder}")
        return ended.lines[0]


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
                _output(made._change("ls-files", "-oz", into="update-index --add --info-only -z --stdin"), new)
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
            _output(self._change("read-tree", "--reset", "-u", version), self.folder)
            if torn:  # a run that was killed may have left files that no index knows
                _output(self._change("clean", "-q", "-d", "-f", "-f", "-x"), self.folder)
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
            raise FinwaitError(f"the patch does not apply: {_said(ended)}")
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
        return _output(_ask_git(self.tree, arguments, self._own), self.folder)

    def _change(self, *arguments: str, into: str = "") -> Ended:
        """Run git, which may be long, and pass what it says to another git where ``into`` has the arguments."""
        argv = ("git", *arguments)
        if into:
            argv = ("sh", "-c", f'"$@" | git {into}', "sh", *argv)
        return run_to_end(argv, limit=GIT_LIMIT, cwd=self.tree, env=_environment(self._own))

    @property
    def _own(self) -> dict[str, str]:
        return {
            **{"GIT_DIR": str(self.folder / "git"), "GIT_WORK_TREE": str(self.tree)},
            **{"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
        }


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    if shutil.which("git") is None:
        raise FinwaitError("there is no git on this machine", hint="apt-get install git")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", **own}


def _ask_git(folder: Path, arguments: tuple[str, ...], own: Mapping[str, str] = MappingProxyType({})) -> Ended:
    """What git says that changes nothing, or only its own."""
    asked = time.monotonic()
    ran = subprocess.run(
        ("git", *arguments),
        cwd=folder,
        env=_environment(own),
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    said = ran.stdout if ran.returncode == 0 else ran.stderr
    lines = said.decode(errors="surrogateescape").split("\n")
    return Ended(ran.returncode, tuple(lines if lines[-1] else lines[:-1]), time.monotonic() - asked)


def _output(ended: Ended, folder: Path) -> list[str]:
    if ended.status != 0:
        raise FinwaitError(f"git in {folder}: {_said(ended)}")
    return list(ended.lines)


def _said(ended: Ended) -> str:
    lines = [line for line in ended.lines if line.startswith(("error:", "fatal:"))] or list(ended.lines[-1:])
    return re.sub(r"^(?:error|fatal): ", "", lines[0]) if lines else "it said nothing"


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
