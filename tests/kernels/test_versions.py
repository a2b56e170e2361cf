"""Debian's order of versions, held against dpkg's own."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.kernels.supply.versions import compare, newer_first

OLDEST_FIRST = ["5.10~rc1-1", "5.10-1", "5.10.9-1", "5.10.46-4", "5.10.46-4+b1", "5.10.218-1", "1:4.0-1"]
versions = st.from_regex(r"([0-3]:)?[0-9][0-9a-c.+~]{0,6}(-[0-9a-c.+~]{1,4})?", fullmatch=True)


def test_newest_comes_first() -> None:
    assert sorted(OLDEST_FIRST, key=newer_first) == OLDEST_FIRST[::-1]


@pytest.mark.parametrize("same", [("1.0", "1.0-0"), ("1.0", "1.00"), ("0:1", "1"), ("1.a0", "1.a")])
def test_same_versions_written_in_two_ways(same: tuple[str, str]) -> None:
    assert compare(*same) == 0


@given(versions, versions)
def test_order_is_the_same_from_both_sides(one: str, other: str) -> None:
    assert (compare(one, other) > 0) == (compare(other, one) < 0)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg to compare with")
@settings(max_examples=60, deadline=None)
@given(versions, versions)
def test_order_is_dpkgs(one: str, other: str) -> None:
    def dpkg_says(relation: str) -> bool:
        return subprocess.run(["dpkg", "--compare-versions", one, relation, other], check=False).returncode == 0

    order = compare(one, other)
    assert dpkg_says("lt") == (order < 0)
    assert dpkg_says("eq") == (order == 0)
