"""What sock_diag shows of real sockets in every state that two of them can be brought into."""

from __future__ import annotations

import select
import socket
from concurrent.futures import ThreadPoolExecutor

from harness.probes import sockets
from netns.enter import Namespace
from tests.probes.conftest import Pair, need_ipv6


def test_an_open_connection_is_owned_and_its_queues_are_told(pair: Pair) -> None:
    pair.client.sendall(b"seven b")
    select.select([pair.server], [], [], 5)
    with sockets.open_diag(pair.namespace) as diag:
        server = sockets.look(diag, pair.version, pair.server_name, pair.client_name)
    assert server is not None
    assert (server.state, server.owned, server.mini) == ("ESTABLISHED", True, False)
    assert (server.local, server.remote) == (pair.server_name, pair.client_name)
    assert (server.rqueue, server.wqueue, server.timer) == (7, 0, "none")
    assert server.info is not None
    assert server.info.bytes_received == 7


def test_an_orphan_is_a_full_socket_that_nobody_owns(pair: Pair) -> None:
    # a timeout above 60 s keeps the full socket through FIN-WAIT-2 (tcp_fin_time, TCP_TIMEWAIT_LEN)
    pair.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 100)
    pair.client.close()
    assert pair.server.recv(1) == b""
    pair.acknowledge()
    with sockets.open_diag(pair.namespace) as diag:
        found = sockets.look(diag, pair.version, pair.client_name, pair.server_name)
    assert found is not None
    assert (found.state, found.owned, found.mini, found.timer) == ("FIN-WAIT-2", False, False, "keepalive")
    assert found.info is not None
    assert found.info.state == "FIN-WAIT-2"


def test_fin_wait_2_after_close_is_a_mini_socket(pair: Pair) -> None:
    pair.client.close()
    assert pair.server.recv(1) == b""
    pair.acknowledge()
    with sockets.open_diag(pair.namespace) as diag:
        found = sockets.look(diag, pair.version, pair.client_name, pair.server_name)
    assert found is not None
    assert (found.state, found.owned, found.mini, found.timer) == ("FIN-WAIT-2", False, True, "time-wait")
    assert 0 < found.expires_ms <= 70_000
    assert found.info is None


def test_time_wait_is_a_mini_socket(pair: Pair) -> None:
    pair.client.close()
    assert pair.server.recv(1) == b""
    pair.acknowledge()
    pair.server.close()
    with sockets.open_diag(pair.namespace) as diag:
        found = sockets.look(diag, pair.version, pair.client_name, pair.server_name)
        gone = sockets.look(diag, pair.version, pair.server_name, pair.client_name)
    assert found is not None
    assert (found.state, found.mini, found.timer) == ("TIME-WAIT", True, "time-wait")
    assert gone is None


def test_a_listener_is_not_taken_for_the_connection_it_would_take(pair: Pair) -> None:
    host, port = pair.server_name
    with sockets.open_diag(pair.namespace) as diag:
        assert sockets.look(diag, pair.version, (host, port), (host, 9)) is None
        listener = sockets.look(diag, pair.version, (host, port), None)
    assert listener is not None
    assert (listener.state, listener.owned, listener.wqueue > 0) == ("LISTEN", True, True)


def test_a_syn_without_an_answer_shows_its_timer(namespace: Namespace) -> None:
    with namespace.entered():
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        first = socket.create_connection(listener.getsockname())
        second = socket.socket()  # the backlog is full: its SYN is dropped
        second.setblocking(False)
        second.connect_ex(listener.getsockname())
    with listener, first, second, sockets.open_diag(namespace) as diag:
        found = sockets.look(diag, 4, second.getsockname(), listener.getsockname())
        unaccepted = sockets.look(diag, 4, listener.getsockname(), first.getsockname())
    assert found is not None
    assert (found.state, found.timer, found.owned) == ("SYN-SENT", "retransmission", True)
    assert 0 < found.expires_ms <= 3000
    assert unaccepted is not None
    assert (unaccepted.state, unaccepted.owned, unaccepted.mini) == ("ESTABLISHED", False, False)


def test_the_listing_has_every_socket_of_this_namespace_alone(pair: Pair) -> None:
    with sockets.open_diag(pair.namespace) as diag:
        states = [found.state for found in sockets.listing(diag)]
    assert sorted(states) == ["ESTABLISHED", "ESTABLISHED", "LISTEN"]
    empty = Namespace.create()
    try:
        with sockets.open_diag(empty) as diag:
            assert sockets.listing(diag) == []
    finally:
        empty.close()


def test_an_ipv6_socket_that_talks_ipv4_is_found_by_its_packets_version(namespace: Namespace) -> None:
    need_ipv6()
    with namespace.entered():
        listener = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        client = socket.create_connection(("127.0.0.1", listener.getsockname()[1]))
        server, _ = listener.accept()
    with listener, client, server, sockets.open_diag(namespace) as diag:
        found = sockets.look(diag, 4, ("127.0.0.1", listener.getsockname()[1]), client.getsockname())
    assert found is not None
    assert found.state == "ESTABLISHED"


def test_a_listing_does_not_disturb_the_look_after_it(pair: Pair) -> None:
    with sockets.open_diag(pair.namespace) as diag:
        assert len(sockets.listing(diag)) == 3
        assert sockets.look(diag, pair.version, pair.client_name, (pair.server_name[0], 9)) is None
        assert sockets.look(diag, pair.version, pair.client_name, pair.server_name) is not None


def test_threads_that_ask_at_once_have_each_its_own_answer(pair: Pair) -> None:
    pair.client.shutdown(socket.SHUT_WR)
    assert pair.server.recv(1) == b""
    pair.acknowledge()
    ends = (pair.client_name, pair.server_name), (pair.server_name, pair.client_name)
    with sockets.open_diag(pair.namespace) as diag:

        def states(local: tuple[str, int], remote: tuple[str, int]) -> set[str]:
            return {sockets.outline(sockets.ask(diag, pair.version, local, remote))[0] for _ in range(2000)}

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(states, *zip(*ends, strict=True)))
    assert found == [{"FIN-WAIT-2"}, {"CLOSE-WAIT"}]
