"""Fetching from a signed repository made for the test, and what is refused before anything is fetched."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.kernels.supply import provide
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.fetch import Package, Source, fetch_deb, find, parse_index, unpack
from harness.kernels.supply.spec import KernelKind, KernelSpec
from netns import privilege
from tests.kernels.repository import SUITE, Mirror, cannot_fetch, cannot_find, needs_apt

pytestmark = needs_apt


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "my cache" / "finwait")


def test_found_fetched_and_unpacked(mirror: Mirror, cache: Cache) -> None:
    for version in ("1.9", "1.10", "1.10~rc1"):
        mirror.add(version, f"content of {version}")
    mirror.add("5", name="thing-else")
    found = find(mirror.source, "thing", SUITE, cache)
    assert [package.version for package in found] == ["1.10", "1.10~rc1", "1.9"]
    tree = unpack(fetch_deb(mirror.source, found[0], cache), cache)
    assert (tree / "usr/file").read_text() == "content of 1.10"
    assert [entry.kind for entry in cache.entries()] == ["deb", "tree"]
    assert cache.verify() == []


def test_nothing_outside_the_cache_is_written(mirror: Mirror, cache: Cache, tmp_path: Path) -> None:
    mirror.add("1")
    before = set(tmp_path.iterdir())
    fetch_deb(mirror.source, find(mirror.source, "thing", SUITE, cache)[0], cache)
    assert set(tmp_path.iterdir()) - before == {cache.root.parent}


def test_what_is_in_the_cache_needs_no_mirror(mirror: Mirror, cache: Cache) -> None:
    mirror.add("1")
    package = find(mirror.source, "thing", SUITE, cache)[0]
    deb = fetch_deb(mirror.source, package, cache)
    shutil.rmtree(mirror.root)
    assert fetch_deb(mirror.source, package, cache) == deb


def test_signature_of_a_stranger(mirror: Mirror, cache: Cache, keys: tuple[Path, Path, Path]) -> None:
    mirror.add("1")
    cannot_find("signed with a key that the keyring has not", replace(mirror.source, keyring=keys[2]), cache)


def test_index_changed_after_it_was_signed(mirror: Mirror, cache: Cache) -> None:
    mirror.add("1")
    signed = mirror.root / "dists" / SUITE / "InRelease"
    signed.write_text(signed.read_text().replace("Codename: trial", "Codename: trail"))
    cannot_find("its signature is wrong", mirror.source, cache)


def test_packages_file_changed(mirror: Mirror, cache: Cache) -> None:
    mirror.add("1")
    index = mirror.root / "dists" / SUITE / "main/binary-amd64/Packages"
    index.write_text(index.read_text().replace("thing", "thang"))
    cannot_find("its content is not what the index says", mirror.source, cache)


def test_unsigned_only_when_that_is_asked_for(mirror: Mirror, cache: Cache) -> None:
    mirror.add("1")
    (mirror.root / "dists" / SUITE / "InRelease").unlink()
    cannot_find("it is not signed", mirror.source, cache)
    insecure = replace(mirror.source, insecure=True)
    assert [package.name for package in find(insecure, "thing", SUITE, cache)] == ["thing"]


def test_no_apt(mirror: Mirror, cache: Cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    cannot_find("there is no apt-get on this machine", mirror.source, cache)
    with pytest.raises(FinwaitError, match="there is no apt-get on this machine"):
        Source.of_system()


def test_no_keyring(mirror: Mirror, cache: Cache, tmp_path: Path) -> None:
    cannot_find("cannot read the keyring", replace(mirror.source, keyring=tmp_path / "none.gpg"), cache)


def test_security_suite_without_a_mirror(mirror: Mirror, cache: Cache) -> None:
    with pytest.raises(FinwaitError, match="no mirror is known for trial-security"):
        find(mirror.source, "thing", "trial-security", cache)


def test_what_is_no_package(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(b"!<arch>\ndebian-binary   " + bytes(2000))
    with pytest.raises(FinwaitError, match="cannot unpack") as caught:
        unpack(tmp_path / "x.deb", cache)
    assert "\n" not in str(caught.value)
    assert cache.entries() == []
    with pytest.raises(FinwaitError, match="cannot read"):
        unpack(tmp_path / "none.deb", cache)


@pytest.mark.skipif(not privilege.is_root(), reason="needs root, to mount a file system without room")
def test_no_space(mirror: Mirror, tmp_path: Path) -> None:
    mirror.add("1", "x" * 40_000_000)
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(small)], check=True)
    try:
        cache = Cache(small / "finwait")
        package = find(mirror.source, "thing", SUITE, cache)[0]
        cannot_fetch("no space left", mirror.source, package, cache)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_index_stanzas() -> None:
    lines = [
        b"Package: a\n", b"Version: 1\n", b"Architecture: all\n", b"Size: 5\n", b"SHA256: ff\n", b"\n",
        b"Package: without-a-hash\n", b"Version: 1\n", b"\n",
        b"Package: b\n", b"Version: 2\n", b"Architecture: amd64\n", b"Size: 6\n", b"SHA256: ee\n",
    ]  # fmt: skip
    assert list(parse_index(lines, "s")) == [
        Package("a", "1", "all", "s", "ff", 5),
        Package("b", "2", "amd64", "s", "ee", 6),
    ]


THING = KernelSpec("uml:trial", KernelKind.UML, "1", (SUITE,), ("thing",), "1")


def test_name_stays_what_it_was_until_it_is_renewed(mirror: Mirror, cache: Cache) -> None:
    mirror.add("1.1", "old")
    with pytest.raises(FinwaitError, match="uml:trial is not in the cache"):
        provide.provided(THING, cache)
    (old,) = provide.provide(THING, cache, mirror.source)
    mirror.add("1.2", "new")
    assert provide.provide(THING, cache, mirror.source) == (old,) == provide.provided(THING, cache)
    (new,) = provide.provide(THING, cache, mirror.source, renew=True)
    assert (new / "usr/file").read_text() == "new"
    assert provide.provided(THING, cache) == (new,)


def test_only_the_series_that_was_asked_for(mirror: Mirror, cache: Cache) -> None:
    mirror.add("2.1")
    with pytest.raises(FinwaitError, match=r"uml:trial is no longer in trial; there is thing 2\.1"):
        provide.provide(THING, cache, mirror.source)


def test_suite_without_a_known_mirror_is_passed_over_for_the_next(mirror: Mirror, cache: Cache) -> None:
    mirror.add("1.1", "stable")
    spec = replace(THING, suites=(f"{SUITE}-security", SUITE))
    bare = replace(mirror.source, security="")
    (tree,) = provide.provide(spec, cache, bare)
    assert (tree / "usr/file").read_text() == "stable"
    with pytest.raises(FinwaitError, match=f"no mirror is known for {SUITE}-security"):
        provide.provide(replace(THING, suites=(f"{SUITE}-security",)), cache, bare, renew=True)


def test_packages_that_belong_together_have_one_version() -> None:
    spec = replace(THING, packages=("a-.*", "b-.*"))

    def package(name: str, version: str) -> Package:
        return Package(name, version, "all", SUITE, name + version, 1)

    candidates = [package("a-x", "1.3"), package("b-x", "1.2"), package("a-x", "1.2"), package("b-x", "1.1")]
    assert provide.newest_set(candidates, spec) == (candidates[2], candidates[1])
    assert provide.newest_set(candidates[:2], spec) == ()
