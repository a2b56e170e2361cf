"""What CI systems read of a run is what they take, with every kind of result in it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness.ci.github import notes, summary
from harness.ci.gitlab import gitlab
from harness.ci.kcidb import kcidb
from harness.ci.ktap import ktap
from harness.errors import FinwaitError
from harness.kernels.boot.uml_virtual import source_tarball
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.tcp.verdict import Due, Evidence
from harness.trace.records import Result
from harness.trace.runs import LoadedRun
from tests.conftest import run_record

SEEN = Evidence(expected=(Due("> . ack 2"),), observed="> R 1:1(0)", where="scenarios/closing/test_fin.py:47")
RESULTS = (
    Result(scenario="scenarios/closing/test_fin.py::test_fin[close-IPv4]", outcome="conforms", digest="1"),
    Result(
        scenario="scenarios/closing/test_fin.py::test_fin[#1 <b>|x]",
        outcome="deviates",
        message="expected  > . ack 2\nSubtest: <b>| 100%\nok 7 no result, ::error",
        evidence=SEEN,
        requirements=("RFC9293-E-17",),
        digest="1",
    ),
    Result(
        scenario="scenarios/closing/test_fin.py::test_old",
        outcome="deviates",
        message="assert 1 == 2",
        reason="a defect, fixed by 6.1: it is dropped",
        fixed_by="6.1",
        digest="1",
    ),
    Result(
        scenario="scenarios/timers/test_rto.py::test_second",
        outcome="deviates",
        message="soon",
        known=True,
        reason="200 ms # by design",
        digest="1",
    ),
    Result(
        scenario="scenarios/timers/test_rto.py::test_strict", outcome="conforms", reason="known to deviate", digest="1"
    ),
    Result(
        scenario="scenarios/timers/test_rto.py::test_long", outcome="unsupported", message="waits too long", digest="1"
    ),
    Result(scenario="test_mine.py::test_dead", outcome="lost", message="OSError: gone", digest="1"),
    Result(scenario="test_mine.py::test_never", outcome="lost", message="the run ended before"),
)
RUN = LoadedRun(
    Path("runs/one"),
    run_record(id="20261127T043810-12837", kernel="6.18.44-fc #1 SMP"),
    {result.scenario: result for result in RESULTS},
)


@pytest.fixture(scope="module")
def kunit_parser() -> Path:
    """The folder with the kernel's own parser, unpacked once from the source that kernels are built of."""
    cache = Cache.of_user()
    try:
        tarball = source_tarball(parse("uml-virtual:7.2"), cache)
    except FinwaitError as error:
        pytest.skip(f"kunit's parser is not here: {error}")
    tree = tarball.name.removesuffix(".tar.xz")

    def unpack(folder: Path) -> None:
        names = [f"{tree}/tools/testing/kunit/kunit_{name}.py" for name in ("parser", "printer")]
        options = ("--occurrence=1", "--strip-components=4", "-xJf")
        subprocess.run(["tar", *options, tarball, "-C", folder, *names], check=True)

    return cache.fill("kunit", tree, unpack)


KUNIT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import kunit_parser
from kunit_printer import Printer
test = kunit_parser.parse_run_tests(sys.stdin.read().splitlines(), Printer(print=False))
def told(one):
    return [one.name, one.status.name, [told(each) for each in one.subtests]]
