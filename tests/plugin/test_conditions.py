"""What a lab pins, seen by who writes scenarios: timers come free by one mark, everything by --defaults."""

from __future__ import annotations

import pytest

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
    conditions = {one["name"]: one for one in ran.record["conditions"]}
    assert "net/ipv4/tcp_invalid_ratelimit" not in conditions
    assert conditions["net/ipv6/conf/default/accept_dad"]["default"] == "1"


def test_record_of_a_run_says_what_its_labs_pin_beside_the_kernels_defaults(run: RunScenarios) -> None:
    record = run("def test_any(established): established.peer.expect_silence()").record
    conditions = {one["name"]: one for one in record["conditions"]}
    probe = conditions["net/ipv4/tcp_early_retrans"]
    assert (probe["value"], probe["default"], probe["effect"]) == ("0", "3", "no tail loss probe")
    assert conditions["route rto_min lock"]["value"] == "10000"
    assert "net/ipv4/tcp_sack" not in conditions, "it is as the kernel has it"


SENT_ONCE = """
def test_s(session, established):
    server, peer = established
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost", {time})
"""


@pytest.mark.parametrize("time", ["at_least=0.2", "after=RTO_MIN", "within=RTO_MIN"])
def test_expecting_what_the_lab_holds_off_is_a_mistake_in_the_scenario(run: RunScenarios, time: str) -> None:
    ran = run(SENT_ONCE.format(time=time))
    (result,) = ran.results.values()
    assert (ran.status, result["outcome"]) == (2, "lost")
    assert result["message"].startswith("test_s.py:11: mistake in the scenario: ")
    assert "no retransmission timer and no persist timer before 10 s" in result["message"]
    assert "try: @waits(" in result["message"]
    assert "\n" not in result["message"]


WAITS = """
def test_silence(established): established.peer.expect_silence(30)
def test_collect(established): established.peer.collect(30)
def test_count(established): established.peer.expect_count(Pattern(ACK), at_most=1, within=30)
def test_silence_of_a_path(two_kernels): two_kernels.path.expect_silence(30)
def test_error(session, established): session.expect_error(established.endpoint, "ETIMEDOUT", after=30)
def test_syn_again(session):
    client = session.socket()
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    peer.expect(SYN, seq=0, at_least=30)
"""


def test_long_wait_without_a_mark_is_a_mistake_before_anybody_waits(run: RunScenarios) -> None:
    ran = run(WAITS)
    assert ran.status == 2
    for result in ran.results.values():
        assert result["outcome"] == "lost"
        assert ": mistake in the scenario: " in result["message"]
        assert result["message"].endswith("; try: @waits(30)")
    assert len(ran.results) == 6


MATTERS = {
    "route rto_min lock = 10000": SENT_ONCE.format(time="within=PROMPT"),
    "route quickack = 1": """
def test_s(established):
    _, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"one")
    peer.expect_silence()
""",
    "net/ipv4/tcp_invalid_ratelimit = 0": """
def test_s(established):
    _, peer = established
    for _ in range(2):
        peer.send(ACK, seq=1, ack=90_000)
    peer.expect(ACK, seq=1, ack=1)
""",
    "net/ipv4/tcp_rmem = 4096 131072 6291456": """
def test_s(established):
    server, peer = established
    server.send(b"x")
    peer.expect(ACK, seq=1, ack=1, data=b"x", window=9)
""",
    "net/ipv4/tcp_ecn = 0": """
def test_s(session, listener):
    peer = session.new_peer(listener.port)
    peer.send(SYN | ECE | CWR, seq=0)
    peer.expect(SYN | ECE, seq=0, ack=1)
""",
    "net/ipv4/tcp_fastopen = 0": """
def test_s(session, listener):
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options="mss 1460,FO")
    peer.expect(SYN, seq=0, ack=1, options="mss 1460,FO")
""",
}


def test_failure_names_what_the_lab_pins_where_it_matters(run: RunScenarios) -> None:
    ran = run("".join(text.replace("test_s(", f"test_{number}(") for number, text in enumerate(MATTERS.values())))
    assert set(ran.outcomes.values()) == {"deviates"}, ran.output
    for result, line in zip(ran.results.values(), MATTERS, strict=True):
        _, _, told = result["message"].partition("\nlab  ")
        assert f" {line}, by default " in f" {told}", result["message"]
        assert line.partition(" = ")[0] in {one["name"] for one in result["evidence"]["lab"]}


UNRELATED = {
    "data": SENT_ONCE.format(time="").replace('b"lost", )', 'b"other")'),
    "flags": """
def test_flags(established):
    established.endpoint.send(b"x")
    established.peer.expect(FIN, seq=1, ack=1)
""",
    "after a challenge ACK": """
def test_after_a_challenge_ack(established):
    server, peer = established
    peer.send(ACK, seq=1, ack=90_000)
    peer.expect(ACK, seq=1, ack=1)
    server.send(b"x")
    peer.expect(ACK, seq=1, ack=1, data=b"y")
""",
    "after a fast retransmission": """
def test_after_a_fast_retransmission(established):
    server, peer = established
    for number in range(4):
        server.send(b"x")
        peer.expect(ACK, seq=1 + number, ack=1, length=1)
    for number in range(1, 4):
        peer.send(ACK, seq=1, ack=1, options=f"sack {2}:{2 + number}")
    peer.expect(ACK, seq=1, ack=1, data=b"x")
    peer.send(ACK, seq=1, ack=5)
    server.close()
    peer.expect(FIN, seq=9, ack=1)
""",
    "options": """
def test_options(established):
    established.endpoint.send(b"x")
    established.peer.expect(ACK, seq=1, ack=1, data=b"x", options="mss 1")
""",
}


def test_failure_names_nothing_that_has_no_part_in_it(run: RunScenarios) -> None:
    ran = run("".join(UNRELATED.values()))
    assert set(ran.outcomes.values()) == {"deviates"}, ran.output
    assert len(ran.outcomes) == len(UNRELATED)
    for result in ran.results.values():
        assert "\nlab " not in result["message"], result["message"]
