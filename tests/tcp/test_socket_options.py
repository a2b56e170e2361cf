"""Socket options by name: held against Python's own socket module and the headers of this machine."""

from __future__ import annotations

import re
import socket
import struct
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.tcp.socket_options import encoded, name_of, number_of

HEADERS = {"TCP_": "linux/tcp.h", "SO_": "asm-generic/socket.h", "IP_": "linux/in.h", "IPV6_": "linux/in6.h"}
LEVELS = {"TCP_": socket.IPPROTO_TCP, "SO_": socket.SOL_SOCKET, "IP_": socket.IPPROTO_IP, "IPV6_": socket.IPPROTO_IPV6}


@pytest.mark.parametrize(
    "name", ["TCP_NODELAY", "TCP_USER_TIMEOUT", "TCP_INFO", "SO_RCVBUF", "SO_LINGER", "IP_TTL", "IPV6_V6ONLY"]
)
def test_python_knows_the_same_numbers(name: str) -> None:
    prefix = f"{name.partition('_')[0]}_"
    assert number_of(name) == (LEVELS[prefix], getattr(socket, name))


@pytest.mark.parametrize("prefix", HEADERS)
def test_headers_of_this_machine_say_the_same(prefix: str) -> None:
    header = Path("/usr/include") / HEADERS[prefix]
    if not header.exists():
        pytest.skip(f"{header} is not installed (Debian package: linux-libc-dev)")
    lines = re.findall(rf"^#\s*define\s+({prefix}\w+)\s+(\d+)\s*(?:/\*.*)?$", header.read_text(), re.MULTILINE)
    seen = {}
    for name, number in lines:
        try:
            seen[name] = number_of(name)
        except FinwaitError:
            continue  # a constant of the header that is no option
        assert seen[name] == (LEVELS[prefix], int(number)), name
    assert len(seen) > 25


@pytest.mark.parametrize(
    ("name", "level", "number"),
    [
        ("TCP_MD5SIG", 6, 14),
        ("TCP_REPAIR", 6, 19),
        ("TCP_RTO_MAX_MS", 6, 44),
        ("IP_MTU_DISCOVER", 0, 10),
        ("IP_MINTTL", 0, 21),
        ("SO_TXREHASH", 1, 74),
        ("IPV6_MINHOPCOUNT", 41, 73),
    ],
)
def test_options_that_python_has_no_name_for(name: str, level: int, number: int) -> None:
    assert number_of(name) == (level, number)
    assert name_of((level, number)) == name


def test_level_and_number_stand_for_themselves() -> None:
    assert number_of((6, 250)) == (6, 250)
    assert name_of((6, 250)) == "level 6 option 250"


def test_misspelt_name_is_told_with_the_near_ones() -> None:
    with pytest.raises(FinwaitError, match="TCP_NODELAY"):
        number_of("TCP_NODELY")
    with pytest.raises(FinwaitError, match=r"no socket option named 'NODELAY'.*\(level, number\)"):
        number_of("NODELAY")


@pytest.mark.parametrize("name", [6, None, (6, 1, 1), (6,), ("6", 1), (6, 2**31), b"TCP_NODELAY"])
def test_what_is_neither_a_name_nor_level_and_number_is_refused(name: object) -> None:
    with pytest.raises(FinwaitError, match=r"\(level, number\)|does not fit"):
        number_of(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, [1], 2**31, -(2**31) - 1])
def test_value_that_no_option_takes_is_refused(value: object) -> None:
    with pytest.raises(FinwaitError, match=r"SO_MARK"):
        encoded("SO_MARK", value)  # type: ignore[arg-type]


def test_value_is_encoded_as_its_kind() -> None:
    assert encoded("SO_RCVTIMEO", 1.5) == struct.pack("ll", 1, 500_000)
    assert encoded("TCP_CONGESTION", "cubic") == b"cubic\0"
    assert encoded("TCP_NODELAY", 1) == 1
    assert encoded("SO_LINGER", b"raw") == b"raw"
    with pytest.raises(FinwaitError, match="takes a whole number"):
        encoded("TCP_KEEPIDLE", 0.5)
