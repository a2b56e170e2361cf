"""What ``@report`` cites: in the results, in a failure and in JUnit's file; and what it does not take."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness import FinwaitError, report
from tests.plugin.conftest import RunScenarios

CITED = """
pytestmark = report("https://example.org/a?b=1", "CVE-2019-11477")

@report("97a9063518f1", "bugzilla.kernel.org 65981")
@requirement("RFC9293-3.6")
def test_conforms(established):
    established.peer.expect_silence()

@report("CVE-2019-11477")
def test_deviates(established):
    established.peer.expect(FIN)
"""


def test_reports_are_in_results_failure_and_junit(run: RunScenarios, tmp_path: Path) -> None:
    ran = run(CITED, f"--junitxml={tmp_path / 'j.xml'}")
    own = ["97a9063518f1", "bugzilla.kernel.org 65981"]
    everybodys = ["https://example.org/a?b=1", "CVE-2019-11477"]
    assert ran.results["test_conforms"]["reports"] == own + everybodys
    assert ran.results["test_deviates"]["reports"] == everybodys[::-1]
    assert "\nreported  CVE-2019-11477\n          https://example.org/a?b=1\nwhere " in ran.output
    assert "\nreported  CVE-2019-11477\n" in ran.results["test_deviates"]["message"]
    cases = ElementTree.parse(tmp_path / "j.xml").iter("testcase")
    told = {case.get("name"): [(one.get("name"), one.get("value")) for one in case.iter("property")] for case in cases}
    reports = [("report", one) for one in own + everybodys]
    assert told["test_conforms"] == [("requirement", "RFC9293-3.6"), *reports, ("outcome", "conforms")]
    assert told["test_deviates"][:3] == [*(("report", one) for one in everybodys[::-1]), ("outcome", "deviates")]


@pytest.mark.parametrize("wrong", ["", "see the list", "CVE-2019", "CVE-19-11477", "abc123", "12345", "ftp://a/b"])
def test_what_is_no_report_is_refused_with_what_would_be_one(wrong: str) -> None:
    with pytest.raises(FinwaitError, match=r"is no report; a report is a URL, .*; try: @report"):
        report(wrong)


def test_report_without_parentheses_or_without_a_report_is_one_line(run: RunScenarios) -> None:
    with pytest.raises(FinwaitError, match="'' is no report"):
        report()
    ran = run("@report\ndef test_it(session):\n    session.listen()\n")
    assert ran.status == 2
    (told,) = [text for text in ran.output.splitlines() if text.startswith("test_s.py:")]
    assert "'test_it' is no report; " in told
    assert "Traceback" not in ran.output
