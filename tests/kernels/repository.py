"""A signed repository made for the tests of fetching, which can be damaged, and served as slowly as one likes."""

from __future__ import annotations

import functools
import hashlib
import http.server
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import pytest

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.fetch import Package, Source, fetch_deb, find

_NEEDED = ("apt-get", "dpkg-deb", "gpg", "gpgv")
GONE = [name for name in _NEEDED if shutil.which(name) is None]
needs_apt = pytest.mark.skipif(bool(GONE), reason="needs " + ", ".join(GONE))
SUITE = "trial"


def make_key(home: Path, name: str) -> Path:
    """A key pair in a GnuPG home of its own; its public half as a keyring file."""
    ring = home.parent / f"{name}.gpg"
    make = ("--quick-generate-key", name, "ed25519", "sign", "never")
    gpg(home, "--passphrase", "", "--pinentry-mode", "loopback", *make)
    gpg(home, "--output", str(ring), "--export", name)
    return ring


def gpg(home: Path, *argv: str) -> None:
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
        gpg(self.home, "--clear-sign", "--output", str(suite / "InRelease"), str(suite / "Release"))

    def _stanza(self, deb: Path) -> str:
        name, version, _ = deb.name.split("_")
        data = deb.read_bytes()
        return (
            f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: t <t@e>\n"
            f"Filename: pool/{deb.name}\nSize: {len(data)}\n"
            f"SHA256: {hashlib.sha256(data).hexdigest()}\nDescription: x\n"
        )


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
