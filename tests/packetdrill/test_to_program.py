"""A script as a scenario: it says the same, ends the same, and names what it does not say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.trace.runs import load
from netns import privilege
from tests.packetdrill.mounts import own_mounts
from tests.packetdrill.scripts import OPEN, SLACK, WHOLE

CALM = "`sysctl -q net.ipv4.tcp_early_retrans=0 net.ipv4.tcp_rmem='4096 131072 6291456' && ./none.sh`\n"
"""No probe comes where a busy machine is late, and windows are the same everywhere."""
CHECKOUT = Path(__file__).parents[2]
TIMER = (
    OPEN
    + """\
+0 write(4, ..., 1000) = 1000
+0 > P. 1:1001(1000) ack 1
+.19~+.4 > P. 1:1001(1000) ack 1
+0 < . 1:1(0) ack 1001 win 257
"""
)
SCRIPTS = {
    "whole": CALM + WHOLE,
    "timer": CALM + TIMER,
    "active": CALM
    + """\
0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 > S 0:0(0) <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>
+0 < S. 7:7(0) ack 1 win 5792 <mss 500,sackOK,TS val 700 ecr 100,nop,wscale 7>
+0 > . 1:1(0) ack 1 <nop,nop,TS val 100 ecr 700>
+0 write(3, ..., 2000) = 2000
+0 > P. 1:2001(2000) ack 1 <nop,nop,TS val 100 ecr 700>
+0 < . 1:1(0) ack 2001 win 257 <nop,nop,TS val 701 ecr 100>
+0 read(3, ..., 10) = -1 EAGAIN (Resource temporarily unavailable)
+0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0
+0 close(3) = 0
+0 > R. 2001:2001(0) ack 1 <nop,nop,TS val 100 ecr 701>
""",
    "waits": CALM
    + OPEN
    + """\
