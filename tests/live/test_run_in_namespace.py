"""``session.run``: a program in a namespace of the lab, on the timeline, with what it said."""

from __future__ import annotations

import sys

import pytest

from harness.errors import FinwaitError, Unsupported
from harness.live import base_session
from harness.live.session import Session
from harness.live.two_kernels import TwoKernelSession
from harness.tcp.timing import MS, Span, TimingProfile
from harness.tcp.verdict import Mismatch
from harness.trace.events import Called

SHOW_DEVICES = [sys.executable, "-c", "import socket; print(*(name for _, name in socket.if_nameindex()))"]
GREET_ITSELF = """\
import socket
listener = socket.create_server(("127.0.0.1", 0))
with socket.create_connection(listener.getsockname(), 1) as client:
    print(client.getsockname()[0])
"""


@pytest.mark.parametrize(("where", "device"), [("", "kernel0"), ("kernel", "kernel0"), ("peer", "peer0")])
def test_program_runs_in_the_namespace_that_is_named(opened: Session, where: str, device: str) -> None:
    ran = opened.run(SHOW_DEVICES, where=where)
    assert (ran.status, ran.stdout.split()) == (0, ["lo", device])


def test_program_runs_on_either_side_of_a_path(profile: TimingProfile) -> None:
    with TwoKernelSession(profile) as session:
        assert session.run(SHOW_DEVICES).stdout.split() == ["lo", "server0"]
        assert session.run(SHOW_DEVICES, where="client").stdout.split() == ["lo", "client0"]
        assert "path0" in session.run(SHOW_DEVICES, where="path").stdout


def test_loopback_is_up(opened: Session) -> None:
    assert opened.run([sys.executable, "-c", GREET_ITSELF]).stdout == "127.0.0.1\n"


def test_status_input_and_errors_come_back_and_stand_on_the_timeline(opened: Session) -> None:
    code = "import sys; print(sys.stdin.read().upper()); print('no', file=sys.stderr); sys.exit(3)"
    ran = opened.run([sys.executable, "-c", code], input="abc")
    assert (ran.status, ran.stdout, ran.stderr) == (3, "ABC\n", "no\n")
    last = opened.events(Called)[-1]
    assert (last.name, last.arguments[0]) == ("run", "kernel")
    assert last.result == 3


def test_text_is_split_as_a_shell_does_and_run_by_none(opened: Session) -> None:
    assert opened.run(f"'{sys.executable}' -c 'print(1)' '; echo no'").stdout == "1\n"


def test_program_that_is_not_there_is_unsupported(opened: Session) -> None:
    with pytest.raises(Unsupported, match="nosuchprogram is not installed"):
        opened.run("nosuchprogram -x")


def test_namespace_that_is_not_there_is_told(opened: Session) -> None:
    with pytest.raises(FinwaitError, match="cannot run in 'client'; try: kernel or peer"):
        opened.run("true", where="client")


def test_program_that_does_not_end_is_ended(opened: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_session, "PROGRAM_LIMIT", Span(50 * MS, "SOON"))
    with pytest.raises(Mismatch, match=r"ends within 50 ms \(SOON\)\nobserved    it still runs"):
        opened.run([sys.executable, "-c", "import time; time.sleep(60)"])
