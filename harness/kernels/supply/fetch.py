"""Debian packages for the cache: found in a signed index, downloaded, checked by hash, unpacked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.supply.apt import FETCH_LIMIT, QUICK_LIMIT, Apt, Source
from harness.kernels.supply.cache import Cache, sha256_of
from harness.kernels.supply.versions import newer_first
from harness.process import Ended, run_to_end

__all__ = ["Package", "Source", "fetch_deb", "find", "unpack"]

_CAT = "/usr/lib/apt/apt-helper"
_STANZA_FIELDS = ("Package", "Version", "Architecture", "SHA256", "Size")
_STANZA_STARTS = tuple(f"{field}:".encode() for field in _STANZA_FIELDS)


@dataclass(frozen=True, slots=True)
class Package:
    """One package as a suite's signed index lists it; ``size`` in bytes, ``sha256`` in hexadecimal."""

    name: str
    version: str
    architecture: str
    suite: str
    sha256: str
    size: int


def find(source: Source, name_pattern: str, suite: str, cache: Cache | None = None) -> list[Package]:
    """The packages of a suite whose whole name matches a regular expression, the newest version first.

    The suite's index is brought up to date first and checked against the source's keyring.

    Raises:
        FinwaitError: no apt, offline, no such suite, a wrong signature, no space.
    """
    apt = Apt(source, suite, cache or Cache.of_user())
    name = re.compile(name_pattern)
    with apt.cache.lock(f"apt-{apt.name}"):
        _check(apt, apt.run("apt-get", "-q", "--error-on=any", "update"), f"cannot get the index of {suite}")
        listed = apt.run(
            "apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Packages", limit=QUICK_LIMIT
        )
        found = [
            package
            for file in listed.lines
            for package in parse_index(_index(apt, file), suite)
            if name.fullmatch(package.name)
        ]
    return sorted(found, key=lambda package: newer_first(package.version))


def _index(apt: Apt, file: str) -> Iterator[bytes]:
    """The lines of an index, however apt keeps it."""
    with subprocess.Popen(
        (_CAT, "cat-file", file), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=apt.environment()
    ) as process:
        assert process.stdout is not None  # noqa: S101  it is a pipe
        yield from process.stdout
    if process.returncode != 0:
        raise FinwaitError(f"cannot read apt's index {file}", hint=f"remove the folder {apt.folder}")


def parse_index(lines: Iterable[bytes], suite: str) -> Iterator[Package]:
    """The packages of a Packages index (deb822(5)); a stanza without hash or size is passed over."""
    stanza: dict[str, str] = {}
    for line in chain(lines, (b"\n",)):
        if line == b"\n":
            if len(stanza) == len(_STANZA_FIELDS):
                yield Package(
                    stanza["Package"],
                    stanza["Version"],
                    stanza["Architecture"],
                    suite,
                    stanza["SHA256"],
                    int(stanza["Size"]),
                )
            stanza = {}
        elif line.startswith(_STANZA_STARTS):
            field, _, value = line.decode("utf-8", "replace").partition(":")
            stanza[field] = value.strip()


def fetch_deb(source: Source, package: Package, cache: Cache) -> Path:
    """The package's .deb in the cache, downloaded first when it is not there; without any network when it is.

    Raises:
        FinwaitError: offline, no space, the package is gone from the index or the mirror, or its content is
            not what the index says.
    """

    def download(folder: Path) -> None:
        apt = Apt(source, package.suite, cache)
        wanted = f"{package.name}:{package.architecture}={package.version}"
        what = f"cannot fetch {package.name} {package.version} from {package.suite}"
        free = shutil.disk_usage(folder).free
        if free < package.size:  # from a file: mirror, apt copies what fits and calls it done
            raise FinwaitError(
                f"{what}: no space left in {cache.root}",
                why=f"it needs {package.size / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free",
                hint="make room, or set XDG_CACHE_HOME to a folder with more",
            )
        with cache.lock(f"apt-{apt.name}"):
            _check(apt, apt.run("apt-get", "-q", "download", wanted, cwd=folder), what)
        _check_deb(folder, package, what)

    return _only_file(cache.fill("deb", package.sha256, download))


