"""A kernel that counts which of its code is reached: what is asked of its build, and what is kept of that."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from harness.kernels.supply.fragments import VIRTUAL_UML, ConfigOption
from harness.kernels.supply.spec import KernelSpec

CODE = "code"
"""Where a kernel that counts has the notes of gcov (.gcno) and the sources that they name, as in its tree."""

CODE_COVERAGE: tuple[ConfigOption, ...] = (
    *VIRTUAL_UML,
    ConfigOption("DEBUG_FS", why="the counts are read there"),
    ConfigOption("GCOV_KERNEL", why="counting which lines of the kernel are reached"),
)
"""The same, with counts of which code of TCP is reached."""

COUNTED = (
    *("tcp", "tcp_input", "tcp_output", "tcp_timer", "tcp_minisocks", "tcp_recovery", "tcp_rate", "tcp_cong"),
    *("tcp_cubic", "tcp_bbr", "tcp_dctcp", "tcp_fastopen", "tcp_metrics", "tcp_ao", "tcp_ipv4", "tcp_ipv6"),
    *("inet_connection_sock", "inet6_connection_sock", "inet_hashtables", "inet6_hashtables"),
    *("inet_timewait_sock", "syncookies"),
)
"""Objects whose code is counted; one that a tree lacks is not. Every other file stays as fast as it is."""


def options_of(spec: KernelSpec) -> tuple[ConfigOption, ...]:
    """What a kernel in virtual time is built with."""
    return CODE_COVERAGE if spec.counts else VIRTUAL_UML


def counted(options: Iterable[ConfigOption]) -> tuple[str, ...]:
    """What make is told to have code counted (Documentation/dev-tools/gcov.rst); nothing where nobody asks for it."""
    asked = any(option.name == "GCOV_KERNEL" for option in options)
    return tuple(f"GCOV_PROFILE_{name}.o=y" for name in COUNTED) if asked else ()


def keep_code(tree: Path, objects: Path, folder: Path) -> None:
    """Keep what the counts are told by; nothing of a kernel that does not count."""
    for notes in objects.glob("net/**/*.gcno"):
        _copy(notes, folder / notes.relative_to(objects))
        for name in re.findall(rb"[\w./+-]+\.[ch](?=\0)", notes.read_bytes()):
            source = (objects / os.fsdecode(name)).resolve()  # joined to an absolute path, it is that path
            if source.is_relative_to(tree) and source.is_file():
                _copy(source, folder / source.relative_to(tree))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy(source, target)
