"""Photographs the pages of a report in headless Chromium, as wide as a telephone, a laptop and a large screen."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from harness.errors import FinwaitError

WIDTHS = {360: 740, 1280: 900, 2560: 1440}
"""CSS pixels, and how high each window is."""

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_MOST_SECONDS = 300  # for one photograph on a busy machine; mostly it takes two


def browser() -> str:
    """The browser that is here; empty where there is none."""
    return next(filter(None, map(shutil.which, _BROWSERS)), "")


def photograph(program: str, report: Path, case: str, folder: Path) -> Sequence[Path]:
    """Photograph each page of a report, and one case; the files.

    Args:
        program: see ``browser``.
        report: the folder of the pages.
        case: the scenario whose case is photographed.
        folder: for the files.

    Raises:
        FinwaitError: the browser fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    addresses = {page.stem: page.resolve().as_uri() for page in sorted(report.glob("*.html"))}
    addresses["case"] = f"{addresses['index']}#{urlencode({'case': case})}"
    made = []
    with tempfile.TemporaryDirectory() as profile:
        for name, address in addresses.items():
            for width, height in WIDTHS.items():
                made.append(folder / f"{name}-{width}.png")
                _photograph(program, profile, address, (width, height), made[-1])
    return made


def _photograph(program: str, profile: str, address: str, size: tuple[int, int], file: Path) -> None:
    options = (
        "--headless",
        "--no-sandbox",  # root has none
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
        f"--window-size={size[0]},{size[1]}",
        "--virtual-time-budget=10000",  # until the page's script has loaded a case
        f"--screenshot={file.resolve()}",
    )
    try:
        ran = subprocess.run(
            [program, *options, address], capture_output=True, text=True, check=False, timeout=_MOST_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise FinwaitError(f"{program} is not done with {file.name} after {_MOST_SECONDS} s") from error
    if ran.returncode or not file.exists():
        raise FinwaitError(f"{program} did not photograph {file.name}", why=ran.stderr.strip().rpartition("\n")[2])
