"""The options of a run, as a user gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin.conftest import FOUR, RunScenarios


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--mutate-answer=lose:1"], "'lose:1' is not a mutation; "),
        (["--mutate-answer=drop:last"], "finwait does not know which answer is the last; "),
        (["--mutate-answer=drop:last", "--mutate-after=nowhere"], "there is no run folder nowhere; "),
        (["--baseline=nowhere.toml"], "nowhere.toml"),
        (["--run-dir=/proc/finwait"], "the run folder /proc/finwait/run cannot be made ("),
        (["--run-dir=test_s.py"], "the run folder test_s.py/run cannot be made (Not a directory); "),
    ],
)
def test_options_that_cannot_be_met_are_one_line_and_leave_no_run_folder(
    run: RunScenarios, tmp_path: Path, options: list[str], line: str
) -> None:
    ran = run(FOUR, *options)
    assert ran.status == 4  # pytest's own status for a wrong command line
    (told,) = [text for text in ran.output.splitlines() if line in text]
    assert told.startswith("ERROR: ")
    assert "Traceback" not in ran.output
    assert not (tmp_path / "a run").exists() or not list((tmp_path / "a run").iterdir())


WAITING = """
@waits(3500 * MS)
def test_waits_long(established):
    established.peer.expect_silence()
"""


def test_longer_waits_are_run_in_real_time_where_they_are_asked_for(run: RunScenarios) -> None:
    text = WAITING.replace("MS", "Span(1_000_000, 'MS')")
    refused = run(text, name="refused")
    assert refused.outcomes == {"test_waits_long": "unsupported"}
    assert "--real-wait 4, or finwait matrix" in refused.output
    assert run(text, "--real-wait=3.5", name="asked").outcomes == {"test_waits_long": "conforms"}


@pytest.mark.parametrize("wait", ["soon", "-1", "nan", "inf"])
def test_a_real_wait_that_is_no_time_is_a_usage_error(run: RunScenarios, wait: str) -> None:
    ran = run(FOUR, f"--real-wait={wait}")
    assert ran.status == 4
    assert f"'{wait}' is not a number of seconds, such as 60" in ran.output
