"""What a packetdrill script is run with: its options, and those of whoever runs it, which win. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

import msgspec

from harness.errors import FinwaitError, Unsupported
from harness.packetdrill.script import Script, ScriptOption

US = 1000
"""Nanoseconds in a microsecond."""

_UNSUPPORTED = ("wire_client", "wire_server", "so_filename", "speed")
_IGNORED = ("verbose", "debug", "dry_run", "use_expect", "non_fatal", "code_command", "persistent_tun_dev", "define")


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
        code_source: what a block of code sees: TCP_INFO, TCP_CC_INFO or SO_MEMINFO; empty for what the socket has.
    """

    mapped: bool = False
    version: int = 4
    local: tuple[str, int] = ("192.168.0.1", 16)
    remote: tuple[str, int] = ("192.0.2.1", 24)
    gateway: str = "192.168.0.1"
    bind_port: int = 8080
    connect_port: int = 8080
    mss: int = 0
    mtu: int = 1500
    tolerance_ns: int = 4000 * US
    tick_ns: int = 0
    scaled_echoes: bool = False
    strict_segments: bool = False
    code_source: str = ""

    @property
    def socket_version(self) -> int:
        """Of which IP version the sockets are."""
        return 6 if self.mapped else self.version

    def socket_address(self, address: str) -> str:
        """An address as a socket has it."""
        return f"::ffff:{address}" if self.mapped else address


def effective(script: Script, given: Mapping[str, str | None] | None = None) -> RunOptions:
    """What a script is run with.

    Args:
        script: with its own options.
        given: of whoever runs it, by name without the dashes; ``tolerance_usecs``, ``ip_version`` and the others.

    Raises:
        FinwaitError: a value is none that the option can have.
        Unsupported: an option that this interpreter does not take.
    """
    last: dict[str, ScriptOption | str | None] = {option.name: option for option in script.options}
    last.update(given or {})
    texts = {name: value.value if isinstance(value, ScriptOption) else value for name, value in last.items()}
    for name, option in last.items():
        if name in _UNSUPPORTED:
            line = f" in line {option.line}" if isinstance(option, ScriptOption) else ""
            raise Unsupported(f"the option --{name}{line} is not taken", why="it needs another way to run scripts")
    try:
        return _read({name: value or "" for name, value in texts.items()})
    except ValueError as error:
        raise FinwaitError(f"an option has a value that it cannot have: {error}") from error


def _read(texts: Mapping[str, str]) -> RunOptions:
    kind = texts.get("ip_version", "ipv4")
    if kind not in ("ipv4", "ipv6", "ipv4-mapped-ipv6"):
        raise ValueError(f"--ip_version={kind}")
    six = kind == "ipv6"
    usual = ("fd3d:fa7b:d17d::1", "fd3d:fa7b:d17d:8888::1", "2001:db8::1/32") if six else ()
    local, gateway, remote = usual or ("192.168.0.1", "192.168.0.1", "192.0.2.1/24")
    local, gateway, remote = (
        texts.get("local_ip", local),
        texts.get("gateway_ip", gateway),
        texts.get("remote_ip", remote),
    )
    prefix = 48 if six else ipaddress.ip_network(f"0.0.0.0/{texts.get('netmask_ip', '255.255.0.0')}").prefixlen
    return RunOptions(
        mapped=kind == "ipv4-mapped-ipv6",
        version=6 if six else 4,
        local=_address(local, prefix),
        remote=_address(remote, 128 if six else 32),
        gateway=gateway,
        bind_port=int(texts.get("bind_port", 8080)),
        connect_port=int(texts.get("connect_port", 8080)),
        mss=int(texts.get("mss", 0)),
        mtu=int(texts.get("mtu", 1500)),
        tolerance_ns=int(texts.get("tolerance_usecs", 4000)) * US,
        tick_ns=int(texts.get("tcp_ts_tick_usecs", 0)) * US,
        scaled_echoes="tcp_ts_ecr_scaled" in texts,
        strict_segments="strict_segments" in texts,
        code_source=texts.get("code_sockopt", ""),
    )


def _address(text: str, prefix: int) -> tuple[str, int]:
    address, _, length = text.partition("/")
    return str(ipaddress.ip_address(address)), int(length or prefix)


def names(options: Iterable[ScriptOption]) -> set[str]:
    """Which options stand in a script."""
    return {option.name for option in options}
