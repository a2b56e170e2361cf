"""A finding as a file: what is read is what was written, and what is none says so in one line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.errors import FinwaitError
from harness.explore.attempt import Act, Attempt, Icmp, Pause, Put
from harness.explore.differences import Signature
from harness.explore.finding import VERSION, SavedFinding, read, written
from harness.tcp.segment import ACK

FINDING = SavedFinding(
    ("uml-virtual:5.10", "host"),
    Attempt((Act("send", 3), Put(ACK, seq=-1, options="sack"), Pause(5), Icmp("net unreachable", -1))),
    Signature("ESTABLISHED", "net unreachable", ("nothing, CLOSED", "nothing, ESTABLISHED")),
)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "difference_1.json"
    file.write_text(written(FINDING))
    assert read(file) == FINDING


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no finding"),
        ("{}", "is no finding"),
        ('{"version": 1, "attempt": 3}', "is no finding"),
        (
            written(msgspec.structs.replace(FINDING, version=VERSION + 1)),
            f"is of version {VERSION + 1}; this finwait reads",
        ),
    ],
)
def test_what_is_none_says_so(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(FinwaitError, match=told):
        read(file)
