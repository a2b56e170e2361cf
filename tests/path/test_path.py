"""The path between two real kernels: what it forwards, what its rules do there, and how it ends."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.errors import FinwaitError, Unsupported
from harness.live.endpoint import Endpoint
from harness.live.kernel_pair import KernelPair
from harness.live.two_kernels import TwoKernelSession
from harness.path.rules import BadRules
from harness.tcp.mutation import Mutation
from harness.tcp.pattern import ANY
from harness.tcp.segment import ACK, FIN
from harness.tcp.timing import MS, RTO_MIN, Span, TimingProfile
from harness.tcp.verdict import Mismatch
from harness.trace.events import Called, Forwarded, describe
from netns import netem
from netns.link import CLIENT_END, PATH_ENDS, SERVER_END, netlink

CHECKOUT = Path(__file__).parents[2]
SHORT = Span(20 * MS, "SHORT")


def _forwarded(session: TwoKernelSession) -> list[Forwarded]:
    return [event for event in session.timeline if isinstance(event, Forwarded)]


def _send_and_close(endpoint: Endpoint, content: bytes) -> None:
    endpoint.socket.sendall(content)
    endpoint.close()


def test_path_has_two_ends_and_no_address(two_kernels: TwoKernelSession) -> None:
    lab = two_kernels.lab
    found = {}
    for name, namespace in (("client", lab.client), ("path", lab.path), ("server", lab.server)):
        with netlink(namespace) as route:
            links = {link.get_attr("IFLA_IFNAME") for link in route.get_links()} - {"lo"}
            loopback = 1
            found[name] = links, sum(address["index"] != loopback for address in route.get_addr())
    assert found == {"client": ({CLIENT_END}, 1), "path": (set(PATH_ENDS), 0), "server": ({SERVER_END}, 1)}


def test_silence_is_broken_by_either_side(joined: KernelPair) -> None:
    _, server, path = joined
    path.expect_silence(SHORT)
    server.send(b"more")
    with pytest.raises(Mismatch, match=r"silence for 20 ms \(SHORT\)[^$]*> P. 1:5"):
        path.expect_silence(SHORT)
    path.allow_rest()
    path.expect_silence(SHORT)


def test_sysctl_is_that_of_the_side(two_kernels: TwoKernelSession) -> None:
    two_kernels.sysctl("net/ipv4/tcp_fin_timeout", 17, side="client")
    assert two_kernels.sysctl("net/ipv4/tcp_fin_timeout", side="client") == "17"
    assert two_kernels.sysctl("net/ipv4/tcp_fin_timeout") == "60"
    *_, call = [event for event in two_kernels.timeline if isinstance(event, Called)]
    assert (call.side, call.name, call.arguments) == ("client", "sysctl", ("net/ipv4/tcp_fin_timeout", 17))


def test_every_segment_is_on_the_timeline_with_both_stamps(two_kernels: TwoKernelSession, joined: KernelPair) -> None:
    joined.client.send(b"hello")
    joined.path.expect(ACK, from_="client", seq=1, ack=1, data=b"hello")
    joined.path.expect(ACK, from_="server", seq=1, ack=6)
    two_kernels.finish()
    events = _forwarded(two_kernels)
    assert [describe(event).partition(" win")[0] for event in events] == [
        "< S 0:0(0)",
        "> S. 0:0(0) ack 1",
        "< . 1:1(0) ack 1",
        "< P. 1:6(5) ack 1",
        "> . 1:1(0) ack 6",
    ]
    assert all(len(event.left) == 1 and 0 <= event.left[0] - event.at < 50 * MS for event in events)


def test_megabytes_get_through_whole(two_kernels: TwoKernelSession, joined: KernelPair) -> None:
    content = os.urandom(3_000_000)
    joined.path.allow_rest()
    sender = threading.Thread(target=_send_and_close, args=(joined.server, content))
    sender.start()
    digest = hashlib.sha256()
    while piece := joined.client.socket.recv(1 << 20):
        digest.update(piece)
    sender.join()
    two_kernels.finish()
    assert digest.digest() == hashlib.sha256(content).digest()
    assert sum(len(event.segment.data) for event in _forwarded(two_kernels) if event.left) >= len(content)


def test_delayed_segment_leaves_after_its_time(two_kernels: TwoKernelSession, joined: KernelPair) -> None:
    joined.path.delay(ACK, by=SHORT, from_="client", length=ANY)
    joined.client.send(b"late")
    assert joined.server.receive() == b"late"
    joined.path.allow_rest()
    two_kernels.finish()
    (late,) = [event for event in _forwarded(two_kernels) if event.fate == "delayed"]
    assert late.left[0] - late.at >= SHORT.ns
    assert late.rule == "delay by 20 ms . *(*) from the client"


def test_corrupted_segment_is_refused_and_sent_again(two_kernels: TwoKernelSession, joined: KernelPair) -> None:
    joined.path.corrupt(ACK, from_="client", seq=1, length=4)
    joined.client.send(b"data")
    joined.path.expect(ACK, from_="client", seq=1, ack=1, data=b"data")
    joined.path.expect(ACK, from_="client", seq=1, ack=1, data=b"data", within=RTO_MIN, at_least=RTO_MIN)
    joined.path.expect(ACK, from_="server", seq=1, ack=5)
    two_kernels.finish()
    assert two_kernels.account().counters["TcpInCsumErrors"] == 1


@pytest.mark.parametrize("pieces", [1, 2])
def test_what_is_mutated_is_judged_in_however_many_segments_what_is_allowed_came(
    profile: TimingProfile, pieces: int
) -> None:
    with TwoKernelSession(profile, mutation=Mutation("drop", 6)) as session:
        joined = session.connect(session.listen())
        joined.path.allow(ACK, from_="client", length=ANY)
        joined.path.allow(ACK, from_="server", length=0)
        for _ in range(pieces):  # from the fourth segment on, each with its ACK
            joined.client.send(b"data")
            joined.server.receive()
            session.path.settle()
        joined.client.shutdown(socket.SHUT_WR)
        with pytest.raises(Mismatch, match=r"expected  < F\. [^$]*nothing in"):
            joined.path.expect(FIN, from_="client", seq=1 + 4 * pieces)


def test_duplicated_segment_arrives_twice(two_kernels: TwoKernelSession, joined: KernelPair) -> None:
    joined.path.duplicate(ACK, from_="client", length=4)
    joined.path.allow_rest()
    joined.client.send(b"data")
    two_kernels.finish()
    (twice,) = [event for event in _forwarded(two_kernels) if event.fate == "duplicated"]
    assert len(twice.left) == 2
    assert joined.server.receive() == b"data"


def test_whole_way_is_late_by_netem_or_by_a_rule_of_its_own(two_kernels: TwoKernelSession) -> None:
    two_kernels.path.impair(from_="client", delay=SHORT)
    two_kernels.path.allow_rest()
    listener = two_kernels.listen()
    client = two_kernels.socket("client")
    two_kernels.watch(client.port, listener.port)
    client.connect((two_kernels.address("server"), listener.port))
    listener.accept()
    two_kernels.finish()
    late = [event for event in _forwarded(two_kernels) if event.side == "client" and event.left]
    assert len(late) == 2
    assert all(event.left[0] - event.at >= SHORT.ns for event in late)


def test_without_netem_one_impairment_at_a_time(two_kernels: TwoKernelSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Unsupported("this kernel has no netem")

    monkeypatch.setattr(netem, "impair", refuse)
    two_kernels.path.impair(from_="server", loss=0.5)
    assert [str(rule) for rule in two_kernels.path.rules.values()] == [
        "lose 50.0% with seed 0 anything from the server, all"
    ]
    with pytest.raises(Unsupported, match="no netem"):
        two_kernels.path.impair(from_="server", loss=0.5, delay=SHORT)


def test_reordering_loses_nothing(two_kernels: TwoKernelSession, joined: KernelPair) -> None:
    content = os.urandom(200_000)
    joined.path.allow_rest()
    joined.path.reorder(from_="server", seed=1, chance=0.3)
    sender = threading.Thread(target=_send_and_close, args=(joined.server, content))
    sender.start()
    received = b"".join(iter(lambda: joined.client.socket.recv(1 << 16), b""))
    sender.join()
    two_kernels.finish()
    assert received == content
    assert sum(event.fate == "reordered" for event in _forwarded(two_kernels)) > 0


def test_what_no_expectation_mentioned_fails(two_kernels: TwoKernelSession, joined: KernelPair) -> None:
    joined.client.close()
    with pytest.raises(Mismatch, match=r"< F\. 1:1"):
        two_kernels.finish()


def test_length_of_a_timer_is_both_bounds(joined: KernelPair) -> None:
    joined.client.send(b"x")
    with pytest.raises(Mismatch, match=r"not before 20 ms \(SHORT\)[^$]*from 20 ms on"):
        joined.path.expect(ACK, from_="client", length=1, after=SHORT)


def test_hold_that_is_never_released_is_told(two_kernels: TwoKernelSession, joined: KernelPair) -> None:
    joined.path.hold(FIN, from_="client").until(ACK, seq=99)
    joined.client.close()
    joined.path.expect(FIN, from_="client", seq=1)
    with pytest.raises(BadRules, match=r"held and never released; it waited for \. 99:99\(0\) from the client"):
        two_kernels.finish()


def test_complaints_stand_in_the_text_of_a_failure(two_kernels: TwoKernelSession, joined: KernelPair) -> None:
    joined.path.drop(FIN, from_="server")
    with pytest.raises(Mismatch) as caught:
        joined.path.expect(FIN, from_="server", within=SHORT)
    two_kernels.explain(caught.value)
    assert any("rule 1, drop F. *(0) from the server: nothing matched" in line for line in caught.value.evidence.notes)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("path.hold(FIN, from_='middle')", 'is not a side of the path; try: "client" or "server"'),
        ("session.sysctl('net/ipv4/tcp_sack', side='x')", "'x' is not a side of the path"),
        ("session.address('x')", "'x' is not a side of the path"),
        ("path.drop(FIN, from_='client', times=0)", "would make a rule do nothing"),
        ("path.drop(FIN, from_='client', seq=2**32)", "does not fit"),
        ("path.lose(from_='client', seed=1, chance=2)", "is not a probability"),
        ("path.reorder(from_='client', seed=1, depth=0)", "would reorder nothing"),
        ("path.limit(from_='client', bytes_per_second=0)", "at least 1 byte"),
        ("path.impair(from_='client', loss=5)", "loss=5 is not a probability"),
        ("path.impair(from_='client', bytes_per_second=-1)", "bytes_per_second=-1"),
    ],
)
def test_rule_that_says_nothing_is_refused(two_kernels: TwoKernelSession, call: str, complaint: str) -> None:
    with pytest.raises(FinwaitError, match=complaint):
        eval(call, {"session": two_kernels, "path": two_kernels.path, "FIN": FIN})


COMMAND = (
    sys.executable,
    *("-m", "pytest", "-c", str(CHECKOUT / "pyproject.toml")),
    *("-p", "no:cacheprovider", "-p", "harness.plugin.hooks", "-p", "harness.plugin.fixtures"),
)
BAD_SCENARIO = """
from harness import ACK, FIN

def test_hold_for_ever(two_kernels):
    client, server, path = two_kernels
    path.hold(FIN, from_="client").until(ACK, seq=99)
    client.close()
    path.expect(FIN, from_="client", seq=1)
"""


def test_scenario_with_a_bad_rule_does_not_conform(tmp_path: Path) -> None:
    (tmp_path / "test_bad.py").write_text(BAD_SCENARIO)
    ran = subprocess.run(
        [*COMMAND, f"--rootdir={tmp_path}", f"--run-dir={tmp_path}/runs", "test_bad.py"],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "rule 1, hold F. *(0) from the client until . 99:99(0) from the client has passed" in ran.stdout
    assert "LOST" in ran.stdout
    assert "Traceback" not in ran.stdout
    assert ran.returncode == 2
