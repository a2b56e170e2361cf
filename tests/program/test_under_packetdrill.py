"""Printed scripts end under packetdrill itself as the scenarios did; only where one is on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.show import program_text
from harness.trace.runs import load
from netns import privilege

CHECKOUT = Path(__file__).parents[2]
SCENARIOS = """\
from harness import ACK, FIN, RST, Connection, Session, shutdown_wr


def test_fin_is_acknowledged(established: Connection) -> None:
    server, peer = established
    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=2)
    shutdown_wr(server)
    peer.expect(FIN, seq=1, ack=2)


def test_two_segments_stay_two(session: Session) -> None:
    client, peer = session.connect(options="mss 1000,sackOK,TS val 1 ecr 0,nop,wscale 7")
    client.send(bytes(1976))
    peer.expect(ACK, seq=1, ack=1, length=988)
    peer.expect(ACK, seq=989, ack=1, length=988)
    peer.send(ACK, seq=1, ack=1977)


def test_fin_is_reset(established: Connection) -> None:
    server, peer = established
    shutdown_wr(server)
    peer.expect(RST, seq=1, ack=1)
"""


def test_a_printed_script_ends_as_its_scenario_did(tmp_path: Path) -> None:
    packetdrill = shutil.which("packetdrill")
    if packetdrill is None or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("there is no packetdrill on PATH, or no /dev/net/tun for it")
    privilege.ensure()
    (tmp_path / "test_here.py").write_text(SCENARIOS)
    run = [sys.executable, "-m", "harness", "run", str(tmp_path / "test_here.py"), "--run-dir", str(tmp_path)]
    subprocess.run([*run, "--run-name", "one"], cwd=CHECKOUT, check=False, capture_output=True)
    ran = load(tmp_path / "one")
    ended = {}
    for result in ran.results.values():
        script = tmp_path / "printed.pkt"
        # what it tolerates is no matter of this test: a busy machine is late
        script.write_text("--tolerance_usecs=1000000\n" + program_text(ran, result, "pkt"))
        status = subprocess.run(["unshare", "-n", packetdrill, script], check=False, capture_output=True).returncode
        ended[result.scenario] = result.outcome, "deviates" if status else "conforms"
    assert len(ended) >= 3
    assert {ours for ours, _ in ended.values()} == {"conforms", "deviates"}
    assert all(ours == theirs for ours, theirs in ended.values()), ended
