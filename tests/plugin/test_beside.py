"""What lies beside a scenario can be imported, by each folder its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness.run.selection import select

CHECKOUT = Path(__file__).parents[2]

CONFTEST = """
import helper
import pytest


@pytest.fixture
def name():
    return helper.NAME
"""
SCENARIO = """
import helper
import above


def test_name(name):
    import helper as again

    assert again is helper
    assert (helper.NAME, name, above.NAME) == ({0!r}, {0!r}, "above")
"""
IN_A_PACKAGE = """
import package.module
from package import module
from .module import VALUE


def test_value():
    assert VALUE == module.VALUE == package.module.VALUE == 1
"""


def put(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


def ran(place: Path) -> str:
    """What pytest's last line says of scenarios there."""
    (place / "not-here").mkdir()
    env = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-q",
        *select([str(place)], CHECKOUT).arguments,
    ]
    ended = subprocess.run(command, cwd=place / "not-here", env=env, capture_output=True, text=True, check=False)
    return ended.stdout.splitlines()[-1]


def test_scenarios_and_conftests_import_the_modules_of_their_own_folder(tmp_path: Path) -> None:
    put(tmp_path, above="NAME = 'above'\n", conftest="import above\n")
    for name in ("one", "two"):
        scenario = SCENARIO.replace("import above\n", "from above_of_it import above\n").format(name)
        put(tmp_path / name, helper=f"NAME = {name!r}\n", conftest=CONFTEST, test_it=scenario)
        put(tmp_path / name / "above_of_it", above="NAME = 'above'\n")
    assert ran(tmp_path).startswith("2 passed")


def test_scenario_in_a_package_imports_by_the_name_of_the_package(tmp_path: Path) -> None:
    put(tmp_path / "package", __init__="", module="VALUE = 1\n", test_it=IN_A_PACKAGE)
    assert ran(tmp_path).startswith("1 passed")


def test_module_that_lies_beside_nothing_is_not_found(tmp_path: Path) -> None:
    put(tmp_path / "one", helper="")
    put(tmp_path / "two", test_it="import helper\n")
    assert "1 error" in ran(tmp_path)
