"""Fetching from a signed repository made for the test, and every way in which it goes wrong."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import pytest

from harness.errors import FinwaitError
from harness.kernels.supply import provide
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.fetch import Package, Source, fetch_deb, find, parse_index, unpack
from harness.kernels.supply.spec import KernelKind, KernelSpec
from netns import privilege

_NEEDED = ("apt-get", "dpkg-deb", "gpg", "gpgv")
_GONE = [name for name in _NEEDED if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(_GONE), reason="needs " + ", ".join(_GONE))
SUITE = "trial"


def _key(home: Path, name: str) -> Path:
    """A key pair in a GnuPG home of its own; its public half as a keyring file."""
    ring = home.parent / f"{name}.gpg"
    make = ("--quick-generate-key", name, "ed25519", "sign", "never")
    _gpg(home, "--passphrase", "", "--pinentry-mode", "loopback", *make)
    _gpg(home, "--output", str(ring), "--export", name)
    return ring


def _gpg(home: Path, *argv: str) -> None:
    command = ("gpg", "--homedir", str(home), "--batch", "--quiet", "--yes", *argv)
    subprocess.run(command, check=True, capture_output=True)


@dataclass(frozen=True)
class Mirror:
    """A repository that can be damaged."""

    root: Path
    home: Path
    source: Source

    def add(self, version: str, content: str = "hello", name: str = "thing") -> Path:
        tree = self.root.parent / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        (tree / "DEBIAN").mkdir(parents=True)
        fields = {
            "Package": name,
            "Version": version,
            "Architecture": "all",
            "Maintainer": "t <t@e>",
            "Description": "x",
        }
        (tree / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
        (tree / "usr").mkdir()
        (tree / "usr/file").write_text(content)
        deb = self.root / "pool" / f"{name}_{version}_all.deb"
        deb.parent.mkdir(exist_ok=True)
        subprocess.run(["dpkg-deb", "--build", "-Znone", str(tree), str(deb)], check=True, capture_output=True)
        self.publish()
        return deb

    def publish(self) -> None:
        """Write the index of what is in the pool, and sign it."""
        suite = self.root / "dists" / SUITE
        index = suite / "main/binary-amd64/Packages"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_text("\n".join(self._stanza(deb) for deb in sorted((self.root / "pool").iterdir())))
        data = index.read_bytes()
        line = f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/Packages\n"
        release = (
            f"RelativeNumbers: Debian\nSuite: {SUITE}\nCodename: {SUITE}\nArchitectures: amd64\nComponents: main\n"
        )
        release += "Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n" + line
        (suite / "Release").write_text(release)
        _gpg(self.home, "--clear-sign", "--output", str(suite / "InRelease"), str(suite / "Release"))

    def _stanza(self, deb: Path) -> str:
        name, version, _ = deb.name.split("_")
        data = deb.read_bytes()
        return (
            f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: t <t@e>\n"
            f"Filename: pool/{deb.name}\nSize: {len(data)}\n"
            f"SHA256: {hashlib.sha256(data).hexdigest()}\nDescription: x\n"
        )


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Path]]:
    """A GnuPG home and two keyrings: the right one and a stranger's."""
    home = tmp_path_factory.mktemp("g") / "home"
    home.mkdir(mode=0o700)
    try:
        right, wrong = _key(home, "right"), _key(home.parent, "wrong")
        yield home, right, wrong
    finally:
        for folder in (home, home.parent):
            subprocess.run(["gpgconf", "--homedir", str(folder), "--kill", "all"], check=True)


@pytest.fixture
def mirror(tmp_path: Path, keys: tuple[Path, Path, Path]) -> Mirror:
    root = tmp_path / "mirror"
    root.mkdir()
    settings = ('APT::Architecture "amd64";', 'Acquire::Retries "0";')
    return Mirror(root, keys[0], Source(f"file:{root}", keyring=keys[1], settings=settings))


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


def fails(said: str, act: Callable[[], object], cache: Cache) -> None:
    """In one line, and with nothing kept."""
    with pytest.raises(FinwaitError) as caught:
        act()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [entry for entry in cache.entries() if entry.kind == "deb"] == []


def cannot_find(said: str, source: Source, cache: Cache) -> None:
    fails(said, lambda: find(source, "thing", SUITE, cache), cache)


def cannot_fetch(said: str, source: Source, package: Package, cache: Cache) -> None:
    fails(said, lambda: fetch_deb(source, package, cache), cache)


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


def test_package_cut_short(mirror: Mirror, cache: Cache) -> None:
    deb = mirror.add("1")
    package = find(mirror.source, "thing", SUITE, cache)[0]
    os.truncate(deb, package.size - 10)
    cannot_fetch("its content is not what the index says", mirror.source, package, cache)
    with served(mirror) as source:
        cannot_fetch("it is cut short", source, find(source, "thing", SUITE, cache)[0], cache)


@contextmanager
def served(mirror: Mirror, stop_at: threading.Event | None = None, refused: int = 0) -> Iterator[Source]:
    """The mirror over HTTP; with ``stop_at`` a package is sent by half, and then nothing until the event.

    With ``refused``, a status of HTTP, no package is sent at all.
    """

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if refused and ".deb" in self.path:
                self.send_error(refused)
            else:
                super().do_GET()

        def copyfile(self, source: BinaryIO, outputfile: BinaryIO) -> None:  # type: ignore[override]
            data = source.read()
            if stop_at is None or ".deb" not in self.path:
                outputfile.write(data)
                return
            outputfile.write(data[: len(data) // 2])
            outputfile.flush()
            stop_at.wait(30)

        def log_message(self, *_args: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(mirror.root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield replace(mirror.source, mirror=f"http://127.0.0.1:{server.server_port}/")
        finally:
            if stop_at is not None:
                stop_at.set()
            server.shutdown()
            thread.join()


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
    with pytest.raises(FinwaitError, match=r"uml:trial is gone from trial; there is thing 2\.1"):
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
