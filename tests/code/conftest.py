"""A small program that counts its code, in place of a kernel's object."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.code.toy import NAME, SOURCE


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notes, the source and the program, in the folders of a kernel's tree."""
    if missing := [tool for tool in ("gcc", "gcov") if shutil.which(tool) is None]:
        pytest.skip(f"no {', '.join(missing)}; try: apt-get install gcc")
    folder = tmp_path_factory.mktemp("build")
    source = folder / f"{NAME}.c"
    source.parent.mkdir(parents=True)
    source.write_text(SOURCE)
    for last in (["-O2", "-c", "-o", f"{NAME}.o", str(source)], ["-o", "toy", f"{NAME}.o"]):
        subprocess.run(["gcc", "--coverage", *last], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def count(build: Path) -> Callable[..., bytes]:
    """The counts of calls one after the other, each with so many arguments."""

    def counted(*calls: int) -> bytes:
        data = build / f"{NAME}.gcda"
        data.unlink(missing_ok=True)
        for arguments in calls:
            subprocess.run([build / "toy", *("x" * arguments)], check=False, capture_output=True)
        return data.read_bytes()

    return counted
