"""What a packetdrill script is run with: its options, and those of whoever runs it, which win. Pure."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping

import msgspec

from harness.errors import FinwaitError, Unsupported
from harness.packetdrill.script import Script

_US = 1000  # in ns

_TAKEN = (
    *("ip_version", "local_ip", "remote_ip", "gateway_ip", "netmask_ip", "bind_port", "connect_port", "mss", "mtu"),
    *("tolerance_usecs", "tcp_ts_tick_usecs", "tcp_ts_ecr_scaled", "strict_segments"),
)
_WITHOUT_EFFECT = {
    *("verbose", "debug", "use_expect", "persistent_tun_dev", "define", "psp_udp_port"),
    *("code_command", "code_format", "code_sockopt"),  # code sees what every option of the socket's tells
    "send_omit_free",  # as it always is here
}


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options in effect.

    Args:
        mapped: sockets are of IPv6, packets of IPv4 (RFC 4291 2.5.5.2).
        version: of IP on the wire, 4 or 6.
        local: address and prefix length of the kernel under test.
        remote: the same of the other side; what lies in it is reached by the lab's device.
        gateway: by which the other side is reached.
        bind_port: what ``bind`` takes and where an inbound packet goes.
        connect_port: what ``connect`` goes to.
        mss: inbound segments with more data arrive as several of this size that came at once; 0 for none.
        mtu: of the device, in octets.
        tolerance_ns: how far a time may be off.
        tick_ns: what a timestamp of the kernel's counts; 0 where it is not looked at.
        scaled_echoes: an inbound echo that no outbound timestamp had is counted from the first of them.
        strict_segments: no segments are put together.
    """

    mapped: bool
    version: int
    local: tuple[str, int]
    remote: tuple[str, int]
    gateway: str
    bind_port: int
    connect_port: int
    mss: int
    mtu: int
    tolerance_ns: int
    tick_ns: int
    scaled_echoes: bool
    strict_segments: bool

    @property
    def socket_version(self) -> int:
        """Of which IP version the sockets are."""
        return 6 if self.mapped else self.version

    def socket_address(self, address: str) -> str:
        """An address as a socket has it."""
        return f"::ffff:{address}" if self.mapped else address


def pair(text: str) -> tuple[str, str]:
    """Name and value of ``NAME=VALUE``, as whoever runs a script gives options and symbols.

    Raises:
        FinwaitError: it is something else.
    """
    name, _, value = text.removeprefix("--").partition("=")
    if re.fullmatch(r"\w+", name, re.ASCII):
        return name, value
    raise FinwaitError(f"{text!r} is not NAME=VALUE")


def effective(script: Script, given: Mapping[str, str]) -> RunOptions:
    """What a script is run with.

    Args:
        script: with its own options.
        given: of whoever runs it, by name without the dashes; ``tolerance_usecs``, ``ip_version`` and the others.

    Raises:
        FinwaitError: a value is none that the option can have, or whoever runs the script gave one that is not taken.
        Unsupported: the script has an option that is not taken.
    """
    for option in script.options:
        if option.name not in _WITHOUT_EFFECT.union(_TAKEN):
            what = f"line {option.line}: the option --{option.name} is not taken"
            raise Unsupported(what, why=f"there are {', '.join(_TAKEN)}")
    for name in given:
        if name not in _WITHOUT_EFFECT.union(_TAKEN):
            near = difflib.get_close_matches(name, _TAKEN, n=1) or _TAKEN
            raise FinwaitError(f"the option {name} of packetdrill is not taken", hint=", ".join(near))
    try:
        return _read({option.name: option.value or "" for option in script.options} | dict(given))
    except ValueError as error:
        raise FinwaitError(f"an option has a value that it cannot have: {error}") from error


def _read(texts: Mapping[str, str]) -> RunOptions:
    kind = texts.get("ip_version", "ipv4")
    if kind not in ("ipv4", "ipv6", "ipv4-mapped-ipv6"):
        raise ValueError(f"--ip_version={kind}")
    six = kind == "ipv6"
    local, gateway, remote = (
        ("fd3d:fa7b:d17d::1", "fd3d:fa7b:d17d:8888::1", "2001:db8::1/32")
        if six
        else ("192.168.0.1", "192.168.0.1", "192.0.2.1/24")
    )
    prefix = 48 if six else ipaddress.ip_network(f"0.0.0.0/{texts.get('netmask_ip', '255.255.0.0')}").prefixlen
    return RunOptions(
        mapped=kind == "ipv4-mapped-ipv6",
        version=6 if six else 4,
        local=_address(texts.get("local_ip", local), prefix),
        remote=_address(texts.get("remote_ip", remote), 128 if six else 32),
        gateway=texts.get("gateway_ip", gateway),
        bind_port=int(texts.get("bind_port", 8080)),
        connect_port=int(texts.get("connect_port", 8080)),
        mss=int(texts.get("mss", 0)),
        mtu=int(texts.get("mtu", 1500)),
        tolerance_ns=int(texts.get("tolerance_usecs", 4000)) * _US,
        tick_ns=int(texts.get("tcp_ts_tick_usecs", 0)) * _US,
        scaled_echoes="tcp_ts_ecr_scaled" in texts,
        strict_segments="strict_segments" in texts,
    )


def _address(text: str, prefix: int) -> tuple[str, int]:
    address, _, length = text.partition("/")
    return str(ipaddress.ip_address(address)), int(length or prefix)