print(json.dumps([told(test), str(test.counts), test.counts.errors]))
"""


def test_kernels_own_parser_takes_ktap(kunit_parser: Path) -> None:
    parsed = subprocess.run(
        [sys.executable, "-c", KUNIT, str(kunit_parser)], input=ktap(RUN), capture_output=True, text=True, check=False
    )
    assert parsed.returncode == 0, parsed.stderr
    (_, status, themes), _, errors = json.loads(parsed.stdout.splitlines()[-1])
    assert (status, errors) == ("FAILURE", 0)
    assert [(name, status) for name, status, _ in themes] == [
        ("closing", "FAILURE"),
        ("timers", "FAILURE"),
        ("test_mine", "FAILURE"),
    ]
    assert [(name, status) for _, _, tests in themes for name, status, _ in tests] == [
        ("test_fin.test_fin[close-IPv4]", "SUCCESS"),
        ("test_fin.test_fin[_1 <b>|x]", "FAILURE"),
        ("test_fin.test_old", "FAILURE"),
        ("test_rto.test_second", "SUCCESS"),
        ("test_rto.test_strict", "FAILURE"),
        ("test_rto.test_long", "SKIPPED"),
        ("test_mine.test_dead", "FAILURE"),
        ("test_mine.test_never", "FAILURE"),
    ]


def test_a_packetdrill_script_has_the_names_of_the_kernels_runner_in_ktap() -> None:
    results = {
        name: Result(scenario=name, outcome=outcome, params={"ip_version": version})
        for version, outcome in (("ipv4", "conforms"), ("ipv6", "deviates"))
        for name in (f"net/packetdrill/tcp_close.pkt::tcp_close[{version}]",)
    }
    lines = ktap(LoadedRun(Path("run"), run_record(), results)).splitlines()
    assert "    # Subtest: tcp_close.pkt" in lines
    assert [line for line in lines if "ok " in line] == ["    ok 1 ipv4", "    not ok 2 ipv6", "not ok 1 tcp_close.pkt"]


def test_ktap_says_why_and_what_is_known() -> None:
    lines = ktap(RUN).splitlines()
    assert lines[:5] == ["KTAP version 1", "1..3", "    KTAP version 1", "    # Subtest: closing", "    1..3"]
    assert "    #   Subtest: <b>| 100%" in lines
    assert "    #   deviates unexpectedly: expected > . ack 2, observed > R 1:1(0)" in lines
    assert "    ok 1 test_rto.test_second # XFAIL deviates as known: 200 ms # by design" in lines
    assert "    ok 3 test_rto.test_long # SKIP unsupported: waits too long" in lines
    assert "    not ok 1 test_mine.test_dead # ERROR lost: OSError: gone" in lines


def test_kcidb_is_valid_by_its_schema() -> None:
    schema = pytest.importorskip("kcidb_io", reason="kcidb-io is not installed; try: make setup").schema
    content = json.loads(kcidb(RUN))
    assert schema.V5_3.is_valid_exactly(content)
    tests = content["tests"]
    assert [one["status"] for one in tests] == ["PASS", "FAIL", "FAIL", "PASS", "FAIL", "SKIP", "ERROR", "MISS"]
    assert len({one["id"] for one in tests}) == len(tests)
    assert {one["build_id"] for one in tests} == {"finwait:6.18.44-fc"}
    assert tests[0]["path"] == "finwait.closing.test_fin.test_fin.close-IPv4"
    named = json.loads(kcidb(RUN, "maestro:1234"))
    assert schema.V5_3.is_valid_exactly(named)
    assert {one["origin"] for one in named["tests"]} == {"maestro"}


def test_gitlab_is_told_of_what_fails_and_where() -> None:
    entries = json.loads(gitlab(RUN))
    assert [one["severity"] for one in entries] == ["major", "minor", "minor", "critical", "critical"]
    assert entries[0]["location"] == {"path": "scenarios/closing/test_fin.py", "lines": {"begin": 47}}
    assert entries[0]["check_name"] == "RFC9293-E-17"
    assert len({one["fingerprint"] for one in entries}) == len(entries)
    assert {re.fullmatch("[0-9a-f]{64}", one["fingerprint"]) is not None for one in entries} == {True}


def test_github_is_told_the_most_important_first_and_no_text_is_a_command() -> None:
    told = list(notes(RUN))
    assert told[0].startswith(
        "::error file=scenarios/closing/test_fin.py,line=47,title=host%3A test_fin[#1 <b>|x]::deviates unexpectedly: "
    )
    assert told[0].endswith("expected  > . ack 2%0ASubtest: <b>| 100%25%0Aok 7 no result, ::error")
    assert [line.partition("title=")[2].partition("::")[0].rpartition(" ")[2] for line in told[1:]] == [
        *("test_old", "test_strict", "test_dead", "test_never")
    ]
    assert not [line for line in told if "\n" in line]


def test_github_names_ten_and_counts_the_rest() -> None:
    many = {
        f"a.py::test_{number}": Result(scenario=f"a.py::test_{number}", outcome="deviates") for number in range(150)
    }
    run = LoadedRun(RUN.path, RUN.record, many)
    assert len(list(notes(run))) == 10
    assert "... and 50 more" in summary(run, "")


def test_summary_is_a_table_that_no_text_breaks() -> None:
    text = summary(RUN, "red, judged by Linux's design: 1 unexpected")
    assert text.startswith(
        "## finwait on host\n\nred, judged by Linux's design: 1 unexpected\n\n| result | scenarios |\n"
    )
    assert "| conforms | 1 |" in text
    assert "<b>" not in text
    assert "| 200 ms # by design | 1 |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_results_with_strange_texts_are_written() -> None:
    strange = msgspec.structs.replace(RESULTS[1], scenario="a\0b.py::test_\udcff", message="\0\x1b[31m")
    run = LoadedRun(RUN.path, RUN.record, {strange.scenario: strange})
    assert "\n" not in ktap(run).rstrip().splitlines()[-1]
    assert io.StringIO(ktap(run)).readline() == "KTAP version 1\n"
