"""Calls of scripts that tell or set an option of a socket, on the real kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packetdrill.scripts import OPEN, failure, run

pytestmark = pytest.mark.usefixtures("stamped")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("getsockopt(4, SOL_TCP, TCP_MAXSEG, [1000], [4]) = 0", ""),
        ("getsockopt(4, SOL_TCP, TCP_MAXSEG, [1001], [4]) = 0", "the value is"),
        ("getsockopt(4, SOL_TCP, TCP_MAXSEG, [1000], [8]) = 0", "the value has 4 octets, not 8"),
        ("getsockopt(4, SOL_TCP, TCP_MAXSEG, [232], [1]) = 0", "a value of 4 octets stands in the script"),
        ("getsockopt(4, 99, 99, [0], [4]) = -1 EOPNOTSUPP (Operation not supported)", ""),
        ("getsockopt(4, 99, 99, [1], [4]) = -1 EOPNOTSUPP (Operation not supported)", "the value is 00000000"),
        ('getsockopt(4, SOL_TCP, TCP_CONGESTION, "cubi", [4]) = 0', ""),
        ('getsockopt(4, SOL_TCP, TCP_CONGESTION, "cubic", [6]) = 0', "a value of 5 octets stands in the script"),
        ("setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=7}, 8) = 0", ""),
        ("getsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=0, linger=0}, [8]) = 0", ""),
        ("setsockopt(4, SOL_SOCKET, SO_BINDTODEVICE, {flags 0x2000, sum 0, off 0, key 3, seq 0}, 16) = -1 ENODEV", ""),
        ("setsockopt(4, SOL_SOCKET, SO_BINDTODEVICE, {(label 7, tc 2, [S], ttl 9)}, 4) = 0", ""),
    ],
)
def test_values_of_options_are_held_to_their_length_too(call: str, told: str, tmp_path: Path) -> None:
    if told:
        assert told in str(failure(f"{OPEN}+0 {call}\n", tmp_path))
    else:
        run(f"{OPEN}+0 {call}\n", tmp_path)
