"""What helps a client whose server drops its FIN, and what does not: see docs/incident.md.

A remedy is good if the client's FIN is acknowledged within 100 ms: half of what its retransmission timer is at least.
"""

from __future__ import annotations

import pytest

from harness import ACK, FIN, MS, RTO_INIT, Pattern, Span, TwoKernelSession, close, requirement, shutdown_wr

GOOD = Span(100 * MS, "GOOD", "half of TCP_RTO_MIN (include/net/tcp.h)")
SYSCTLS = {  # of the server
    "fin-timeout": ("tcp_fin_timeout", 1),
    "orphan-retries": ("tcp_orphan_retries", 1),
    "no-sack": ("tcp_sack", 0),
}
REMEDIES = ["none", *SYSCTLS, "no-timestamps", "client-rto-min", "server-close"]


@pytest.fixture
def timestamps(remedy: str) -> bool:
    return remedy != "no-timestamps"


@requirement("RFC9293-3.10.7.4", "RFC9293-E-17", fixed_by="795a7dfbc3d9")
@pytest.mark.parametrize("remedy", REMEDIES)
def test_fin_overtaken_by_its_ack_is_acknowledged_soon(path_session: TwoKernelSession, remedy: str) -> None:
    if remedy in SYSCTLS:
        name, value = SYSCTLS[remedy]
        path_session.sysctl(f"net/ipv4/{name}", value)
    if remedy == "client-rto-min":
        to = path_session.address("server")
        route = path_session.run(["ip", "route", "show", to], where="client").stdout.split()
        path_session.run(["ip", "route", "change", *route, "rto_min", "20ms"], where="client")
    client, server, path = path_session.connect(path_session.listen())
    path.hold(FIN, from_="client", seq=1, ack=1).until(ACK, seq=2, ack=2)
    crossing = path.hold(FIN, from_="server")
    client.close()
    (close if remedy == "server-close" else shutdown_wr)(server)
    crossing.release()
    path.expect(FIN, from_="client", seq=1, ack=1)
    path.expect(FIN, from_="server", seq=1, ack=1)
    path.expect(ACK, from_="client", seq=2, ack=2)
    reply = path.expect_one_of(
        from_="server", accepted=Pattern(ACK, seq=2, ack=2), challenged=Pattern(ACK, seq=2, ack=1)
    )
    if reply.is_("challenged"):
        path.expect(FIN, from_="client", seq=1, ack=2, within=GOOD)
        path.expect(ACK, from_="server", seq=2, ack=2)
    path_session.expect_closed(within=RTO_INIT)
