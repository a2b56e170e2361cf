"""Which IP versions a script runs over, and what it is told for each, as the kernel's ksft_runner.sh does it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

_OWN = re.compile(r"^--ip_version=(\S*)", re.MULTILINE)
_V4 = {
    "local_ip": "192.168.0.1",
    "gateway_ip": "192.168.0.1",
    "netmask_ip": "255.255.0.0",
    "remote_ip": "192.0.2.1",
}
_V6 = {
    "mtu": "1520",
    "local_ip": "fd3d:0a0b:17d6::1",
    "gateway_ip": "fd3d:0a0b:17d6:8888::1",
    "remote_ip": "fd3d:fa7b:d17d::1",
}
_COOKIES_V4 = {"TFO_COOKIE": "3021b9d889017eeb", "TFO_COOKIE_ZERO": "b7c12350a90dc8f5", "CODE": "host_unreachable"}
_COOKIES_V6 = {"TFO_COOKIE": "c1d1e9742a47a9bc", "TFO_COOKIE_ZERO": "82af1a8f9a205c34"}
_IP = {"CMSG_LEVEL_IP": "SOL_IP", "CMSG_TYPE_RECVERR": "IP_RECVERR"}
_IPV6 = {"CMSG_LEVEL_IP": "SOL_IPV6", "CMSG_TYPE_RECVERR": "IPV6_RECVERR"}


class Variant(msgspec.Struct, frozen=True):
    """One way to run a script.

    Args:
        name: the IP version as ``--ip_version`` has it.
        options: of packetdrill, by name without the dashes.
        defines: symbols, as ``-D`` gives them.
    """

    name: str
    options: Mapping[str, str]
    defines: Mapping[str, str]


VARIANTS: Mapping[str, Variant] = {
    one.name: one
    for one in (
        Variant("ipv4", {"ip_version": "ipv4", **_V4}, {**_COOKIES_V4, **_IP}),
        Variant("ipv6", {"ip_version": "ipv6", **_V6}, {**_COOKIES_V6, **_IPV6}),
        Variant("ipv4-mapped-ipv6", {"ip_version": "ipv4-mapped-ipv6", **_V4}, {**_COOKIES_V4, **_IPV6}),
    )
}
"""By name. The cookies are those of the key that the suites' ``defaults.sh`` sets."""


def variants_of(text: str) -> tuple[Variant, ...]:
    """The variants of a script: the one whose ``--ip_version`` stands in it, or all.

    A version that there is not gives all of them: whoever reads the script says what is wrong.
    """
    own = {version for version in _OWN.findall(text) if version in VARIANTS}
    return tuple(VARIANTS[name] for name in VARIANTS if not own or name in own)
