"""Which installed distributions a guest's Python has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

# What a job imports beside the standard library; what these require comes with them.
# Not finwait itself: guests have the checkout, and an editable install counts all of that as its own, old runs too.
GUEST_PACKAGES = ("scapy", "pytest", "pyroute2", "netaddr", "msgspec", "rich", "cryptography")


def plugins_of_pytest() -> list[str]:
    """The installed plugins of pytest, whose options a user may give, without those that no guest has a use for."""
    plugins = {one.dist.name for one in metadata.entry_points(group="pytest11") if one.dist}
    return sorted(plugins - {"finwait", "hypothesis", "pytest-xdist"})


def package_files(names: Iterable[str]) -> Iterator[Path]:
    """Top-level files and folders of installed distributions and of all they require, without extras."""
    waiting, seen = list(names), set[str]()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform or Python; what is really missing says so when it is imported
        tops = {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}
        yield from (path for path in (Path(str(found.locate_file(top))) for top in sorted(tops)) if path.exists())
        for requirement in found.requires or ():
            if "extra ==" not in requirement and (match := re.match(r"[\w.-]+", requirement)):
                waiting.append(match[0])
