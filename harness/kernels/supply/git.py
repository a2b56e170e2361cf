"""Asks git, and reads a user's clone of a kernel with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from harness.errors import FinwaitError
from harness.process import Ended


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
        return "\n".join(output(ask_git(self.folder, arguments), self.folder))

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
        ended = ask_git(self.folder, asked)
        if ended.status != 0:
            raise FinwaitError(f"there is no commit {name!r} in {self.folder}")
        return ended.lines[0]


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """What git runs in: no outer git's folders, messages in English, no refreshed index of a user's.

    Raises:
        FinwaitError: there is no git.
    """
    if shutil.which("git") is None:
        raise FinwaitError("there is no git on this machine", hint="apt-get install git")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", **own}


def ask_git(folder: Path, arguments: tuple[str, ...], own: Mapping[str, str] = MappingProxyType({})) -> Ended:
    """What git says that changes nothing, or only its own."""
    asked = time.monotonic()
    ran = subprocess.run(
        ("git", *arguments),
        cwd=folder,
        env=environment(own),
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    text = ran.stdout if ran.returncode == 0 else ran.stderr
    lines = text.decode(errors="surrogateescape").split("\n")
    return Ended(ran.returncode, tuple(lines if lines[-1] else lines[:-1]), time.monotonic() - asked)


def output(ended: Ended, folder: Path) -> list[str]:
    """The lines of a git that did what it was asked.

    Raises:
        FinwaitError: it refused; in its words.
    """
    if ended.status != 0:
        raise FinwaitError(f"git in {folder}: {said(ended)}")
    return list(ended.lines)


def said(ended: Ended) -> str:
    """Why a git refused."""
    lines = [line for line in ended.lines if line.startswith(("error:", "fatal:"))] or list(ended.lines[-1:])
    return re.sub(r"^(?:error|fatal): ", "", lines[0]) if lines else "it said nothing"
