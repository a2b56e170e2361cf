"""The cache: whole entries or none, whatever happens to the process that makes them."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache


def writes(text: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "deep/file").write_text(text)
        (folder / "link").symlink_to("deep/file")

    return make


def writes_one(content: bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / "file").write_bytes(content)

    return make


def refuses(_folder: Path) -> None:
    raise AssertionError("made twice")


def test_made_once_and_found_afterwards(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "a cache")
    content = cache.fill("tree", "k", writes("x"))
    assert (content / "link").read_text() == "x"
    assert cache.fill("tree", "k", refuses) == content
    assert cache.content("tree", "k") == content


def test_what_failed_is_not_kept(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        writes("half")(folder)
        raise FinwaitError("cut short")

    cache = Cache(tmp_path)
    with pytest.raises(FinwaitError, match="cut short"):
        cache.fill("tree", "k", fails)
    assert cache.content("tree", "k") is None
    assert cache.entries() == []
    assert list((tmp_path / "unfinished").iterdir()) == []
    assert cache.fill("tree", "k", writes("x")).is_dir()


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "no space left in"),
        (errno.EDQUOT, "no space left in"),
        (errno.EACCES, "cannot write"),
        (errno.EROFS, "cannot write"),
        (errno.EIO, "cannot use the cache"),
    ],
)
def test_what_the_disk_says_in_one_line(tmp_path: Path, number: int, said: str) -> None:
    def fails(_folder: Path) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path / "file"))

    with pytest.raises(FinwaitError) as caught:
        Cache(tmp_path).fill("tree", "k", fails)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_cache_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FinwaitError, match="cannot use the cache"):
        Cache(tmp_path / "file").fill("tree", "k", writes("x"))


def test_place_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache.of_user().root == tmp_path / "finwait"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the XDG specification: to be ignored
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Cache.of_user().root == Path("/home/somebody/.cache/finwait")


def test_under_sudo_the_callers_cache_lends_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    callers = Cache(tmp_path / "caller/.cache/finwait")
    content = callers.fill("tree", "k", writes("x"))
    callers.pin("uml:6.1", [1])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: Mock(pw_dir=str(tmp_path / "caller")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "root"))
    monkeypatch.setenv("SUDO_UID", "1000")
    roots = Cache.of_user()
    assert roots.content("tree", "k") == content
    assert roots.pinned("uml:6.1") == [1]
    assert not roots.remove("tree", "k")
    roots.pin("uml:6.1", [2])
    assert (roots.pinned("uml:6.1"), callers.pinned("uml:6.1")) == ([2], [1])


_MAKER = """
import sys
from pathlib import Path
from harness.kernels.supply.cache import Cache

def make(folder):
    (folder / "file").write_text("half")
    print("started", flush=True)
    sys.stdin.read()

Cache(Path(sys.argv[1])).fill("tree", "k", make)
"""


def _killed_maker(cache: Cache) -> None:
    """A process that dies by SIGKILL while it makes the entry tree/k."""
    argv = [sys.executable, "-c", _MAKER, str(cache.root)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_killed_maker_leaves_nothing_that_is_taken_for_whole(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    _killed_maker(cache)
    assert cache.content("tree", "k") is None
    assert cache.entries() == []
    content = cache.fill("tree", "k", writes("x"))
    assert sorted(path.name for path in content.iterdir()) == ["deep", "link"]
    assert cache.verify() == []


def test_sweep_takes_what_is_dead_and_leaves_what_is_being_made(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    _killed_maker(cache)

    def sweeps_meanwhile(folder: Path) -> None:
        assert cache.sweep() == ["tree-k"]
        assert folder.is_dir()

    cache.fill("tree", "other", sweeps_meanwhile)
    assert cache.sweep() == []


def _fill(root: Path, log: Path) -> None:
    def make(folder: Path) -> None:
        with log.open("a") as file:
            file.write("made\n")
        writes("x")(folder)

    Cache(root).fill("tree", "k", make)


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    started = multiprocessing.get_context("spawn")
    processes = [started.Process(target=_fill, args=(tmp_path / "cache", log)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert log.read_text() == "made\n"


def test_made_by_somebody_else_while_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path)
    plain_lock = cache.lock

    @contextmanager
    def lock(name: str) -> Iterator[bool]:
        Cache(tmp_path).fill("tree", "k", writes("theirs"))
        with plain_lock(name) as held:
            yield held

    monkeypatch.setattr(cache, "lock", lock)
    assert (cache.fill("tree", "k", refuses) / "link").read_text() == "theirs"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: (content / "deep/file").write_text("y"), "tree/k/deep/file: changed"),
        (lambda content: (content / "deep/file").unlink(), "tree/k/deep/file: gone"),
        (lambda content: (content / "new").touch(), "tree/k/new: was not there"),
        (
            lambda content: (content.parent / "manifest.json").unlink(),
            "tree/k: manifest.json is missing or unreadable",
        ),
    ],
)
def test_verify_finds_damage(tmp_path: Path, damage: Callable[[Path], object], said: str) -> None:
    cache = Cache(tmp_path)
    content = cache.fill("tree", "k", writes("x"))
    assert cache.verify() == []
    damage(content)
    assert said in cache.verify()


def test_verify_finds_a_link_that_points_elsewhere(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    link = cache.fill("tree", "k", writes("x")) / "link"
    link.unlink()
    link.symlink_to("/etc/passwd")
    assert cache.verify() == ["tree/k/link: changed"]


def test_a_deb_is_also_held_against_its_key(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    key = hashlib.sha256(b"x").hexdigest()
    cache.fill("deb", key, writes_one(b"x"))
    cache.fill("deb", "0" * 64, writes_one(b"x"))
    assert cache.verify() == [f"deb/{'0' * 64}/file: is not what its key says"]


def test_remove(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.fill("tree", "k", writes("x"))
    assert cache.remove("tree", "k")
    assert cache.content("tree", "k") is None
    assert not cache.remove("tree", "k")


def test_entries_and_their_size(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.fill("tree", "k", writes_one(bytes(1000)))
    (entry,) = cache.entries()
    assert (entry.kind, entry.key, entry.size) == ("tree", "k", 1000)


def test_pins(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert cache.pinned("uml:5.10") is None
    cache.pin("uml:5.10", [1])
    cache.pin("uml:5.10", [2])
    assert cache.pinned("uml:5.10") == [2]
    assert cache.entries() == []
