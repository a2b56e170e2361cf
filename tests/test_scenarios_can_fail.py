"""No scenario conforms when its decisive answer is dropped, delayed or mutated on its way.

Over the scenarios of the main case each kind of mutation is a pytest run of its own, and all kinds run at once: what
drops an answer waits, and what mutates one computes. Of all mutations of all answers in all scenarios, a sample is
tried, in virtual time where a kernel that has it is built; `finwait mutate` without --sample tries all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, known
from harness.run.jobs import backend_of
from harness.tcp.mutation import KINDS

CHECKOUT = Path(__file__).parents[1]
SECONDS = 1200
MAIN_CASE = (
    "scenarios/closing/test_disorder.py",
    "scenarios/closing/test_orders.py",
    "scenarios/closing/test_data.py",
    "scenarios/closing/test_teardown.py",
    "scenarios/opening/test_handshake.py",
    "scenarios/resets/test_aborts.py",
)
SAMPLE = 500

Results = Mapping[str, Mapping[str, Any]]


def start(folder: Path, name: str, *options: str) -> subprocess.Popen[bytes]:
    """Run the main case; their tracebacks are nobody's business, the results are."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", *MAIN_CASE, "-q", "-rN", "--tb=no", "-p", "no:cacheprovider"]
    with (folder / f"{name}.txt").open("wb") as output:
        return subprocess.Popen(
            [*command, f"--run-dir={folder}", f"--run-name={name}", *options],
            cwd=CHECKOUT,
            env=environment | {"PYTHONPATH": str(CHECKOUT)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def end(process: subprocess.Popen[bytes], folder: Path, name: str, status: int) -> Results:
    """Wait for a run and read its results."""
    assert process.wait(SECONDS) == status, (folder / f"{name}.txt").read_text()[-3000:]
    lines = (folder / name / "results.jsonl").read_text().splitlines()
    return {result["scenario"]: result for result in map(json.loads, lines)}


def test_no_scenario_conforms_when_its_last_answer_is_mutated(tmp_path: Path) -> None:
    ordinary = end(start(tmp_path, "ordinary", "--known-deviations"), tmp_path, "ordinary", 0)
    judged = {name: result for name, result in ordinary.items() if result["outcome"] != "unsupported"}
    assert judged
    # one that judges no answer has none to mutate, and says nothing about the kernel
    assert [name for name, result in judged.items() if not result.get("received")] == []

    started = {
        kind: start(tmp_path, kind, f"--mutate-answer={kind}:last", f"--mutate-after={tmp_path / 'ordinary'}")
        for kind in KINDS
    }
    try:
        mutated = {kind: end(process, tmp_path, kind, 1) for kind, process in started.items()}
    finally:
        for process in started.values():
            process.kill()
            process.wait()

    for kind, results in mutated.items():
        assert results.keys() == ordinary.keys(), kind
        not_made = [name for name in judged if not results[name].get("mutated")]
        assert not_made == [], f"{kind}: the last answer never came"
        unnoticed = [name for name in judged if results[name]["outcome"] != "deviates"]
        assert unnoticed == [], kind


def test_no_mutation_of_a_sample_from_all_scenarios_goes_unnoticed(tmp_path: Path) -> None:
    virtual = [spec for spec in known() if spec.kind is KernelKind.UML_VIRTUAL]
    built = [spec.name for spec in virtual if backend_of(spec, Cache.of_user()).available() is None]
    kernel = f"--kernel={(built or ['host'])[-1]}"
    command = [sys.executable, "-m", "harness", "mutate", kernel, f"--run-dir={tmp_path}", f"--sample={SAMPLE}"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    ended = subprocess.run(
        [*command, "scenarios"],
        cwd=CHECKOUT,
        env=environment | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{SAMPLE} of {SAMPLE} mutations noticed" in ended.stdout
