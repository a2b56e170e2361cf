"""packetdrill's scripts are scenarios: collected for each IP version, run, judged, recorded."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.cli.show import program_text
from harness.run.mutate import judge, plan_of
from harness.tcp.mutation import KINDS
from harness.trace.runs import load
from tests.packetdrill.mounts import own_mounts
from tests.plugin.conftest import RunScenarios, RunSeveral

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


def test_what_a_script_does_not_mention_in_the_end_deviates_where_that_is_asked(
    run_several: RunSeveral, tmp_path: Path
) -> None:
    most = BASIC.rstrip().rpartition("\n")[0]
    _write(tmp_path, basic=f"{IPV4}{most}\n")
    lenient, strict = run_several("", (".", PATIENT), (".", PATIENT, "--pkt-strict"))
    assert lenient.outcomes == {"basic[ipv4]": "conforms"}, lenient.output
    assert strict.outcomes == {"basic[ipv4]": "deviates"}, strict.output
    assert "nothing more" in str(strict.results["basic[ipv4]"]["evidence"]["expected"])


def test_a_run_keeps_a_script_and_what_it_is_as_a_scenario(run: RunScenarios, tmp_path: Path) -> None:
    _write(tmp_path, basic=IPV4 + BASIC)
    ran = load(run("", ".", PATIENT).folder)
    (result,) = ran.results.values()
    assert program_text(ran, result, "pkt") == IPV4 + BASIC
    assert "peer.expect(ACK, seq=1, ack=1001" in program_text(ran, result, "python")


def test_each_mutation_of_the_last_answer_is_made_and_noticed(run: RunScenarios, tmp_path: Path) -> None:
    _write(tmp_path, basic=IPV4 + BASIC)
    before = load(run("", ".", PATIENT).folder)
    last = f":{before.results['basic.pkt::basic[ipv4]'].received}"
    plan = {name: tuple(one for one in all_ if one.endswith(last)) for name, all_ in plan_of(before).items()}
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan))
    after = load(run("", ".", PATIENT, "--mutations=plan.json", name="mutated").folder)
    found = judge(plan, before.results, after.results)
    assert found.planned == len(KINDS)
    assert (found.unnoticed, found.missing) == ((), ())
