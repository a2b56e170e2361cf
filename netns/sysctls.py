"""Read, set and pin the sysctls of a namespace. What a kernel does not have there is left alone and named."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path("/proc/sys")


def read(name: str) -> str | None:
    """The value in the calling thread's namespace, white space folded; None where the kernel has no such sysctl."""
    try:
        return " ".join((ROOT / name).read_text().split())
    except FileNotFoundError:
        return None


def write(name: str, value: str) -> str | None:
    """Set a sysctl in the calling thread's namespace and give back what it was before.

    Raises:
        OSError: the kernel has it not (ENOENT), forbids it here (EPERM, EACCES) or refuses the value (EINVAL).
    """
    before = read(name)
    (ROOT / name).write_text(value)
    return before


def pin(values: Mapping[str, str]) -> dict[str, str]:
    """Set all of them in the calling thread's namespace; what could not be set, by name, with the reason."""
    left: dict[str, str] = {}
    for name, value in values.items():
        try:
            _pin_one(f"{ROOT}/{name}", value.encode())
        except FileNotFoundError:
            left[name] = "this kernel does not have it"
        except OSError as error:
            left[name] = error.strerror or str(error)
    return left


def _pin_one(path: str, value: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        # reading is cheaper than setting, and most of them stand right in a new namespace
        if os.read(descriptor, 4096).split() != value.split():
            os.pwrite(descriptor, value, 0)
    finally:
        os.close(descriptor)
