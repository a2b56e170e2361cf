"""The address plan: labs never share what identifies their segments on the whole machine."""

from __future__ import annotations

import ipaddress
import os

from hypothesis import given
from hypothesis import strategies as st

from netns.plan import Plan, plan

PROCESS = st.integers(1, 2**22)
PORTS_OF_A_LAB = 64


def _addresses(lab: Plan) -> set[str]:
    return {getattr(side, name) for side in (lab.kernel, lab.peer) for name in ("ipv4", "ipv6", "mac")}


@given(PROCESS, st.integers(0, 10**6), st.integers(1, 29_999))
def test_labs_of_a_process_share_neither_an_address_nor_a_first_port(process: int, first: int, later: int) -> None:
    one, other = plan(first, process), plan(first + later, process)
    assert not _addresses(one) & _addresses(other)
    assert one.first_port != other.first_port


@given(PROCESS, st.integers(1, 150), st.integers(0, 12_000), st.integers(0, 12_000))
def test_processes_side_by_side_do_not_share_both_address_and_ports(
    process: int, distance: int, first: int, second: int
) -> None:
    one, other = plan(first, process), plan(second, process + distance)
    if one.kernel.ipv4 == other.kernel.ipv4:
        assert abs(one.first_port - other.first_port) >= PORTS_OF_A_LAB
    assert one.kernel.ipv6 != other.kernel.ipv6


def test_two_processes_that_share_an_address_do_exist() -> None:
    # the property above would say nothing otherwise
    assert plan(5, 100).kernel.ipv4 == plan(5, 108).kernel.ipv4


@given(PROCESS, st.integers(0, 2**40))
def test_addresses_stay_in_the_ranges_that_lead_nowhere(process: int, number: int) -> None:
    lab = plan(number, process)
    for side in (lab.kernel, lab.peer):
        assert ipaddress.ip_address(side.address(4)) in ipaddress.ip_network("198.18.0.0/15")
        assert ipaddress.ip_address(side.address(6)) in ipaddress.ip_network("2001:db8::/32")
        assert int(side.mac[:2], 16) & 0b11 == 0b10, "locally administered, one station"
    assert _addresses(plan(number, process)) == _addresses(lab), "the same again"
    assert len(_addresses(lab)) == 6


@given(PROCESS, st.integers(0, 10**6))
def test_the_first_port_is_none_that_the_kernel_picks(process: int, number: int) -> None:
    assert 1024 <= plan(number, process).first_port < 32768 - PORTS_OF_A_LAB


def test_a_process_has_a_plan_of_its_own_by_default() -> None:
    assert plan(3) == plan(3, os.getpid())
