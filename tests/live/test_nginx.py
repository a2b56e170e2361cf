"""What a server or a client of a distribution's makes of the kernel under test, played by scripts in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import FinwaitError, Unsupported
from harness.live import nginx
from harness.live.nginx import Curl, Nginx
from harness.live.session import Session
from harness.tcp.timing import MS, Span
from harness.tcp.verdict import Mismatch

READY = "echo 'using the \"epoll\" event method' >&2"
REFUSED = "echo 'nginx: [emerg] bind() to 198.18.0.1:80 failed (98: Address already in use)' >&2"
NOT_OURS = "echo 'nginx: [emerg] chown(\"/tmp/body\", 33) failed (1: Operation not permitted)' >&2"
TRACE = 'until [ "${1##*/}" = nginx ]; do shift; done; "$@"'


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the next programs are found."""
    monkeypatch.setattr("harness.live.command._SBIN", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def started(session: Session) -> Nginx:
    return Nginx(session.namespaces["kernel"], session.kernel_address, 80, "on", session.recording)


@pytest.mark.usefixtures("play")
def test_server_that_is_not_there_is_unsupported(opened: Session) -> None:
    with pytest.raises(Unsupported, match="nginx is not installed"):
        started(opened)


def test_server_that_is_refused_its_socket_deviates(opened: Session, play: Path) -> None:
    put(play, "nginx", REFUSED)
    with (
        pytest.raises(Mismatch, match=r"nginx listens\nobserved    nginx: \[emerg\] bind\(\) to"),
        started(opened),
    ):
        pass


@pytest.mark.parametrize("traced", [False, True], ids=["alone", "traced"])
def test_server_that_does_not_start_for_a_reason_of_its_own_is_lost(opened: Session, play: Path, traced: bool) -> None:
    put(play, "nginx", f"{NOT_OURS}; exit 1")
    if traced:
        put(play, "strace", f"{TRACE}; echo 'strace: done' >&2")
    with pytest.raises(FinwaitError, match=r"^nginx does not start; .*Operation not permitted\)$"), started(opened):
        pass


@pytest.mark.parametrize(
    ("script", "told"),
    [("exit 1", "ended before it was ready; it said"), ("exec /bin/sleep 60", "was not ready within 50 ms")],
    ids=["ends", "waits"],
)
def test_server_that_says_nothing_is_told_from_one_that_ends(
    opened: Session, play: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    put(play, "nginx", script)
    if "sleep" in script:
        monkeypatch.setattr(nginx, "PROGRAM_LIMIT", Span(50 * MS, "SOON"))
    with pytest.raises(FinwaitError, match=f"nginx {told}"), started(opened):
        pass


def test_server_that_does_not_end_its_connection_deviates(
    opened: Session, play: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(play, "nginx", f"{READY}; exec /bin/sleep 60")
    put(play, "strace", TRACE.replace('"$@"', 'exec "$@"'))
    with started(opened) as server:
        monkeypatch.setattr(nginx, "PROGRAM_LIMIT", Span(50 * MS, "SOON"))
        with pytest.raises(Mismatch, match=r"ends its connection within 50 ms.*\nobserved    strace saw: nothing"):
            server.ending()


def test_client_that_fails_deviates_with_what_it_said(opened: Session, play: Path) -> None:
    put(play, "curl", "echo 'curl: (56) Recv failure: Connection reset by peer' >&2; exit 56")
    client = Curl(opened.namespaces["kernel"], 4711, opened.kernel_address, 80, opened.recording)
    with pytest.raises(Mismatch, match=r"status 56: curl: \(56\) Recv failure"), client.post("x"):
        pass


def test_client_that_does_not_end_deviates(opened: Session, play: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(play, "curl", "exec /bin/sleep 60")
    monkeypatch.setattr(nginx, "PROGRAM_LIMIT", Span(50 * MS, "SOON"))
    client = Curl(opened.namespaces["kernel"], 4711, opened.kernel_address, 80, opened.recording)
    with pytest.raises(Mismatch, match=r"curl ends within 50 ms.*\nobserved    it still runs"), client.post("x"):
        pass
