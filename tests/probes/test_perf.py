"""Records as perf_event_open lays them out, and a ring that runs over for real."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes import perf


def sample(at: int, process: int, content: bytes) -> bytes:
    body = struct.pack("=IIQI", process, process, at, len(content)) + content
    return struct.pack("=IHH", 9, 0, 8 + len(body)) + body


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=300))))
def test_records_are_read_back(records: list[tuple[int, int, bytes]]) -> None:
    content = b"".join(sample(*each) for each in records)
    assert [(each.at, each.process, each.content) for each in perf.parse(content)] == records


def test_a_kind_that_was_not_asked_for_is_stepped_over() -> None:
    lost = struct.pack("=IHHQQ", 2, 0, 24, 1, 99)
    assert [each.at for each in perf.parse(lost + sample(5, 1, b"x") + lost)] == [5]


@given(st.integers(1, 60))
def test_a_record_that_is_cut_off_is_an_error(left: int) -> None:
    content = sample(5, 1, bytes(60))
    with pytest.raises(ValueError, match="perf record"):
        list(perf.parse(content[: 8 + left]))


@pytest.mark.parametrize(
    ("text", "numbers"), [("0\n", [0]), ("0-3\n", [0, 1, 2, 3]), ("0,2-4,7\n", [0, 2, 3, 4, 7]), ("", [])]
)
def test_processors(text: str, numbers: list[int]) -> None:
    assert perf.processors(text) == numbers
