"""Programs that are worth going on from, kept in a folder: what was reached with them, found, and run already."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import NamedTuple

import msgspec

from harness.explore.attempt import Attempt
from harness.explore.differences import Signature
from harness.explore.finding import read_versioned
from harness.trace.folder import Unwritable, write_whole

VERSION = 1
"""Of the file; steps of another may mean something else."""
FILE = "corpus.json"


class KnownFinding(NamedTuple):
    """A kind of difference that was shown already, and the kernels that differ, in the order of the answers."""

    kernels: tuple[str, ...]
    signature: Signature


class Corpus(msgspec.Struct, forbid_unknown_fields=True):
    """What searches leave to the next.

    Args:
        kept: programs that reached something new, in the order in which they did.
        known: what was shown.
        ran: how many programs of a seed and theme were run, by ``THEME SEED``.
        version: of the file.
    """

    kept: list[Attempt] = []
    known: list[KnownFinding] = []
    ran: dict[str, int] = {}
    version: int = VERSION

    def signatures(self, kernels: tuple[str, ...]) -> set[Signature]:
        """What was shown of these kernels."""
        return {one.signature for one in self.known if one.kernels == kernels}

    def show(self, kernels: tuple[str, ...], signatures: Set[Signature]) -> None:
        """Take as known what was shown of these kernels."""
        self.known += [KnownFinding(kernels, one) for one in sorted(signatures - self.signatures(kernels))]


def read_corpus(folder: Path) -> Corpus:
    """What a folder holds; nothing where it is new.

    Raises:
        FinwaitError: it cannot be read, or is no corpus, or one of another version.
    """
    if _is_new(folder):
        return Corpus()
    return read_versioned(folder / FILE, Corpus, VERSION, "corpus", "a folder that finwait explore --corpus has made")


def _is_new(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except FileNotFoundError:
        return True
    except OSError:
        return False  # whoever reads its file says why that cannot be


def write_corpus(folder: Path, corpus: Corpus) -> None:
    """Write it, whole or not at all.

    Raises:
        FinwaitError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritable(folder / FILE, error) from error
    write_whole(folder / FILE, msgspec.json.encode(corpus))
