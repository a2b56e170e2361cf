"""Packages that are damaged, gone, refused, or cut off while they are fetched."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.kernels.supply.cache import Cache
from harness.kernels.supply.fetch import fetch_deb, find, unpack
from tests.kernels.repository import SUITE, Mirror, cannot_fetch, cannot_find, needs_apt, served

pytestmark = needs_apt


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "my cache" / "finwait")


def test_package_cut_short(mirror: Mirror, cache: Cache) -> None:
    deb = mirror.add("1")
    package = find(mirror.source, "thing", SUITE, cache)[0]
    os.truncate(deb, package.size - 10)
    cannot_fetch("its content is not what the index says", mirror.source, package, cache)
    with served(mirror) as source:
        cannot_fetch("it is incomplete", source, find(source, "thing", SUITE, cache)[0], cache)


_FETCHER = """
import sys
from pathlib import Path
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.fetch import Source, fetch_deb, find
uri, ring, cache = sys.argv[1], Path(sys.argv[2]), Cache(Path(sys.argv[3]))
source = Source(uri, keyring=ring, settings=('APT::Architecture "amd64";',))
package = find(source, "thing", "trial", cache)[0]
print("found", flush=True)
fetch_deb(source, package, cache)
"""


def test_download_that_is_killed_in_the_middle(mirror: Mirror, cache: Cache) -> None:
    mirror.add("1", "x" * 1_000_000)
    with served(mirror, threading.Event()) as source:
        argv = [sys.executable, "-c", _FETCHER, source.mirror, str(source.keyring), str(cache.root)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as fetcher:
            assert fetcher.stdout is not None
            assert fetcher.stdout.readline() == b"found\n"
            _wait_for_some_of_it(cache.root / "unfinished")
            fetcher.kill()
        # Whoever wants it next gets the lock at once: nothing of the killed run is still downloading.
        assert cache.entries() == []
    package = find(mirror.source, "thing", SUITE, cache)[0]
    assert unpack(fetch_deb(mirror.source, package, cache), cache).is_dir()
    assert cache.verify() == []


def _wait_for_some_of_it(folder: Path) -> None:
    deadline = time.monotonic() + 20
    while not any(file.is_file() and file.stat().st_size for file in folder.rglob("*")):
        assert time.monotonic() < deadline, "apt wrote nothing"
        os.sched_yield()


def test_package_changed(mirror: Mirror, cache: Cache) -> None:
    deb = mirror.add("1")
    package = find(mirror.source, "thing", SUITE, cache)[0]
    deb.write_bytes(deb.read_bytes().replace(b"hello", b"jello"))
    cannot_fetch("its content is not what the index says", mirror.source, package, cache)


def test_package_gone_from_the_mirror(mirror: Mirror, cache: Cache) -> None:
    mirror.add("1").unlink()
    package = find(mirror.source, "thing", SUITE, cache)[0]
    cannot_fetch("gone from the mirror", mirror.source, package, cache)


@pytest.mark.parametrize(
    ("version", "status", "why"),
    [("1", 404, "gone from the mirror"), ("1.404-1", 503, "503  Service Unavailable")],
)
def test_package_that_the_mirror_refuses(mirror: Mirror, cache: Cache, version: str, status: int, why: str) -> None:
    mirror.add(version)
    with served(mirror, refused=status) as source:
        cannot_fetch(why, source, find(source, "thing", SUITE, cache)[0], cache)


def test_package_gone_from_the_index(mirror: Mirror, cache: Cache) -> None:
    deb = mirror.add("1")
    package = find(mirror.source, "thing", SUITE, cache)[0]
    deb.unlink()
    mirror.add("2")
    assert [found.version for found in find(mirror.source, "thing", SUITE, cache)] == ["2"]
    cannot_fetch("it is gone from the index", mirror.source, package, cache)


def test_other_content_under_the_pinned_version(mirror: Mirror, cache: Cache) -> None:
    mirror.add("1", "as it was")
    package = find(mirror.source, "thing", SUITE, cache)[0]
    mirror.add("1", "as it is.")
    find(mirror.source, "thing", SUITE, cache)
    cannot_fetch("serves another file under this name and version", mirror.source, package, cache)


def test_no_such_suite(mirror: Mirror, cache: Cache) -> None:
    cannot_find("the mirror has no such suite", mirror.source, cache)


def test_mirror_that_does_not_answer(mirror: Mirror, cache: Cache) -> None:
    cannot_find("does not answer", replace(mirror.source, mirror="http://127.0.0.1:9/debian"), cache)


def test_mirror_whose_name_is_unknown(mirror: Mirror, cache: Cache) -> None:
    cannot_find("offline", replace(mirror.source, mirror="http://mirror.invalid/debian"), cache)
