"""Goes on with a run that ended early: what has a result is taken, provided that it was asked in the same way."""

from __future__ import annotations

import fcntl
import platform
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec

from harness import __version__
from harness.errors import FinwaitError
from harness.kernels.boot.guest import BOOTED
from harness.kernels.boot.uml_virtual import binary_of
from harness.kernels.supply.cache import Cache, sha256_of
from harness.kernels.supply.provide import pinned
from harness.kernels.supply.spec import KernelKind, KernelSpec
from harness.run import judges
from harness.run.request import ask
from harness.trace.folder import CHECKOUT, make_folder, write_whole

ASKED = ".asked.json"
"""Hidden, since what else lies beside it are run folders."""
SCRATCH = ".cluster-"
"""How the names of folders begin that a cluster needs meanwhile: what was killed leaves its own behind."""


class RunAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was asked, kept in its folder: where it is the same again, so are the verdicts.

    Args:
        version: of finwait.
        kernels: their names.
        arguments: what was asked of each.
        files: the digest of what each kernel is made of.
        judges: the digest of all that judges.
    """

    version: str
    kernels: tuple[str, ...]
    arguments: tuple[str, ...]
    files: tuple[str, ...]
    judges: str

    @classmethod
    def of(cls, verb: str, specs: Sequence[KernelSpec], given: Sequence[str]) -> Self:
        """The record of what a verb is about to ask.

        Args:
            verb: of the command, with what it takes for itself.
            specs: the kernels; their files are in the user's cache.
            given: for pytest; none for all scenarios.

        Raises:
            FinwaitError: a kernel's files are not in the cache, or pytest does not take the arguments.
        """
        request = ask(specs[0], given, CHECKOUT)
        return cls(
            version=__version__,
            kernels=tuple(spec.title for spec in specs),
            arguments=(verb, *request.arguments),
            files=tuple(_made_of(spec, Cache.of_user()) for spec in specs),
            judges=judges.digest(CHECKOUT, outside=[(CHECKOUT / path).resolve() for path in request.outside]),
        )

    def objection(self, now: RunAsked) -> str:
        """Why what is asked now cannot go on with this; empty where it can."""
        if self.version != now.version:
            return f"finwait {self.version} made it, and this is {now.version}"
        if self.kernels != now.kernels:
            return f"it asks {', '.join(self.kernels)}, and not {', '.join(now.kernels)}"
        if self.arguments != now.arguments:
            return f"it was asked otherwise: {' '.join(self.arguments)}"
        if changed := [name for name, *two in zip(self.kernels, self.files, now.files, strict=True) if len({*two}) > 1]:
            return f"{', '.join(changed)} is another kernel now"
        return "" if self.judges == now.judges else "the scenarios or the harness were changed since"


def _made_of(spec: KernelSpec, cache: Cache) -> str:
    if spec.kind is KernelKind.HOST:
        return f"{platform.release()} {platform.version()}"
    if spec.path is None and spec.kind is not KernelKind.UML_VIRTUAL:
        return " ".join(package.sha256 for package in pinned(spec, cache))
    return sha256_of(spec.path or binary_of(spec, cache))


@contextmanager
def run_folder(folder: Path, asked: RunAsked, *, again: bool) -> Iterator[Path]:
    """The folder for the run folders of what is asked; a new one is made, unless a run is gone on with.

    Raises:
        FinwaitError: it cannot be made, or its run cannot be gone on with.
    """
    if again:
        _check(folder, asked)
    else:
        make_folder(folder)
        write_whole(folder / ASKED, msgspec.json.encode(asked))
    with (folder / ASKED).open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FinwaitError(f"{folder} is not at its end yet", why="another finwait works on it") from None
        parts = {f".{name.replace(':', '-')}" for name in asked.kernels}
        for left in (one for kind in (SCRATCH, BOOTED) for one in folder.glob(f"{kind}*") if one.name not in parts):
            shutil.rmtree(left)
        yield folder.absolute()


def _check(folder: Path, asked: RunAsked) -> None:
    try:
        before = msgspec.json.decode((folder / ASKED).read_bytes(), type=RunAsked)
    except (OSError, msgspec.DecodeError) as error:
        raise FinwaitError(
            f"{folder} cannot be gone on with ({error})", why="it is no folder of finwait matrix or mutate"
        ) from error
    if objection := before.objection(asked):
        raise FinwaitError(f"{folder} cannot be gone on with", why=objection, hint="the same command, or a new run")