def _check_deb(folder: Path, package: Package, what: str) -> None:
    deb = _only_file(folder)
    size = deb.stat().st_size
    if size != package.size:
        raise FinwaitError(f"{what}: {size} bytes instead of {package.size}", why="the download is incomplete or wrong")
    got = sha256_of(deb)
    if got != package.sha256:
        raise FinwaitError(
            f"{what}: SHA256 {got[:16]}... instead of {package.sha256[:16]}...",
            why="the mirror serves another file under this name and version",
        )


def unpack(deb: Path, cache: Cache) -> Path:
    """The folder with the tree that a .deb holds, kept under the SHA256 of the .deb.

    Raises:
        FinwaitError: it is not a Debian package, no dpkg-deb on this machine, no space.
    """

    def extract(folder: Path) -> None:
        if shutil.which("dpkg-deb") is None:
            raise FinwaitError("there is no dpkg-deb on this machine", hint="install dpkg")
        ended = run_to_end(("dpkg-deb", "-x", str(deb), str(folder)), limit=FETCH_LIMIT, cwd=folder, env=_plain_env())
        if ended.status != 0:
            raise _meaning(ended, f"cannot unpack {deb.name}", str(cache.root))

    try:
        key = sha256_of(deb)
    except OSError as error:
        raise FinwaitError(f"cannot read {deb}", why=error.strerror or "") from error
    return cache.fill("tree", key, extract)


def _plain_env() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}


def _only_file(folder: Path) -> Path:
    files = list(folder.iterdir())
    if len(files) != 1:
        raise FinwaitError(f"{folder} holds {len(files)} files instead of one", hint="remove that folder")
    return files[0]


# What apt and dpkg say, and what it means to the reader: (a part of the message, the cause, what to try).
_MEANINGS = (
    (
        "No space left on device",
        "no space left",
        "make room in {place}, or set XDG_CACHE_HOME to a folder with more",
    ),
    (
        "enough free space",
        "no space left",
        "make room in {place}, or set XDG_CACHE_HOME to a folder with more",
    ),
    ("NO_PUBKEY", "it is signed with a key that the keyring has not", "another keyring, with --keyring"),
    ("BADSIG", "its signature is wrong", "another mirror; somebody may have changed this one"),
    ("is not signed", "it is not signed", "another mirror"),
    (
        "At least one invalid signature",
        "its signature is wrong",
        "another mirror; somebody may have changed this one",
    ),
    (
        "Could not resolve",
        "offline, or the mirror's name is wrong",
        "what is in the cache already needs no network",
    ),
    ("Temporary failure resolving", "offline", "what is in the cache already needs no network"),
    ("Network is unreachable", "offline", "what is in the cache already needs no network"),
    ("onnection refused", "the mirror does not answer", "later, or another mirror"),
    ("Could not connect", "the mirror does not answer", "later, or another mirror"),
    ("onnection timed out", "the mirror does not answer", "later, or another mirror"),
    (
        "Hash Sum mismatch",
        "its content is not what the index says",
        "later: the mirror may be in the middle of an update",
    ),
    ("unexpected size", "it is incomplete, or the mirror is in the middle of an update", "later, or another mirror"),
    ("does not have a Release file", "the mirror has no such suite", "another mirror"),
    ("Unable to locate package", "it is gone from the index", "finwait kernels fetch --renew, for a newer version"),
    ("was not found", "it is gone from the index", "finwait kernels fetch --renew, for a newer version"),
    ("Can't find a source", "it is gone from the index", "finwait kernels fetch --renew, for a newer version"),
    (
        "  404  ",
        "it is in the index but gone from the mirror",
        "finwait kernels fetch --renew later, or another mirror",
    ),
    (
        "File not found",
        "it is in the index but gone from the mirror",
        "finwait kernels fetch --renew later, or another mirror",
    ),
    ("not a Debian format archive", "it is not a Debian package", "the path of a .deb"),
    ("is not a Debian", "it is not a Debian package", "the path of a .deb"),
)


def _check(apt: Apt, ended: Ended, what: str) -> None:
    if ended.status != 0:
        raise _meaning(ended, what, str(apt.folder))


def _meaning(ended: Ended, what: str, place: str) -> FinwaitError:
    if ended.status is None:
        return FinwaitError(what, why=f"not done after {ended.seconds:.0f} s", hint="later, or another mirror")
    text = "\n".join(ended.lines)
    for part, why, hint in _MEANINGS:
        if part in text:
            return FinwaitError(what, why=why, hint=hint.format(place=place))
    return FinwaitError(what, why=" ".join(line.strip() for line in ended.lines[-2:]))
