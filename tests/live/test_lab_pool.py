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
from harness.wire.decode import decode
from netns import privilege, sysctls
from netns.conditions import Settings

PROFILE = TimingProfile(patience_ns=0)
FIN_TIMEOUT = "net/ipv4/tcp_fin_timeout"


@pytest.fixture
def lab_pool() -> Iterator[LabPool]:
    if not privilege.has_capabilities():
        pytest.skip("network namespaces need root or a user namespace")
    with LabPool() as opened:
        yield opened


def open_session(lab_pool: LabPool) -> Session:
    return Session(PROFILE, shared=lab_pool.get())


def test_sessions_have_one_lab_and_ports_of_their_own(lab_pool: LabPool) -> None:
    labs, ports = set(), set()
    for _ in range(3):
        with open_session(lab_pool) as session:
            _, peer = session.establish(session.listen())
            labs.add(session.lab)
            ports.add(peer.flow.peer_port)
            session.finish()
        assert session._equipped.unusable == ""
    assert (len(labs), len(ports)) == (1, 3)


def test_held_timers_and_free_ones_have_labs_of_their_own(lab_pool: LabPool) -> None:
    assert lab_pool.get(Settings.HELD) is not lab_pool.get(Settings.FREE)
    assert lab_pool.get(Settings.FREE) is lab_pool.get(Settings.FREE)


def test_what_a_session_did_not_take_does_not_reach_the_next(lab_pool: LabPool) -> None:
    with open_session(lab_pool) as session:
        server, peer = session.establish(session.listen())
        peer.send(ACK, seq=1, ack=1, data=b"never taken")
        server.close()
        with pytest.raises(Mismatch):
            session.finish()
    with open_session(lab_pool) as after:
        _, peer = after.establish(after.listen())
        after.finish()
        of_tcp = [frame for frame in after.wire.frames if decode(frame.data)]
        assert len(of_tcp) == 3, "the handshake alone; what the kernel announces by itself may come as well"
        assert peer.inbox.judged == 1
    assert after._equipped is session._equipped


def test_timeline_and_counters_are_of_one_session(lab_pool: LabPool) -> None:
    for _ in range(2):
        with open_session(lab_pool) as session:
            session.establish(session.listen())
            session.finish()
            assert session.observer.growth()["TcpPassiveOpens"] == 1
            assert sum("accept" in str(event) for event in session.timeline) == 1


@pytest.mark.parametrize("ending", ["open", "closed", "fin-wait-2", "time-wait", "half-open", "connecting"])
def test_no_socket_outlives_its_session(lab_pool: LabPool, ending: str) -> None:
    with open_session(lab_pool) as session:
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
    assert session._equipped.unusable == ""
    assert lab_pool.get() is session._equipped


def test_a_changed_sysctl_is_put_back(lab_pool: LabPool) -> None:
    with open_session(lab_pool) as session:
        for value in (17, 18, 19):
            assert session.sysctl(FIN_TIMEOUT, value) == str(value)
    with session.lab.kernel.entered():
        assert sysctls.read(FIN_TIMEOUT) == "60"


@pytest.mark.parametrize("failing", ["abandon", "let_go"])
def test_a_lab_in_which_something_could_not_be_let_go_is_not_used_again(
    lab_pool: LabPool, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail() -> None:
        raise OSError("no")

    lab = lab_pool.get()
    session = open_session(lab_pool).__enter__()
    listener = session.listen()
    first, peer = session.establish(listener)
    second, _ = session.establish(listener)
    last = session.socket()
    monkeypatch.setattr(peer if failing == "abandon" else first, failing, fail)
    with pytest.raises(OSError, match="no"):
        session.__exit__()
    assert lab.unusable
    assert lab_pool.get() is not lab
    assert [one.socket.fileno() for one in (listener, second, last)] == [-1, -1, -1]
    monkeypatch.undo()
    first.let_go()


def test_a_lab_with_a_socket_left_on_it_is_not_used_again(lab_pool: LabPool) -> None:
    with open_session(lab_pool) as session:
        server, peer = session.establish(session.listen())
        server.close()
        peer._last_ack = None  # nobody knows the number that its reset has to bear
    assert session._equipped.unusable == "connection 1 is left: FIN-WAIT-1, held by no process"
    after = lab_pool.get()
    assert after is not session._equipped
    assert after.unusable == ""


def test_without_sock_diag_a_lab_serves_one_session(lab_pool: LabPool) -> None:
    lab = lab_pool.get()
    lab.probes.diag, lab.probes.missing["sock_diag"] = None, "sock_diag does not show TCP sockets"
    with open_session(lab_pool) as session:
        session.establish(session.listen())
    assert session._equipped is lab
    assert lab.unusable == "sock_diag does not show TCP sockets"
    assert lab_pool.get() is not lab


def test_what_came_is_judged_without_waiting_and_so_is_silence(lab_pool: LabPool) -> None:
    with open_session(lab_pool) as session:
        _, peer = session.establish(session.listen())
        assert peer.expect_at_once(silence="silent") == "silent"
        peer.send(ACK, seq=1, ack=1, data=b"x")
        assert peer.expect_at_once(taken=Pattern(ACK, ack=2), left=Pattern(ACK, ack=1)) == "taken"
        with pytest.raises(Mismatch, match="nothing, and the kernel has taken in"):
            peer.expect_at_once(taken=Pattern(ACK, ack=2))
        peer.send(ACK, seq=2, ack=1, data=b"x")
        with pytest.raises(Mismatch, match=r"nothing .*\(silent\)"):
            peer.expect_at_once(silence="silent")
