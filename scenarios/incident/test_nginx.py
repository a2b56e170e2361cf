"""The incident with a real nginx: it ends the connection by itself, while its client closes as well.

Whether nginx calls shutdown() or close() is its own affair: strace sees it, and sock_diag whether the socket is still
owned. The scenario expects the same of the kernel either way.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    ANY,
    FIN,
    MS,
    RTO_INIT,
    SERVICE_PORT,
    Between,
    Curl,
    Holding,
    Nginx,
    Path,
    Pattern,
    Span,
    TwoKernelSession,
    both_families,
    requirement,
)

BODY = "what nginx does not read"
STARTED = Span(10_000 * MS, "STARTED", "a program takes its time to start")

DATA = Between(1, 65535)
MORE_THAN_THE_SYN = Between(2, 2**32 - 1)  # an ACK of the SYN alone, without data, ended the handshake

incident = requirement("RFC9293-3.10.7.4", "RFC9293-E-17", "RFC9293-U-9", fixed_by="795a7dfbc3d9")
all_settings = pytest.mark.parametrize("lingering_close", ["on", "always", "off"])
with_and_without_body = pytest.mark.parametrize("body", [None, BODY], ids=["GET", "POST"])


def allow_the_exchange(path: Path) -> None:
    """Request, response and their ACKs travel in as many segments as the applications like."""
    path.allow(ACK, from_="client", length=DATA)
    path.allow(ACK, from_="client", ack=MORE_THAN_THE_SYN)
    path.allow(ACK, from_="server", length=ANY)


def ending_by_its_socket(path_session: TwoKernelSession) -> str:
    """What nginx called: a socket that it shut down is still owned, and one that it closed is not."""
    socket = path_session.look("server")
    assert socket is not None
    called = "shutdown(SHUT_WR)" if socket.owned else "close"
    path_session.note("nginx", "ended", side="server", call=called)
    return called


def expect_the_closing(path_session: TwoKernelSession, nginx: Nginx, crossing: Holding) -> None:
    """Both have closed, and neither knows it of the other: the client's FIN is overtaken by its ACK of the server's."""
    path = path_session.path
    client_fin = path.expect(FIN, from_="client", ack=MORE_THAN_THE_SYN, within=STARTED)
    server_fin = path.expect(FIN, from_="server", seq=client_fin.ack, ack=client_fin.seq, within=STARTED)
    path.allow_nothing()  # what the exchange was made of has passed
    called = ending_by_its_socket(path_session)
    crossing.release()
    path.expect(ACK, from_="client", seq=client_fin.next_seq, ack=server_fin.next_seq)
    reply = path.expect_one_of(
        from_="server",
        accepted=Pattern(ACK, seq=server_fin.next_seq, ack=client_fin.next_seq),
        challenged=Pattern(ACK, seq=server_fin.next_seq, ack=client_fin.seq),
    )
    if reply.is_("challenged"):  # the FIN was dropped: its retransmission is the cost
        path.expect(FIN, from_="client", seq=client_fin.seq, ack=server_fin.next_seq, within=RTO_INIT)
        path.expect(ACK, from_="server", seq=server_fin.next_seq, ack=client_fin.next_seq)
    path_session.expect_closed()
    assert not nginx.traced or nginx.ending() == called  # strace has to agree
    reply.require("accepted")


@incident
@both_families
@all_settings
@with_and_without_body
def test_nginx_and_a_client_close_at_the_same_moment(
    path_session: TwoKernelSession, nginx: Nginx, body: str | None
) -> None:
    path = path_session.path
    crossing = path.hold(FIN, from_="server")
    path.hold(FIN, from_="client").until(ACK)
    client = path_session.open(SERVICE_PORT)
    allow_the_exchange(path)
    assert nginx.answers(client, body) == b"hello"  # and the client closes, since the server says that it will
    expect_the_closing(path_session, nginx, crossing)


@incident
@both_families
@all_settings
def test_nginx_and_curl_close_at_the_same_moment(path_session: TwoKernelSession, nginx: Nginx, curl: Curl) -> None:
    path = path_session.path
    crossing = path.hold(FIN, from_="server")
    path.hold(FIN, from_="client").until(ACK)
    allow_the_exchange(path)
    with curl.post(BODY):
        path.expect_handshake(within=STARTED)
        expect_the_closing(path_session, nginx, crossing)
