"""Whose a record is, and what it says: in the layouts of an old kernel and of a new one."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes import records
from harness.probes.records import Seen, key
from harness.probes.tracefs import Field, Format, parse_format
from harness.trace.events import Probed, seen_text
from tests.probes.test_tracefs import DROP_OF_6_18

LOCAL, REMOTE, OTHER = ("198.18.0.2", 80), ("198.18.0.1", 1024), ("198.18.9.9", 1024)
SET_STATE = Format(
    1,
    {
        "skaddr": Field(8, 8, False),
        "oldstate": Field(16, 4, True),
        "newstate": Field(20, 4, True),
        "sport": Field(24, 2, False),
        "dport": Field(26, 2, False),
        "saddr": Field(32, 4, False),
        "daddr": Field(36, 4, False),
        "saddr_v6": Field(40, 16, False),
        "daddr_v6": Field(56, 16, False),
    },
)
PROBE = Format(
    2,
    {
        "saddr": Field(0, 28, False),
        "daddr": Field(28, 28, False),
        "snd_nxt": Field(56, 4, False),
        "snd_una": Field(60, 4, False),
    },
)
DROP = parse_format(DROP_OF_6_18)
ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT_1, FIN_WAIT_2, CLOSED, LISTEN = 1, 2, 3, 4, 5, 7, 10


def state(
    at: int, pointer: int, old: int, new: int, remote: tuple[str, int] = REMOTE, local: tuple[str, int] = LOCAL
) -> Seen:
    (source, sport), (target, dport) = key(local), key(remote)
    record = bytes(8) + struct.pack("=QiiHH4x", pointer, old, new, sport, dport) + bytes(8) + source + target
    return Seen(at, records.SET_STATE, 1, record, SET_STATE)


def drop(at: int, pointer: int, reason: int = 49, process: int = 1) -> Seen:
    return Seen(at, records.DROP, process, bytes(24) + struct.pack("=QHxxI", pointer, 0x800, reason), DROP)


def mine(*seen: Seen, process: int = 1) -> list[int]:
    return [each.at for each in records.of_connection(seen, key(LOCAL), key(REMOTE), process)]


def test_a_drop_belongs_to_the_connection_whose_socket_it_names() -> None:
    assert mine(state(1, 0xA, SYN_RECV, ESTABLISHED), drop(2, 0xA), drop(3, 0xB)) == [1, 2]


def test_a_socket_whose_memory_another_connection_uses_again_is_not_ours_any_more() -> None:
    ours, theirs = state(1, 0xA, FIN_WAIT_2, CLOSED), state(3, 0xA, SYN_RECV, ESTABLISHED, OTHER)
    assert mine(ours, drop(2, 0xA), theirs, drop(4, 0xA)) == [1, 2]


def test_a_child_is_known_before_it_has_the_peers_address() -> None:
    nobody = ("0.0.0.0", 0)  # noqa: S104
    child = state(1, 0xA, LISTEN, SYN_RECV, nobody)
    assert mine(child, state(2, 0xB, LISTEN, SYN_RECV, nobody), state(3, 0xA, SYN_RECV, ESTABLISHED)) == [1, 3]


@pytest.mark.parametrize("named", [True, False])
def test_what_opens_in_the_memory_of_a_socket_that_is_gone_is_not_ours(named: bool) -> None:
    ours, theirs = state(1, 0xA, FIN_WAIT_2, CLOSED), state(2, 0xA, CLOSED, SYN_SENT, OTHER, ("198.18.0.2", 0))
    names = [state(4, 0xA, SYN_SENT, ESTABLISHED, OTHER)] if named else []
    assert mine(ours, theirs, drop(3, 0xA), *names) == [1]


def test_a_drop_without_a_socket_is_ours_when_our_own_injection_caused_it() -> None:
    no_socket, by_peer = 3, 7
    assert mine(drop(1, 0, no_socket, process=7), drop(2, 0, no_socket, process=8), process=7) == [1]
    assert mine(drop(1, 0, by_peer, process=7), process=7) == []


@pytest.mark.parametrize(
    ("old", "new", "text", "after"),
    [
        (FIN_WAIT_1, FIN_WAIT_2, "FIN-WAIT-1 -> FIN-WAIT-2", "FIN-WAIT-2"),
        (FIN_WAIT_2, CLOSED, "FIN-WAIT-2 -> CLOSED, or a mini-socket instead", ""),
        (ESTABLISHED, CLOSED, "ESTABLISHED -> CLOSED", "CLOSED"),
    ],
)
def test_states_are_told_in_the_words_of_the_rfc(old: int, new: int, text: str, after: str) -> None:
    told = records.told(state(1, 0xA, old, new), None, 1)
    assert (seen_text(told), told.state) == (text, after)


def test_a_drop_tells_its_reason() -> None:
    told = Probed(1, "tracepoint", "dropped", details={"reason": "TCP_OLD_ACK"}, connection=2)
    assert records.told(drop(1, 0xA), None, 2) == told
    assert seen_text(told) == "dropped: TCP_OLD_ACK"


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**31))
def test_sequence_numbers_are_relative_to_the_origin_beyond_the_wrap(origin: int, sent: int) -> None:
    una, nxt = origin + 1, origin + 1 + sent
    record = bytes(56) + struct.pack("=II", nxt % 2**32, una % 2**32)
    seen = Seen(1, records.ARRIVAL, 1, record, PROBE)
    told = records.told(seen, origin, 1)
    assert (told.what, told.details) == ("arrives", {"snd_una": 1, "snd_nxt": 1 + sent})


@given(st.ip_addresses(), st.integers(0, 2**16 - 1))
def test_an_address_is_the_same_in_a_sockaddr_and_in_words(host: object, port: int) -> None:
    text = str(host)
    if ":" in text:
        content = (
            struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0) + socket.inet_pton(socket.AF_INET6, text)
        )
    else:
        content = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(text)
    padded = content.ljust(28, b"\0")
    assert records.ends(Seen(1, records.ARRIVAL, 1, padded + padded + bytes(8), PROBE)) == (key((text, port)),) * 2
