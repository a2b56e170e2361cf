"""The kernel's own suite of scripts, as its source has it, ends in virtual time as packetdrill ends it there.

On the running kernel, which may be any and as busy as it likes, each script of it ends with a verdict and its place.

The table was made by packetdrill 2c4001c itself, in the guest that runs the scripts here, with the options of the
suite's ksft_runner.sh; but it slept where it spins before a script and at the end of a wait, since no time passes in
the guest while code runs. Two scripts are left out: tcp_nagle_https_client ends otherwise without ethtool, and
tcp_eor_no-coalesce-retrans, by its own comment, where an event takes a microsecond more or less.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.kernels.boot.uml_virtual import UmlVirtual, source_tarball
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.packetdrill.variants import variants_of
from harness.tcp.verdict import Outcome
from harness.trace.runs import load
from tests.packetdrill.mounts import own_mounts

CHECKOUT = Path(__file__).parents[2]
TABLE = CHECKOUT / "tests/data/packetdrill/kernel-7.2.txt"
SUITE = "tools/testing/selftests/net/packetdrill"
KERNEL = UmlVirtual(parse("uml-virtual:7.2"), Cache.of_user())
PROGRAMS = {"bash": "bash", "ip": "iproute2", "nstat": "iproute2", "sysctl": "procps", "tc": "iproute2"}
LACKING = [
    package for name, package in PROGRAMS.items() if shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") is None
]

pytestmark = [
    own_mounts,
    pytest.mark.skipif(KERNEL.available() is not None, reason=str(KERNEL.available())),
    pytest.mark.skipif(
        bool(LACKING), reason=f"the suite's commands are missing; try: apt-get install {' '.join(LACKING)}"
    ),
]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The scripts, out of the package that the kernel was built from."""
    folder = tmp_path / "suite"
    folder.mkdir()
    # half the time of tarfile's
    wanted = ("--wildcards", f"*/{SUITE}/*", f"--strip-components={SUITE.count('/') + 2}")
    subprocess.run(["tar", "-xf", source_tarball(KERNEL.spec, KERNEL.cache), "-C", folder, *wanted], check=True)
    return folder


def finwait(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "harness", *arguments)
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_scripts_end_as_packetdrill_ends_them(suite: Path, tmp_path: Path) -> None:
    lines = (line.split() for line in TABLE.read_text().splitlines() if not line.startswith("#"))
    expected = {name: Outcome.CONFORMS if ends == "passes" else Outcome.DEVIATES for ends, name in lines}
    runs = tmp_path / "runs"
    chosen = [f"{suite / name}.pkt::{name}[ipv4]" for name in expected]
    done = finwait("matrix", f"--kernel={KERNEL.name}", f"--run-dir={runs}", "--run-name=one", *chosen)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    results = load(runs / "one" / "uml-virtual-7.2").results.values()
    ended = {result.scenario.rpartition("::")[2].removesuffix("[ipv4]"): result.outcome for result in results}
    assert {name: outcome for name, outcome in ended.items() if outcome != expected.get(name)} == {}
    assert ended.keys() == expected.keys()


def test_scripts_end_with_a_verdict_and_its_place_on_the_running_kernel(suite: Path, tmp_path: Path) -> None:
    # They wait most of the time, so four at once do; which of them deviate hangs on the kernel, and on how busy it is.
    options = ("-n4", "-k", "ipv4 and not mapped", f"--run-dir={tmp_path / 'runs'}", "--run-name=one")
    done = finwait("run", *options, str(suite))
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]
    results = load(tmp_path / "runs" / "one").results.values()
    over_ipv4 = {
        path.stem for path in suite.glob("*.pkt") if "ipv4" in {one.name for one in variants_of(path.read_text())}
    }
    assert {one.scenario.partition(".pkt")[0] for one in results} == over_ipv4
    outcomes = {Outcome(one.outcome) for one in results}
    assert outcomes <= {Outcome.CONFORMS, Outcome.DEVIATES, Outcome.UNSUPPORTED}
    for one in results:
        if one.outcome == Outcome.DEVIATES:
            assert one.evidence is not None
            assert one.evidence.where.startswith(one.scenario.partition("::")[0] + ":")
    conforming = sum(one.outcome == Outcome.CONFORMS for one in results)
    assert conforming > len(results) / 2  # 98 of 159 on 6.18, as with packetdrill
