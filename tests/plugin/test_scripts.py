"""packetdrill's scripts are scenarios: collected for each IP version, run, judged, recorded."""

from __future__ import annotations

from pathlib import Path

from tests.packetdrill.mounts import own_mounts
from tests.plugin.conftest import RunScenarios

BASIC = (Path(__file__).parents[1] / "data" / "packetdrill" / "basic.pkt").read_text()
IPV4 = "--ip_version=ipv4\n"
PATIENT = "--pkt-option=tolerance_usecs=1000000"  # how busy this machine is does not count


def _write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.pkt").write_text(text)


def test_a_script_runs_over_each_ip_version_unless_it_names_one(run: RunScenarios, tmp_path: Path) -> None:
    _write(tmp_path, basic=BASIC, one=IPV4 + BASIC)
    ran = run("", ".", PATIENT)
    assert list(ran.outcomes) == ["basic[ipv4]", "basic[ipv6]", "basic[ipv4-mapped-ipv6]", "one[ipv4]"]
    assert {ran.outcomes[name] for name in ("basic[ipv4]", "one[ipv4]")} == {"conforms"}, ran.output
    assert ran.results["one[ipv4]"]["params"] == {"ip_version": "ipv4"}
    assert len({ran.results[name]["digest"] for name in ran.outcomes}) == 4


@own_mounts
def test_each_kind_of_failure_is_its_own_outcome(run: RunScenarios, tmp_path: Path) -> None:
    _write(
        tmp_path,
        broken=f"{IPV4}0 > S 0:1(0)\n",
        command=f"{IPV4}0 `exit 3`\n",
        deviating=IPV4 + BASIC.replace("> . 1:1(0) ack 1001", "> . 1:1(0) ack 999"),
        unknown=f"{IPV4}0 no_such_call(3) = 0\n",
    )
    ran = run("", ".", PATIENT)
    assert ran.status == 2  # a script that is none is a mistake, which counts for more than what deviates
    assert ran.outcomes == {
        "broken[ipv4]": "lost",
        "command[ipv4]": "deviates",
        "deviating[ipv4]": "deviates",
        "unknown[ipv4]": "unsupported",
    }
    assert ran.results["broken[ipv4]"]["message"] == "broken.pkt:2:7: expected 0:0(0), saw 0:1(0)"
    assert "unknown.pkt:2: line 2: the system call no_such_call is not taken" in " ".join(ran.output.split())
    deviating = ran.results["deviating[ipv4]"]
    assert deviating["evidence"]["where"].endswith("deviating.pkt:14")
    assert "ack 999" in str(deviating["evidence"]["expected"])
    assert "ack 1001" in deviating["evidence"]["observed"]
    assert (ran.folder / deviating["capture"]).stat().st_size > 0
    assert "Traceback" not in ran.output


def test_symbols_are_given_and_commands_refused(run: RunScenarios, tmp_path: Path) -> None:
    _write(tmp_path, symbol=IPV4 + BASIC.replace("(1000)", "(SIZE)"), command=f"{IPV4}0 `exit 3`\n")
    ran = run("", ".", PATIENT, "--pkt-define=SIZE=1000", "--no-commands")
    assert ran.outcomes == {"command[ipv4]": "unsupported", "symbol[ipv4]": "conforms"}, ran.output
    refused = "line 2: there is a command, which --no-commands refuses"
    assert ran.results["command[ipv4]"]["message"] == refused


def test_what_is_no_symbol_is_a_usage_error(run: RunScenarios) -> None:
    ran = run("", "--pkt-define=two words=1")
    assert ran.status == 4
    assert "'two words=1' is not NAME=VALUE" in ran.output
