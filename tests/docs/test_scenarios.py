"""docs/scenarios.md: its reference has every public name with its signature, and its examples run and conform."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import harness
from netns import privilege
from tests.docs.reference import PAGE, fixture_functions, members, written

CHECKOUT = PAGE.parents[1]


def test_reference_is_what_the_code_says() -> None:
    page = PAGE.read_text()
    assert page == written(page), "write it anew: python -m tests.docs.reference"


def test_every_public_name_and_every_fixture_is_in_the_reference() -> None:
    page = PAGE.read_text()
    named = set(re.findall(r"^### (\w+)$", page, re.M))
    named |= set(re.findall(r"^    @?(\w+)", page, re.M)) | set(re.findall(r"^\| `(\w+)` \|", page, re.M))
    assert named >= {*harness.__all__, *fixture_functions()}


def test_every_public_method_stands_below_its_class() -> None:
    page = PAGE.read_text()
    for kind in (harness.Session, harness.Peer, harness.Endpoint, harness.Path, harness.TwoKernelSession):
        section = page.partition(f"### {kind.__name__}\n")[2].partition("\n### ")[0]
        listed = re.findall(r"^    (\w+)[(:]", section, re.M)
        assert listed == [name for name, _ in members(kind)]


def test_examples_conform(tmp_path: Path) -> None:
    privilege.ensure()
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for number, example in enumerate(examples):
        (tmp_path / f"test_example_{number}.py").write_text(example)
    ran = subprocess.run(
        [sys.executable, "-m", "harness", "run", tmp_path, "--run-dir", tmp_path / "runs", "--captures=none"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(examples) >= 7
    assert ran.stdout.count("test_example_") >= len(examples)
