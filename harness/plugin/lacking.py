"""Adds up what skipped scenarios and tests lacked: the packages to install, the kernels to fetch or build. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_PACKAGES = re.compile(r"(?:apt-get install|Debian package:) ([a-z0-9][a-z0-9.+ -]*)")
_KERNEL = re.compile(r"finwait kernels (fetch|build) ([a-z][\w.:-]*)")


def remedies(reasons: Iterable[str]) -> Iterator[str]:
    """A line for all packages and one for all kernels that the reasons of skips name; none where they name none.

    Args:
        reasons: of one skip each, such as ``nginx is not installed; try: apt-get install nginx``.
    """
    packages: set[str] = set()
    kernels: set[str] = set()
    for_packages = for_kernels = 0
    for reason in reasons:
        if found := [name for names in _PACKAGES.findall(reason) for name in names.split()]:
            packages.update(found)
            for_packages += 1
        elif named := _KERNEL.findall(reason):
            kernels.update(" ".join(one) for one in named)
            for_kernels += 1
    if packages:
        yield f"{_skips(for_packages)} for lack of packages; try: apt-get install {' '.join(sorted(packages))}"
    if kernels:
        commands = "; ".join(f"finwait kernels {kernel}" for kernel in sorted(kernels))
        yield f"{_skips(for_kernels)} for lack of kernels; try: {commands}"


def _skips(count: int) -> str:
    return "1 skip" if count == 1 else f"{count} skips"
