"""Sessions that share a lab: what one does must not reach the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.live.lab_pool import LabPool
from harness.live.session import Session
from harness.tcp.pattern import Pattern
from harness.tcp.segment import ACK, FIN, SYN
from harness.tcp.timing import TimingProfile
from harness.tcp.verdict import Mismatch
from netns import privilege, sysctls

PROFILE = TimingProfile(patience_ns=0)
FIN_TIMEOUT = "net/ipv4/tcp_fin_timeout"


@pytest.fixture
def benches() -> Iterator[LabPool]:
    if not privilege.has_capabilities():
        pytest.skip("network namespaces need root or a user namespace")
    with LabPool() as opened:
        yield opened


def open_session(benches: LabPool) -> Session:
    return Session(PROFILE, bench=benches.get())


def test_sessions_have_one_lab_and_ports_of_their_own(benches: LabPool) -> None:
    labs, ports = set(), set()
    for _ in range(3):
        with open_session(benches) as session:
            _, peer = session.establish(session.listen())
            labs.add(session.lab)
            ports.add(peer.flow.peer_port)
            session.finish()
        assert session.bench.unusable == ""
    assert (len(labs), len(ports)) == (1, 3)


def test_held_timers_and_free_ones_have_labs_of_their_own(benches: LabPool) -> None:
    assert benches.get(hold_timers=True) is not benches.get(hold_timers=False)
    assert benches.get(hold_timers=False) is benches.get(hold_timers=False)


def test_what_a_session_did_not_take_does_not_reach_the_next(benches: LabPool) -> None:
    with open_session(benches) as session:
        server, peer = session.establish(session.listen())
        peer.send(ACK, seq=1, ack=1, data=b"never taken")
        server.close()
        with pytest.raises(Mismatch):
            session.finish()
    with open_session(benches) as after:
        _, peer = after.establish(after.listen())
        after.finish()
        assert len(after.wire.frames) == 3 + 2  # the handshake, and the drain's question and answer
        assert peer.judged == 1
    assert after.bench is session.bench


def test_timeline_and_counters_are_of_one_session(benches: LabPool) -> None:
    for _ in range(2):
        with open_session(benches) as session:
            session.establish(session.listen())
            session.finish()
            assert session.insight.growth()["TcpPassiveOpens"] == 1
            assert sum("accept" in str(event) for event in session.timeline) == 1


@pytest.mark.parametrize("ending", ["open", "closed", "fin-wait-2", "time-wait", "half-open", "connecting"])
def test_no_socket_outlives_its_session(benches: LabPool, ending: str) -> None:
    with open_session(benches) as session:
        listener = session.listen()
        if ending == "connecting":
            client = session.socket()
            peer = session.new_peer(client.port)
            client.connect((session.lab.plan.peer.ipv4, peer.flow.peer_port), wait=False)
            peer.expect(SYN, seq=0)
        elif ending == "half-open":
            peer = session.new_peer()
            peer.send(SYN, seq=0)
            peer.expect(SYN, seq=0, ack=1)
        else:
            server, peer = session.establish(listener)
            if ending != "open":
                server.close()
                peer.expect(FIN, seq=1, ack=1)
            if ending == "fin-wait-2":
                peer.send(ACK, seq=1, ack=2)
            if ending == "time-wait":
                peer.send(FIN, seq=1, ack=2)
                peer.expect(ACK, seq=2, ack=2)
    assert session.bench.unusable == ""
    assert benches.get() is session.bench


def test_a_changed_sysctl_is_put_back(benches: LabPool) -> None:
    with open_session(benches) as session:
        listener = session.listen()
        listener.set_sysctl(FIN_TIMEOUT, 17)
        listener.set_sysctl(FIN_TIMEOUT, 18)
        other = session.socket()
        other.set_sysctl(FIN_TIMEOUT, 19)
        with session.lab.kernel.entered():
            assert sysctls.read(FIN_TIMEOUT) == "19"
    with session.lab.kernel.entered():
        assert sysctls.read(FIN_TIMEOUT) == "60"


def test_a_bench_with_a_socket_left_on_it_is_not_used_again(benches: LabPool) -> None:
    with open_session(benches) as session:
        server, peer = session.establish(session.listen())
        server.close()
        peer._last_ack = None  # nobody knows the number that its reset has to bear
    assert session.bench.unusable == "connection 1 is left: FIN-WAIT-1, held by no process"
    after = benches.get()
    assert after is not session.bench
    assert after.unusable == ""


def test_without_sock_diag_a_bench_serves_one_session(benches: LabPool) -> None:
    bench = benches.get()
    bench.diag, bench.missing["sock_diag"] = None, "sock_diag does not show TCP sockets"
    with open_session(benches) as session:
        session.establish(session.listen())
    assert session.bench is bench
    assert bench.unusable == "sock_diag does not show TCP sockets"
    assert benches.get() is not bench


def test_what_came_is_judged_without_waiting_and_so_is_silence(benches: LabPool) -> None:
    with open_session(benches) as session:
        _, peer = session.establish(session.listen())
        assert peer.expect_at_once(silence="silent") == "silent"
        peer.send(ACK, seq=1, ack=1, data=b"x")
        assert peer.expect_at_once(taken=Pattern(ACK, ack=2), left=Pattern(ACK, ack=1)) == "taken"
        with pytest.raises(Mismatch, match="nothing, and the kernel has taken in"):
            peer.expect_at_once(taken=Pattern(ACK, ack=2))
        peer.send(ACK, seq=2, ack=1, data=b"x")
        with pytest.raises(Mismatch, match="nothing   \\(silent\\)"):
            peer.expect_at_once(silence="silent")
