"""Builds a kernel before and after a change, unless the change cannot matter."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.errors import FinwaitError
from harness.kernels.supply.build import Built, build, check_machine
from harness.kernels.supply.cache import Cache, sha256_of
from harness.kernels.supply.make import NotBuilt
from harness.kernels.supply.sources import Sources
from harness.patch.reading import Patch

_UNBUILT = re.compile(
    r"(Documentation|LICENSES|samples|tools/(testing|perf))/|MAINTAINERS|CREDITS|COPYING|README|\.[\w.-]+$"
)
"""What is compiled into no kernel."""
_C = (".c", ".h", ".S")

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Builds:
    """The kernels before and after a change.

    Args:
        before: as it was.
        after: with the change.
        names: the files that differ.
    """

    before: Built
    after: Built
    names: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether both are the same to the octet."""
        return sha256_of(self.before.binary) == sha256_of(self.after.binary)


def built_at(sources: Sources, version: str, cache: Cache, tell: Tell) -> Built:
    """The kernel of a version.

    Args:
        sources: where it is checked out.
        version: a commit or a git tree.
        cache: where it is kept.
        tell: called with what make prints.

    Raises:
        FinwaitError: it cannot be checked out or built.
    """
    with sources.held():
        return build(sources.tree, cache, content=sources.check_out(version), progress=tell)


def builds(sources: Sources, base: str, change: Patch | str, cache: Cache, tell: Tell) -> Builds | str:
    """Both kernels, or why the change cannot matter, which is found without a build.

    Args:
        sources: where both are checked out.
        base: a commit or a git tree.
        change: a patch to apply to it, or another version.
        cache: where they are kept.
        tell: called with what make prints.

    Raises:
        FinwaitError: the patch does not apply, or the kernel before it cannot be built.
        NotBuilt: the one with it cannot.
    """
    check_machine()
    with sources.held():
        first = sources.check_out(base)
        second = _changed(sources, change)
        names = sources.differing(first, second)
        if why := _of_no_account(sources, first, second, names):
            return why
        sources.check_out(first)
        try:
            before = build(sources.tree, cache, content=first, progress=tell)
        except NotBuilt as error:
            raise FinwaitError(f"also without the patch no kernel can be built: {error.line}") from error
        _changed(sources, change)
        try:
            after = build(sources.tree, cache, content=second, progress=tell)
        except NotBuilt as error:
            raise NotBuilt("with the patch no kernel can be built", error.line, why="") from error
    return Builds(before, after, tuple(names))


def _changed(sources: Sources, change: Patch | str) -> str:
    return sources.apply(change.text, change.touched) if isinstance(change, Patch) else sources.check_out(change)


def _of_no_account(sources: Sources, first: str, second: str, names: Sequence[str]) -> str:
    if first == second:
        raise FinwaitError("the patch changes nothing", why="both versions hold the same")
    if all(_UNBUILT.match(name) for name in names):
        return "it changes no file that a kernel is built from"
    if all(name.endswith(_C) for name in names):
        texts = [[_without_comments(sources.text(version, name)) for name in names] for version in (first, second)]
        if texts[0] == texts[1]:
            return "it changes comments alone"
    return ""


def _without_comments(text: str) -> str:
    """C as its preprocessor leaves it without including or expanding anything: no comment and no empty line."""
    if not text:
        return ""
    argv = ("gcc", "-fpreprocessed", "-dD", "-E", "-P", "-x", "c", "-")
    ran = subprocess.run(argv, input=text.encode(errors="surrogateescape"), capture_output=True, check=False)
    return ran.stdout.decode(errors="surrogateescape") if ran.returncode == 0 else text
