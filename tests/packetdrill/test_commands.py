"""A script's commands: what they find, what becomes of what they leave behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.packetdrill import commands
from harness.packetdrill.commands import OwnRoom
from harness.packetdrill.tested import Differs
from harness.tcp.timing import MS, Span
from netns import privilege
from netns.enter import Namespace
from tests.packetdrill.mounts import own_mounts

pytestmark = own_mounts
SET = "sysctl -q net.ipv4.tcp_retries1=7 net.ipv4.tcp_rmem='4096 5000 6000'"
VALUES = "cat /proc/sys/net/ipv4/tcp_retries1 /proc/sys/net/ipv4/tcp_rmem"
SEEN = f"""[ "$({VALUES} | tr '\\n\\t' '  ')" = "7 4096 5000 6000 " ]"""


@pytest.fixture(scope="module", autouse=True)
def _privileged() -> None:
    privilege.ensure()


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace.create()
    yield made
    made.close()


def alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_a_command_leaves_running_ends_with_the_script(namespace: Namespace, tmp_path: Path) -> None:
    with OwnRoom(namespace, tmp_path) as room:
        room.sh("sleep 1000 & echo $! >number", 1)
        number = int((tmp_path / "number").read_text())
        assert alive(number)
    assert not alive(number)


def test_a_command_that_does_not_end_is_ended(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with OwnRoom(namespace, tmp_path) as room:
        room.sh("sleep 1000 & echo $! >number", 1)
        monkeypatch.setattr(commands, "PROGRAM_LIMIT", Span(100 * MS, "100 ms"))
        with pytest.raises(Differs, match="the command `sleep 1000` still runs after"):
            room.sh("sleep 1000", 2)
    assert not alive(int((tmp_path / "number").read_text()))


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_sysctl_is_set_without_a_program(shell: str, namespace: Namespace, tmp_path: Path) -> None:
    whole = f"usual=$PATH; PATH=; {SET}; PATH=$usual; {SEEN}"
    if shell == "bash":
        if shutil.which("bash") is None:
            pytest.skip("there is no bash here")
        script = tmp_path / "defaults.sh"
        script.write_text(f"#!/usr/bin/env bash\n{whole}\n")
        script.chmod(0o755)
        whole = "./defaults.sh"
    with OwnRoom(namespace, tmp_path) as room:
        room.sh(whole, 1)


@pytest.mark.skipif(shutil.which("sysctl") is None, reason="there is no sysctl here")
def test_what_sysctl_refuses_or_tells_is_the_programs_own(namespace: Namespace, tmp_path: Path) -> None:
    with OwnRoom(namespace, tmp_path) as room:
        room.sh("sysctl net.ipv4.tcp_retries1=7 | grep -q 'tcp_retries1 = 7'", 1)
        with pytest.raises(Differs, match="ended with status"):
            room.sh("sysctl -q -q", 2)
        for wrong in ("net.ipv4.tcp_rmem=many", "net.ipv4.no_such_thing=1"):
            with pytest.raises(Differs, match=f"ended with status .*sysctl: .*{wrong.partition('=')[0][-5:]}"):
                room.sh(f"sysctl -q {wrong}", 2)
