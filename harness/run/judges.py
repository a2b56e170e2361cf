"""All that verdicts hang on beside the kernel: the harness, the scenarios, and what they read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

_JUDGES = ("harness", "netns", "scenarios", "conftest.py", "pyproject.toml")
_READ = {".py", ".toml", ".csv", ".pkt"}


def digest(checkout: Path, *more: str, outside: Iterable[Path] = ()) -> str:
    """What all of it is known by, in hexadecimal.

    Args:
        checkout: the folder with pyproject.toml.
        more: texts that belong to it.
        outside: files and folders that do, and are no part of the checkout.
    """
    found = sha256("\0".join(more).encode())
    for place in (*(checkout / name for name in _JUDGES), *outside):
        for file in [place] if place.is_file() else sorted(place.rglob("*.*")):
            if file.suffix in _READ or file in outside:
                found.update(f"\0{os.path.relpath(file, checkout)}\0".encode() + file.read_bytes())
    return found.hexdigest()
