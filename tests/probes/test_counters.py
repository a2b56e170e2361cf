"""Counters: read for real in a namespace, and parsed from text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.probes import counters
from netns.enter import Namespace

SNMP = b"""Ip: Forwarding DefaultTTL InReceives
Ip: 2 64 70
Icmp: InMsgs InErrors
Icmp: 3 0
IcmpMsg: InType3
IcmpMsg: 3
Tcp: RtoAlgorithm MaxConn ActiveOpens CurrEstab
Tcp: 1 -1 9 4
Udp: InDatagrams
Udp: 5
"""


def test_counters_are_named_as_nstat_names_them_and_udp_is_left_out() -> None:
    assert counters.parse(SNMP) == {
        "IpForwarding": 2,
        "IpDefaultTTL": 64,
        "IpInReceives": 70,
        "IcmpInMsgs": 3,
        "IcmpInErrors": 0,
        "TcpRtoAlgorithm": 1,
        "TcpMaxConn": -1,
        "TcpActiveOpens": 9,
        "TcpCurrEstab": 4,
    }


def test_growth_leaves_out_zeros_and_what_is_a_level() -> None:
    before = {"TcpInSegs": 5, "TcpOutSegs": 5, "TcpCurrEstab": 1}
    after = {"TcpInSegs": 7, "TcpOutSegs": 5, "TcpCurrEstab": 2, "TcpExtTCPOFOQueue": 1}
    assert counters.growth(before, after) == {"TcpInSegs": 2, "TcpExtTCPOFOQueue": 1}


def test_a_namespace_counts_for_itself(namespace: Namespace) -> None:
    other = Namespace.create()
    try:
        before, elsewhere = counters.read(namespace), counters.read(other)
        _refused_connection(namespace)
        grown = counters.growth(before, counters.read(namespace))
        assert grown["TcpActiveOpens"] == 1
        assert grown["TcpAttemptFails"] == 1
        assert grown["TcpOutRsts"] == 1
        assert counters.growth(elsewhere, counters.read(other)) == {}
        assert "TcpExtTCPChallengeACK" in before
        assert "IpExtInOctets" in before
    finally:
        other.close()


def _refused_connection(namespace: Namespace) -> None:
    import socket

    with namespace.entered():
        caller = socket.socket()
    with caller:
        assert caller.connect_ex(("127.0.0.1", 9)) != 0


@given(st.binary(max_size=300) | st.text("Tcp: Ext\n0-9", max_size=80).map(str.encode))
def test_text_that_is_cut_short_gives_what_is_whole(content: bytes) -> None:
    try:
        found = counters.parse(content)
    except ValueError:
        return  # a value that is no number is an error, never a wrong count
    assert all(isinstance(value, int) for value in found.values())


@given(st.dictionaries(st.from_regex(r"\A[A-Z][a-z]{1,8}\Z"), st.integers(0, 2**64), min_size=1))
def test_what_the_kernel_prints_is_read_back(values: dict[str, int]) -> None:
    text = f"TcpExt: {' '.join(values)}\nTcpExt: {' '.join(map(str, values.values()))}\n"
    assert counters.parse(text.encode()) == {f"TcpExt{name}": value for name, value in values.items()}
