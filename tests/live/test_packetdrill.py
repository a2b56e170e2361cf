"""What a scenario did, printed as a script, runs in packetdrill on the running kernel."""

from __future__ import annotations

import errno
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.live.pinned import shown
from harness.live.session import Session
from harness.program.packetdrill import packetdrill
from harness.tcp.segment import ACK, FIN, RST


def closing(session: Session) -> None:
    server, peer = session.establish(session.listen())
    server.shutdown(socket.SHUT_WR)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)
    with server.without_waiting():
        assert server.receive() == b""


def connecting(session: Session) -> None:
    client, peer = session.connect()
    peer.send(RST, seq=1)
    assert client.error() == errno.ECONNRESET


def waiting(session: Session) -> None:
    server, peer = session.establish(session.listen())
    server.set_option("TCP_NODELAY", 1)
    assert server.option("TCP_NODELAY") == 1
    reader = server.begin_receive(100)
    peer.send(ACK, seq=1, ack=1, data=b"data")
    peer.expect(ACK, seq=1, ack=5)
    assert reader.end() == b"data"


def icmp(session: Session) -> None:
    session.sysctl("net/ipv4/tcp_sack", 0)
    server, peer = session.establish(session.listen())
    server.send(b"data")
    data = peer.expect(ACK, seq=1, ack=1, data=b"data")
    peer.send_icmp("host unreachable", data)
    peer.send(ACK, seq=1, ack=5)
    server.close()
    peer.expect(FIN, seq=5, ack=1)


@pytest.mark.parametrize("scenario", [closing, connecting, waiting, icmp])
def test_script_of_a_scenario_conforms_in_packetdrill(
    opened: Session, scenario: Callable[[Session], None], tmp_path: Path
) -> None:
    program = shutil.which("packetdrill")
    if program is None:
        pytest.skip("packetdrill is not installed")
    scenario(opened)
    script = tmp_path / "script.pkt"
    script.write_text(packetdrill(opened.program(None, ""), scenario.__name__, shown(opened.lab.conditions)))
    ran = subprocess.run(["unshare", "--net", program, script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{script.read_text()}\n{ran.stdout}{ran.stderr}"


def test_script_has_the_options_that_the_kernel_opened_with_for_their_timestamps_are_echoed(opened: Session) -> None:
    closing(opened)
    lines = packetdrill(opened.program(None, ""), "closing").splitlines()
    (answer,) = (line for line in lines if "> S." in line)
    assert "> S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 0 ecr 1,nop,wscale " in answer
