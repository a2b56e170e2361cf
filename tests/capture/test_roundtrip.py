"""The round trip of scenarios over their own captures: what is drawn, and what is told of it."""

from __future__ import annotations

import random

import pytest

from benchmarks.roundtrip import Ended, Taken, drawn, kernel_of, tell
from harness.capture.conversation import Conversation
from harness.capture.story import Story

IDS = [*(f"a.py::test_{n}" for n in range(50)), "b.py::test_x", *(f"c.py::test_{n}" for n in range(3))]


def test_files_are_drawn_from_evenly_and_a_seed_repeats_it() -> None:
    first = drawn(IDS, 8, random.Random(1))
    assert first == drawn(IDS, 8, random.Random(1))
    assert first != drawn(IDS, 8, random.Random(2))
    assert [sum(one.startswith(file) for one in first) for file in ("a", "b", "c")] == [4, 1, 3]
    assert sorted(drawn(IDS, 0, random.Random(1))) == sorted(IDS)


def test_the_kernel_has_the_odd_address_of_a_lab() -> None:
    kernel, peer = (b"\xc6\x13\xc0\x09", 8080), (b"\xc6\x13\xc0\x0a", 40000)
    assert kernel_of(Story(Conversation(1, (peer, kernel)))) == 1
    assert kernel_of(Story(Conversation(1, (kernel, peer)))) == 0


@pytest.mark.parametrize(("goal", "status"), [(50, 0), (51, 1)])
def test_the_share_decides_and_what_did_not_come_again_is_told(
    goal: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = Taken("x.py::test_lost", ("sysctl net/ipv4/tcp_rfc1337",), (), told=True)
    came = Taken("x.py::test_came", (), (), told=False)
    assert tell([Ended(lost, False, "> R 2:2(0)"), Ended(came, True)], 3, goal) == status
    said = capsys.readouterr().out
    assert "x.py::test_lost\n    > R 2:2(0)\n    unseen: sysctl net/ipv4/tcp_rfc1337\n" in said
    assert "of 3 scenarios 2 have one connection, of which 1 come again: 50.0 %" in said
    assert "which side is the kernel's was told by the capture of 1, and named for 1" in said
    assert tell([], 0, 0) == 1
