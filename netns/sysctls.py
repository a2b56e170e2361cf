"""Read, set and pin the sysctls of a namespace. What a kernel does not have there is left alone and named."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

from netns.errors import FinwaitError

ROOT = Path("/proc/sys")


def canonical(name: str) -> str:
    """The name below /proc/sys of a sysctl that a network namespace can have, also where it is given with dots.

    Raises:
        FinwaitError: it is not below net/, so that it would be that of the whole machine.
    """
    parts = (name if "/" in name else name.replace(".", "/")).split("/")
    if len(parts) < 2 or parts[0] != "net" or not {"", ".", ".."}.isdisjoint(parts):
        raise FinwaitError(
            f"{name!r} is not a sysctl of a network namespace",
            why="a lab sets its own alone, which are below net/",
            hint="net/ipv4/tcp_fin_timeout, or net.ipv4.tcp_fin_timeout",
        )
    return "/".join(parts)


def nearest(name: str) -> list[str]:
    """What the calling thread's namespace has that is spelt much like a sysctl that it has not; the nearest first."""
    missing = ROOT / name
    while not missing.parent.is_dir():
        missing = missing.parent
    near = difflib.get_close_matches(missing.name, [there.name for there in missing.parent.iterdir()])
    return [str((missing.parent / one).relative_to(ROOT)) for one in near]


def read(name: str) -> str | None:
    """The value in the calling thread's namespace, white space folded; None where the kernel has no such sysctl.

    Raises:
        FinwaitError: it is a folder of sysctls.
        OSError: the kernel does not let it be read (EACCES), or not now (EIO).
    """
    try:
        return " ".join((ROOT / name).read_text().split())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        raise FinwaitError(
            f"{name} is a folder of sysctls, not one", why="a value has the name of its file", hint=f"ls {ROOT / name}"
        ) from None


def write(name: str, value: str) -> str | None:
    """Set a sysctl in the calling thread's namespace and give back what it was before.

    Raises:
        FinwaitError: it is a folder of sysctls.
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