+0...0.1 read(4, ..., 9) = 9
+.1 < P. 1:10(9) ack 1 win 257
+0 > . 1:1(0) ack 10
+0 shutdown(4, SHUT_WR) = 0
+0 > F. 1:1(0) ack 10
""",
}
TOLD = "+0 %{ assert tcpi_unacked == 0, tcpi_unacked; \\\n  assert TCP_CA_Loss == tcpi_ca_state }%\n"
SCRIPTS["code"] = CALM + TIMER + TOLD
ALTERED = {
    "told": CALM + TIMER + TOLD.replace("== 0", "== 3"),
    "result": CALM + WHOLE.replace("write(4, ..., 1000) = 1000", "write(4, ..., 1000) = 999"),
    "option": SCRIPTS["active"].replace("R. 2001:2001(0) ack 1 <nop,nop,TS val 100 ecr 701>", "R. 2001:2001(0) ack 1"),
}
"""Scripts that are wrong; and so have to be their scenarios."""


@own_mounts
def test_a_scenario_ends_as_its_script_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    privilege.ensure()
    (tmp_path / "none.sh").write_text("#!/bin/sh\nsysctl -q net.ipv4.tcp_sack=1 # as it is\n")
    (tmp_path / "none.sh").chmod(0o755)
    slack = ("--pkt-option", f"tolerance_usecs={SLACK}")
    for name, text in {**SCRIPTS, **ALTERED}.items():
        (tmp_path / f"{name}.pkt").write_text(text)
        main(["import", str(tmp_path / f"{name}.pkt"), "--as", "python", *slack])
        (tmp_path / f"test_{name}.py").write_text(capsys.readouterr().out)
    names = [*SCRIPTS, *ALTERED]
    items = [f"{tmp_path}/{one}" for name in names for one in (f"{name}.pkt::{name}[ipv4]", f"test_{name}.py")]
    given = (*slack, "--run-dir", str(tmp_path), "--run-name", "one")
    subprocess.run(
        [sys.executable, "-m", "harness", "run", *items, *given],
        cwd=CHECKOUT,
        check=False,
        capture_output=True,
    )
    ended = {scenario: result.outcome for scenario, result in load(tmp_path / "one").results.items()}
    for name, wanted in {**dict.fromkeys(SCRIPTS, "conforms"), **dict.fromkeys(ALTERED, "deviates")}.items():
        both = {key: outcome for key, outcome in ended.items() if f"{name}.p" in key}
        assert list(both.values()) == [wanted, wanted], both


def test_numbers_times_and_options_are_those_of_a_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.sh").write_text("")
    text = imported(SCRIPTS["active"], tmp_path, capsys)
    assert "peer = session.new_peer(client.port)" in text
    assert 'ack=1, window=5792, options=f"mss 500,sackOK,TS val 700 ecr {peer.echo},nop,wscale 7")' in text
    assert 'peer.expect_pieces(PSH, seq=1, ack=1, length=2000, options="TS", without="sack")' in text
    assert 'without_waiting():\n        assert errno_of(lambda: client.receive(10)) == "EAGAIN"\n' in text
    timer = imported(SCRIPTS["timer"], tmp_path, capsys)
    assert 'length=1000, without="TS,sack", within=0.42375, at_least=0.16625)' in timer
    assert 'session.sysctl("net/ipv4/tcp_early_retrans", "0")' in timer
    told = imported(SCRIPTS["code"], tmp_path, capsys)
    assert 'assert server.tcp_info("unacked") == 0\n    assert server.tcp_info("ca_state") == "Loss"\n' in told


def imported(text: str, folder: Path, capsys: pytest.CaptureFixture[str], status: int = 0) -> str:
    (folder / "x.pkt").write_text(text)
    assert main(["import", str(folder / "x.pkt")]) == status
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("+0 `nstat > /dev/null`", "a command"),
        ("+0 %{ assert tcpi_unacked == 0 and tcpi_rtt < 9 }%", "code"),
        ("+0 %{ assert tcpi_unacked < 1 }%", "code"),
        ("+0 %{ assert tcpi_options == 7 }%", "code"),
        ("+0 %{ assert tcpi_nothing == 7 }%", "code"),
        ("+0 %{ print(tcpi_unacked) }%", "code"),
        ("+0 epoll_create(1) = 5", "the call epoll_create"),
        ("+0 < P. 1:9001(9000) ack 1 win 257", "data that come merged"),
        ("+0 < udp (9)", "UDP"),
    ],
)
def test_what_a_scenario_cannot_say_is_named_and_the_scenario_says_that_it_is_not_all(
    line: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.pkt").write_text(OPEN + line + "\n")
    assert main(["import", str(tmp_path / "x.pkt")]) == 2
    text, error = capsys.readouterr()
    assert "raise FinwaitError" in text
    assert f"    # cannot be said: {told}" in text
    assert "(line 9)" in text
    assert "does not say all of" in error
    assert told in error


@pytest.mark.parametrize(
    ("version", "message", "name"),
    [
        ("ipv4", "unreachable frag_needed mtu 1300", "packet too big"),
        ("ipv4", "time_exceeded code_1", "reassembly time exceeded"),
        ("ipv6", "time_exceeded", "time exceeded"),
        ("ipv6", "time_exceeded exceeded_hop_limit", "time exceeded"),
        ("ipv6", "parameter_problem unknown_next_header", "protocol unreachable"),
    ],
)
def test_an_error_of_icmp_is_said_however_a_script_has_it(
    version: str, message: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = f"--ip_version={version}\n{OPEN}+0 < icmp {message} [1:1(0)]\n"
    assert f'peer.send_icmp("{name}", ' in imported(script, tmp_path, capsys)


def test_a_moment_that_is_not_judged_is_named_and_the_scenario_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = imported(SCRIPTS["waits"].removeprefix(CALM), tmp_path, capsys, status=2)
    assert "# cannot be said: when a call that waits is back: read, 0.1 s" in text
    assert "raise FinwaitError" not in text


def test_a_mistake_has_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.pkt").write_text("0 socket(\n")
    script = str(tmp_path / "x.pkt")
    for given in ([script], [str(tmp_path / "none.pkt")], [script, "--pkt-define", "="]):
        assert main(["import", *given]) == 2
        assert capsys.readouterr().err.count("\n") == 1
