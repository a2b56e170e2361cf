"""Kernel modules in the order in which they can be loaded, from what each module itself says."""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import subprocess
from pathlib import Path

from harness.errors import FinwaitError

# What a lab needs or may ask for. What is built into a kernel, or is not there at all, is passed over here;
# the guest tries, and names what is missing.
WANTED = (
    "af_packet",
    "veth",
    "ipv6",
    "tun",
    "sch_netem",
    "sch_fq",
    "inet_diag",
    "tcp_diag",
)
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


def load_order(folder: Path, wanted: tuple[str, ...] = WANTED) -> tuple[Path, ...]:
    """The files of the wanted modules and of all they need, each after what it needs.

    Read from the modules' own ``depends`` (modinfo(8)), because Debian's image packages come without
    modules.dep.

    Raises:
        FinwaitError: a module needs one that is not in the folder.
    """
    files = {_name(file): file for file in sorted(folder.rglob("*.ko*")) if ".ko" in file.suffixes[-2:]}
    ordered: dict[str, Path] = {}
    for name in wanted:
        if name in files:
            _add(name, files, ordered)
    return tuple(ordered.values())


def _add(name: str, files: dict[str, Path], ordered: dict[str, Path]) -> None:
    if name in ordered:
        return
    for needed in depends(files[name]):
        if needed not in files:
            raise FinwaitError(f"{files[name]} needs the module {needed}, which is not there")
        _add(needed, files, ordered)
    ordered[name] = files[name]


def depends(file: Path) -> tuple[str, ...]:
    """The names of the modules that a module file says it needs."""
    found = _DEPENDS.search(content(file))
    return tuple(_plain(name.decode()) for name in found[1].split(b",") if name) if found else ()


def content(file: Path) -> bytes:
    """What is in a module file, decompressed.

    Raises:
        FinwaitError: it cannot be read or decompressed here.
    """
    try:
        raw = file.read_bytes()
        if file.suffix == ".xz":
            return lzma.decompress(raw)
        if file.suffix == ".gz":
            return gzip.decompress(raw)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise FinwaitError(f"cannot read the module {file}", why=str(error)) from error
    if file.suffix != ".zst":
        return raw
    if shutil.which("zstd") is None:
        raise FinwaitError(f"cannot decompress the module {file}: there is no zstd", hint="apt-get install zstd")
    ended = subprocess.run(("zstd", "-dcq", str(file)), capture_output=True, check=False)
    if ended.returncode != 0:
        raise FinwaitError(f"cannot decompress the module {file}", why=ended.stderr.decode(errors="replace").strip())
    return ended.stdout


def _name(file: Path) -> str:
    return _plain(file.name.partition(".ko")[0])


def _plain(name: str) -> str:
    return name.replace("-", "_")
