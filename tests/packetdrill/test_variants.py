"""A script runs over the IP versions that it allows, with what the suites' own runner gives it for each."""

from __future__ import annotations

import ipaddress

import pytest

from harness.packetdrill.variants import VARIANTS, variants_of


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0 `true`", ["ipv4", "ipv6", "ipv4-mapped-ipv6"]),
        ("--ip_version=ipv6\n0 `true`", ["ipv6"]),
        ("--ip_version=ipv4-mapped-ipv6\n0 `true`", ["ipv4-mapped-ipv6"]),
        ("// --ip_version=ipv6\n0 `true`", ["ipv4", "ipv6", "ipv4-mapped-ipv6"]),
        ("--ip_version=ipv7\n0 `true`", ["ipv4", "ipv6", "ipv4-mapped-ipv6"]),
    ],
)
def test_a_script_that_names_its_ip_version_runs_over_no_other(text: str, names: list[str]) -> None:
    assert [variant.name for variant in variants_of(text)] == names


def test_a_segment_is_as_long_over_each_ip_version() -> None:
    headers = {4: 20 + 20, 6: 40 + 20}
    for variant in VARIANTS.values():
        version = ipaddress.ip_address(variant.options["local_ip"]).version
        assert int(variant.options.get("mtu", 1500)) - headers[version] == 1460
