"""What counts as another behaviour between two runs of one scenario, and what never does."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, PSH, SYN, Segment
from harness.tcp.timing import MS, VIRTUAL, TimingProfile
from harness.trace.events import Event, Forwarded, Received
from harness.trace.records import Result
from reports import behaviour

GOOD = Result(scenario="test_fin.py::test_fin", outcome="conforms", answer="accepted")


def test_windows_times_and_pushes_are_no_other_segment() -> None:
    def received(**fields: int) -> list[Event]:
        segment = Segment(flags=fields.pop("flags", ACK), seq=1, ack=1, window=fields.pop("window", 1))
        return [Received(fields.pop("at", 0), segment)]

    assert behaviour.partings(received(), received(flags=ACK | PSH, window=9, at=7)) == []


@pytest.mark.parametrize(
    ("one", "alike", "another"),
    [
        ("opt 34 0102030405060708", "opt 34 1112131415161718", "opt 34 0102"),  # a Fast Open cookie
        ("opt 254 f9890102", "opt 254 f9891112", "opt 254 f98a0102"),  # the same as an experiment
        ("opt 19 00112233445566778899aabbccddeeff", "opt 19 ffeeddccbbaa99887766554433221100", "opt 19"),
        ("opt 29 0102aaaaaaaa", "opt 29 0102bbbbbbbb", "opt 29 0103aaaaaaaa"),  # TCP-AO by another key
        ("opt 30 00010102030405060708", "opt 30 00011112131415161718", "opt 30 10010102030405060708"),
    ],
)
def test_bytes_that_hang_on_a_key_are_no_other_segment(one: str, alike: str, another: str) -> None:
    def answered(option: str) -> list[Event]:
        return [Received(0, Segment(flags=SYN | ACK, ack=1, options=parse_options(f"mss 1460,{option}")))]

    assert behaviour.partings(answered(one), answered(alike)) == []
    assert behaviour.partings(answered(one), answered(another)) != []


def test_each_side_of_a_path_is_compared_by_itself() -> None:
    client, server = (Forwarded(0, Segment(flags=ACK, seq=1, ack=1), side, step="1") for side in ("client", "server"))
    (parted,) = behaviour.partings([client, server], [server])
    assert str(parted) == "segment 1 of the client's: none, was . 1:1(0) ack 1"


def test_what_one_kernel_counts_apart_all_count_together() -> None:
    together, apart = (
        msgspec.structs.replace(GOOD, counters={f"TcpExt{name}": 1}) for name in ("PAWSEstab", "PAWSTimewait")
    )
    assert behaviour.counter_changes(together, apart) == []


def test_what_a_scenario_leaves_to_the_applications_is_no_change() -> None:
    def on_the_path(*, step: str, length: int) -> list[Event]:
        said = Segment(flags=ACK, seq=1, ack=1, data=b"x" * length)
        return [Forwarded(0, said, "client", step=step)]

    assert behaviour.partings(on_the_path(step="", length=3), on_the_path(step="", length=4)) == []
    judged = on_the_path(step="2: expect", length=3), on_the_path(step="2: expect", length=4)
    assert behaviour.partings(*judged) != []


profiles = st.sampled_from([TimingProfile(), VIRTUAL, TimingProfile(slack_ns=50 * MS)])


@given(
    true=st.integers(0, 10_000 * MS),
    late=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    both=st.tuples(profiles, profiles),
)
def test_two_slow_machines_never_make_a_change_of_time(
    true: int, late: tuple[float, float], both: tuple[TimingProfile, TimingProfile]
) -> None:
    measured = [true + int(part * one.slack_ns) for part, one in zip(late, both, strict=True)]
    first, second = (msgspec.structs.replace(GOOD, answer_ns=ns) for ns in measured)
    assert behaviour.timing_changes(first, both[0], second, both[1]) == []


def test_what_was_not_timed_has_no_other_time() -> None:
    timed, untimed = (msgspec.structs.replace(GOOD, answer_ns=ns) for ns in (10_000 * MS, -1))
    for pair in ((timed, untimed), (untimed, timed)):
        assert behaviour.timing_changes(pair[0], TimingProfile(), pair[1], TimingProfile()) == []


@pytest.mark.parametrize(
    ("earlier", "later", "changed"),
    [
        (0, behaviour.REPEATABLE_NS, False),
        (0, behaviour.REPEATABLE_NS + 1, True),  # at once, and by a timer
        (12 * MS, 12 * MS + behaviour.REPEATABLE_NS + behaviour.TICK_NS, False),  # by the same timer
        (12 * MS, 12 * MS + behaviour.REPEATABLE_NS + behaviour.TICK_NS + 1, True),
    ],
)
def test_where_time_stands_still_little_is_enough(earlier: int, later: int, changed: bool) -> None:
    first, second = (msgspec.structs.replace(GOOD, answer_ns=ns) for ns in (earlier, later))
    found = behaviour.timing_changes(first, VIRTUAL, second, VIRTUAL)
    assert [text.partition(":")[0] for text in found] == (["answer later"] if changed else [])
    found = behaviour.timing_changes(second, VIRTUAL, first, VIRTUAL)
    assert [text.partition(":")[0] for text in found] == (["answer earlier"] if changed else [])
