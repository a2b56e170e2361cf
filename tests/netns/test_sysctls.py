"""Sysctls: pinned in a namespace, and never outside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netns import conditions, sysctls
from netns.enter import Namespace

PINNED = conditions.values(conditions.in_effect(conditions.Settings.HELD), conditions.Kind.SYSCTL)
FIN_TIMEOUT = "net/ipv4/tcp_fin_timeout"


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    created = Namespace.create()
    yield created
    created.close()


def test_everything_is_pinned_to_what_stands_in_the_table(namespace: Namespace) -> None:
    with namespace.entered():
        left = sysctls.pin(PINNED)
        seen = {name: sysctls.read(name) for name in PINNED if name not in left}
    assert seen == {name: " ".join(value.split()) for name, value in PINNED.items() if name not in left}
    assert set(left.values()) <= {"this kernel does not have it"}


def test_a_pin_stays_inside(namespace: Namespace) -> None:
    outside = sysctls.read(FIN_TIMEOUT)
    with namespace.entered():
        assert sysctls.pin({FIN_TIMEOUT: "17"}) == {}
        assert sysctls.read(FIN_TIMEOUT) == "17"
    assert sysctls.read(FIN_TIMEOUT) == outside


def test_what_cannot_be_pinned_is_named_with_its_reason(namespace: Namespace) -> None:
    with namespace.entered():
        left = sysctls.pin({"net/ipv4/tcp_of_tomorrow": "1", FIN_TIMEOUT: "soon", "net/ipv4/tcp_sack": "0"})
        assert sysctls.read("net/ipv4/tcp_sack") == "0", "the others are pinned all the same"
    assert left == {"net/ipv4/tcp_of_tomorrow": "this kernel does not have it", FIN_TIMEOUT: "Invalid argument"}


def test_writing_gives_back_what_was_there(namespace: Namespace) -> None:
    with namespace.entered():
        before = sysctls.read(FIN_TIMEOUT)
        assert before is not None
        assert sysctls.write(FIN_TIMEOUT, "21") == before
        assert sysctls.write(FIN_TIMEOUT, before) == "21"


def test_one_that_the_kernel_has_not_is_none_to_read_and_an_error_to_write(namespace: Namespace) -> None:
    with namespace.entered():
        assert sysctls.read("net/ipv4/tcp_of_tomorrow") is None
        with pytest.raises(FileNotFoundError):
            sysctls.write("net/ipv4/tcp_of_tomorrow", "1")
