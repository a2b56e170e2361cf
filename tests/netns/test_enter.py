"""Namespaces as file descriptors."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netns import enter
from netns.enter import Namespace


def _here() -> int:
    return Path("/proc/thread-self/ns/net").stat().st_ino


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    created = Namespace.create()
    yield created
    created.close()


def test_creating_one_leaves_the_caller_where_it_is() -> None:
    home = _here()
    created = Namespace.create()
    assert _here() == home != created.inode
    created.close()


def test_inside_everything_belongs_to_it_and_outside_nothing_does(namespace: Namespace) -> None:
    home = _here()
    with namespace.entered():
        assert _here() == namespace.inode
        assert [name for _, name in socket.if_nameindex()] == ["lo"]
    assert _here() == home


def test_an_error_inside_brings_the_caller_home(namespace: Namespace) -> None:
    home = _here()
    with pytest.raises(ZeroDivisionError), namespace.entered():
        _ = 1 / 0
    assert _here() == home


def test_entering_moves_the_calling_thread_alone(namespace: Namespace) -> None:
    home = _here()
    seen: list[int] = []
    with namespace.entered():
        thread = threading.Thread(target=lambda: seen.append(_here()))
        with Namespace(os.dup(namespace.descriptor)).entered():
            pass
        assert _here() == namespace.inode
    thread.start()
    thread.join()
    assert seen == [home]


def test_one_that_cannot_be_held_leaves_the_caller_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with Namespace.create().entered():
        pass  # it is known where the caller is
    home = _here()

    def fails() -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(enter, "_current", fails)
    with pytest.raises(OSError, match="Too many open files"):
        Namespace.create()
    assert _here() == home


def test_thread_that_left_for_a_namespace_of_its_own_comes_back_to_that_one() -> None:
    seen = []

    def leave() -> None:
        namespace = Namespace.create()
        with namespace.entered():
            pass
        enter.unshare(enter.CLONE_NEWNET)
        own = _here()
        with namespace.entered():
            pass
        namespace.close()
        seen.append(_here() == own)

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    assert seen == [True]


def test_a_refused_call_carries_its_errno() -> None:
    with pytest.raises(OSError, match="unshare") as caught:
        enter.unshare(0x1)  # no such flag
    assert caught.value.errno == errno.EINVAL


def test_no_descriptor_is_left_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    created = Namespace.create()
    with created.entered():
        pass
    created.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_child_process_does_not_inherit_it(namespace: Namespace) -> None:
    assert not os.get_inheritable(namespace.descriptor)
