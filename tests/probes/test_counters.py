"""Counters: read for real in a namespace, and parsed from text."""

from __future__ import annotations

import socket
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.probes import counters
from harness.probes.counters import Counters
from netns.enter import Namespace


def _text(**values: int) -> counters.Snapshot:
    tcp = f"Tcp: {' '.join(values)}\nTcp: {' '.join(map(str, values.values()))}\n"
    return [f"IcmpMsg: InType3\nIcmpMsg: {values.get('InSegs', 0)}\n{tcp}".encode()]


def test_growth_is_named_as_nstat_names_it_and_leaves_out_zeros_levels_and_other_groups() -> None:
    before = _text(RtoAlgorithm=1, MaxConn=-1, InSegs=5, OutSegs=5, CurrEstab=1)
    after = _text(RtoAlgorithm=1, MaxConn=-1, InSegs=7, OutSegs=5, CurrEstab=2)
    assert counters.growth(before, after) == {"TcpInSegs": 2}


def test_a_group_that_is_new_between_two_reads_moves_no_other() -> None:
    before, after = (f"Tcp: ActiveOpens PassiveOpens\nTcp: {count} 9\nUdp: NoPorts\nUdp: 0\n" for count in (7, 8))
    message = "IcmpMsg: InType3\nIcmpMsg: 1\n"
    assert counters.growth([before.encode()], [(message + after).encode()]) == {"TcpActiveOpens": 1}


def test_a_namespace_counts_for_itself(namespace: Namespace) -> None:
    other = Namespace.create()
    try:
        with Counters(namespace) as here, Counters(other) as elsewhere:
            before, apart = here.read(), elsewhere.read()
            _refused_connection(namespace)
            grown = counters.growth(before, here.read())
            assert grown["TcpActiveOpens"] == 1
            assert grown["TcpAttemptFails"] == 1
            assert grown["TcpOutRsts"] == 1
            assert grown["IpExtInOctets"] == grown["IpExtOutOctets"] > 0
            assert counters.growth(apart, elsewhere.read()) == {}
    finally:
        other.close()


def test_a_read_is_whole(namespace: Namespace) -> None:
    with Counters(namespace) as here, namespace.entered():
        files = [Path("/proc/thread-self/net", name).read_bytes() for name in ("snmp", "netstat")]
        assert [*here.read()] == files


def test_nothing_keeps_the_namespace_once_they_are_closed(namespace: Namespace) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with Counters(namespace):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def _refused_connection(namespace: Namespace) -> None:
    with namespace.entered():
        caller = socket.socket()
    with caller:
        assert caller.connect_ex(("127.0.0.1", 9)) != 0


@given(st.binary(max_size=300) | st.text("Tcp: Ext\n0-9", max_size=80).map(str.encode))
def test_text_that_is_cut_short_gives_what_is_whole(content: bytes) -> None:
    try:
        found = counters.growth([b"Tcp: In\nTcp: 1\n"], [content])
    except ValueError:
        return  # a value that is no number is an error, never a wrong count
    assert all(isinstance(value, int) for value in found.values())


COUNTS = st.integers(0, 2**64)


@given(st.dictionaries(st.from_regex(r"\A[A-Z][a-z]{1,8}\Z"), st.tuples(COUNTS, COUNTS), min_size=1))
def test_what_the_kernel_prints_is_read_back(values: dict[str, tuple[int, int]]) -> None:
    before, after = (
        [f"TcpExt: {' '.join(values)}\nTcpExt: {' '.join(str(pair[i]) for pair in values.values())}\n".encode()]
        for i in (0, 1)
    )
    grown = {f"TcpExt{name}": now - then for name, (then, now) in values.items() if now != then}
    assert counters.growth(before, after) == grown
