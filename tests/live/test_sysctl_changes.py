"""Sysctls that a scenario reads and sets: its lab's alone, on the timeline, and told of where there is no such one."""

from __future__ import annotations

import pytest

from harness.errors import FinwaitError, Unsupported
from harness.live.session import Session
from harness.tcp.verdict import Mismatch
from netns import sysctls
from tests.live.conftest import calls


def test_sysctl_is_set_in_the_labs_namespace_alone(opened: Session) -> None:
    outside = sysctls.read("net/ipv4/tcp_fin_timeout")
    assert opened.sysctl("net/ipv4/tcp_fin_timeout", 77) == "77"
    with opened.lab.kernel.entered():
        assert sysctls.read("net/ipv4/tcp_fin_timeout") == "77"
    assert sysctls.read("net/ipv4/tcp_fin_timeout") == outside != "77"
    assert calls(opened)[-1] == ("sysctl(net/ipv4/tcp_fin_timeout, 77)", 0)


def test_sysctl_that_the_kernel_has_not_is_recorded_by_errno(opened: Session) -> None:
    with pytest.raises(Unsupported, match="no sysctl net/ipv4/tcp_no_such_thing"):
        opened.sysctl("net/ipv4/tcp_no_such_thing", 1)
    assert calls(opened) == [("sysctl(net/ipv4/tcp_no_such_thing, 1)", "ENOENT")]
    with pytest.raises(Unsupported, match="no sysctl net/ipv4/tcp_no_such_thing"):
        opened.sysctl("net/ipv4/tcp_no_such_thing")


def test_sysctl_that_is_read_is_no_call(opened: Session) -> None:
    assert opened.sysctl("net/ipv4/tcp_wmem") == "4096 16384 4194304"
    assert calls(opened) == []


def test_sysctl_value_that_the_kernel_refuses_deviates(opened: Session) -> None:
    with pytest.raises(Mismatch, match="EINVAL"):
        opened.sysctl("net/ipv4/tcp_fin_timeout", "long")
    assert opened.sysctl("net/ipv4/tcp_fin_timeout") == "60"


@pytest.mark.parametrize(
    "name",
    [
        "kernel/hostname",
        "kernel.hostname",
        "/proc/sys/net/ipv4/tcp_sack",
        "/etc/hostname",
        "net/../kernel/hostname",
        "net/./ipv4",
        "net",
        "net/",
        "",
    ],
)
@pytest.mark.parametrize("new", [None, "of a scenario"])
def test_sysctl_of_the_whole_machine_is_refused_and_stays(opened: Session, name: str, new: str | None) -> None:
    before = sysctls.read("kernel/hostname")
    with pytest.raises(FinwaitError, match="is not a sysctl of a network namespace") as caught:
        opened.sysctl(name, new)
    assert not isinstance(caught.value, Unsupported), "a mistake on every kernel"
    assert sysctls.read("kernel/hostname") == before
    assert calls(opened) == []


def test_sysctl_is_set_by_the_name_with_dots_too(opened: Session) -> None:
    assert opened.sysctl("net.ipv4.tcp_sack", 0) == "0"
    assert opened.sysctl("net/ipv4/tcp_sack") == "0"
    assert calls(opened) == [("sysctl(net/ipv4/tcp_sack, 0)", 0)]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("net/ipv4/tcp_sacks", "net/ipv4/tcp_sack"),
        ("net.ipv5.tcp_sack", "net/ipv4"),
        ("net/ipv4/tcp_sack/all", "net/ipv4/tcp_sack"),
    ],
)
@pytest.mark.parametrize("new", [None, 1])
def test_misspelt_sysctl_is_told_with_those_that_the_kernel_has(
    opened: Session, name: str, near: str, new: int | None
) -> None:
    with pytest.raises(Unsupported, match="has no sysctl") as caught:
        opened.sysctl(name, new)
    assert near in caught.value.why.removeprefix("it has ").split(", ")


@pytest.mark.parametrize("new", [None, 1])
def test_folder_of_sysctls_is_told(opened: Session, new: int | None) -> None:
    with pytest.raises(FinwaitError, match="net/ipv4 is a folder of sysctls") as caught:
        opened.sysctl("net/ipv4", new)
    assert not isinstance(caught.value, Unsupported)


def test_sysctl_that_can_only_be_written_fails_as_a_call(opened: Session) -> None:
    with pytest.raises(Mismatch, match="sysctl"):
        opened.sysctl("net/ipv4/route/flush")
