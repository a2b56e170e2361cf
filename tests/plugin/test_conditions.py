"""What a lab pins, seen by who writes scenarios: timers come free by one mark, everything by --defaults."""

from __future__ import annotations

from tests.plugin.conftest import RunScenarios

FIRST_OF_EACH_TIMER = """
@waits(RTO_MIN)
def test_retransmission(session, established):
    server, peer = established
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost", at_least=RTO_MIN.unrounded(), within=session.profile.first_rto())

@waits(RTO_MIN)
def test_persist(session, established):
    server, peer = established
    peer.send(ACK, seq=1, ack=1, window=0)
    server.send(b"waits")
    peer.expect(ACK, seq=0, ack=1, at_least=RTO_MIN.unrounded(), within=session.profile.first_rto())

@waits(RTO_MIN)
def test_tail_loss_probe(session, established):
    server, peer = established
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost", within=session.profile.first_rto())
    peer.send(ACK, seq=1, ack=5)
    assert session.account().counters["TcpExtTCPLossProbes"] == 1

@waits(SECOND)
def test_keepalive(established):
    server, peer = established
    server.set_option("TCP_KEEPIDLE", 1)
    server.set_option("SO_KEEPALIVE", 1)
    peer.expect(ACK, seq=0, ack=1, at_least=1, within=2)

@waits(DELACK_MAX)
def test_delayed_ack(established):
    server, peer = established
    server.set_option("TCP_QUICKACK", 0)
    peer.send(ACK, seq=1, ack=1, data=b"one")
    peer.expect(ACK, seq=1, ack=4, at_least=PROMPT.unrounded(), within=2 * DELACK_MAX)
"""


def test_mark_that_says_how_long_a_scenario_waits_frees_the_timers(run: RunScenarios) -> None:
    ran = run(FIRST_OF_EACH_TIMER)
    assert set(ran.outcomes.values()) == {"conforms"}, ran.output


OWN_SETTINGS = """
def test_ask(established, session):
    from netns import sysctls
    server, peer = established
    with session.lab.kernel.entered():
        assert sysctls.read("net/ipv4/tcp_invalid_ratelimit") == "500"
    assert session.sysctl("net/ipv4/tcp_early_retrans") == "3"
    server.send(b"x")
    peer.expect(ACK, seq=1, ack=1, data=b"x")
"""


def test_labs_have_the_kernels_own_settings_where_they_are_asked_for(run: RunScenarios) -> None:
    assert run(OWN_SETTINGS, name="pinned").outcomes == {"test_ask": "deviates"}
    ran = run(OWN_SETTINGS, "--defaults", name="own")
    assert ran.outcomes == {"test_ask": "conforms"}, ran.output
    assert "net/ipv4/tcp_invalid_ratelimit" not in ran.record["conditions"]
    assert ran.record["conditions"]["net/ipv6/conf/default/accept_dad"] == {"value": "0", "default": "1"}


def test_record_of_a_run_says_what_its_labs_pin_beside_the_kernels_defaults(run: RunScenarios) -> None:
    conditions = run("def test_any(established): established.peer.expect_silence()").record["conditions"]
    assert conditions["net/ipv4/tcp_early_retrans"] == {"value": "0", "default": "3"}
    assert conditions["route rto_min lock"]["value"] == "10000"
    assert "net/ipv4/tcp_sack" not in conditions, "it is as the kernel has it"
