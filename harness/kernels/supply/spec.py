"""The names of kernels, as data: what a user writes, where its packages are, and what boots it."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.supply.images import VIRTUAL_TIME, ImageKind, holds, identify

COUNTS = ",code-coverage"
"""What stands behind the name of a kernel that counts which of its code is reached."""


class KernelKind(StrEnum):
    """What kind of kernel it is, by how it runs."""

    HOST = "host"
    UML = "uml"
    UML_VIRTUAL = "uml-virtual"
    DEBIAN = "debian"


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """One kernel.

    Args:
        name: as the user writes it.
        kind: what has to be done to boot it.
        series: its first two numbers, such as ``6.12``; empty for the running kernel.
        suites: Debian suites that have it, the preferred one first; empty when nothing is fetched.
        packages: regular expressions for the whole names of the packages that are needed together.
        version: what their version begins with.
        libc: whether the binary wants a newer C library than old hosts have, so that its suite's is fetched
        with it. path: the user's own kernel file or .deb. modules: the folder with that kernel's modules,
        when there is one.
        megabytes: about what is downloaded for it, as the archive had it in November 2026.
        counts: whether it is built to count which of its code is reached.
    """

    name: str
    kind: KernelKind
    series: str = ""
    suites: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    version: str = ""
    libc: bool = False
    path: Path | None = None
    modules: Path | None = None
    megabytes: int = 0
    counts: bool = False

    @property
    def fetched_as(self) -> str:
        """The name that its packages were fetched under: a kernel that counts is built from the same."""
        return self.name.removesuffix(COUNTS)

    @property
    def title(self) -> str:
        """What to call it in tables, folders and records: no path."""
        return self.path.name if self.path and "/" in self.name else self.name


# Which suites have a series. 6.19 to 7.1 are left out: their modules are gone from the archive.
_UML_SUITES = {"5.10": ("bullseye",), "6.1": ("bookworm",), "6.12": ("trixie",), "7.2": ("sid", "forky")}
_STABLE_SUITES = {
    "5.10": ("bullseye-security", "bullseye"),
    "6.1": ("bookworm-security", "bookworm"),
    "6.12": ("trixie-security", "trixie"),
    "7.2": ("sid", "forky", "trixie-backports"),
}
_IMAGE_SUITES = {
    **_STABLE_SUITES,
    "6.16": ("trixie-backports",),
    "6.17": ("trixie-backports",),
    "6.18": ("trixie-backports",),
    "7.3": ("experimental",),
}
_MEGABYTES = {
    KernelKind.UML: {"5.10": 38, "6.1": 41, "6.12": 39, "7.2": 38},
    KernelKind.UML_VIRTUAL: {"5.10": 122, "6.1": 139, "6.12": 154, "7.2": 164},
    KernelKind.DEBIAN: {"5.10": 22, "6.1": 27, "6.12": 35, "6.16": 51, "6.17": 50, "6.18": 49, "7.2": 37, "7.3": 35},
}
_SPLIT_FROM = (7, 2)  # from this series on the image and its modules are two packages
_NEW_LIBC_FROM = (6, 12)  # built against glibc 2.38 and newer, and dynamically linked


def _series_key(series: str) -> tuple[int, ...]:
    return tuple(int(part) for part in series.split("."))


def _uml(series: str) -> KernelSpec:
    libc = _series_key(series) >= _NEW_LIBC_FROM
    suites, version = _UML_SUITES[series], f"{series}um"
    return KernelSpec(f"uml:{series}", KernelKind.UML, series, suites, ("user-mode-linux",), version, libc)


def _uml_virtual(series: str) -> KernelSpec:
    source = re.escape(f"linux-source-{series}")
    return KernelSpec(
        f"uml-virtual:{series}", KernelKind.UML_VIRTUAL, series, _STABLE_SUITES[series], (source,), series
    )


def _debian(series: str) -> KernelSpec:
    split = _series_key(series) >= _SPLIT_FROM
    release = re.escape(series) + r"(\.\d[-+~\w.]*)?-cloud-amd64"
    packages = (f"linux-binary-{release}", f"linux-modules-{release}") if split else (f"linux-image-{release}",)
    return KernelSpec(f"debian:{series}", KernelKind.DEBIAN, series, _IMAGE_SUITES[series], packages, series)


_KNOWN = (
    KernelSpec("host", KernelKind.HOST),
    *(
        replace(spec, megabytes=_MEGABYTES[spec.kind][spec.series])
        for spec in (*map(_uml, _UML_SUITES), *map(_uml_virtual, _STABLE_SUITES), *map(_debian, _IMAGE_SUITES))
    ),
)


def known() -> tuple[KernelSpec, ...]:
    """Every kernel that has a name: the running one, then by way of booting it, the oldest first."""
    return _KNOWN


def parse(name: str) -> KernelSpec:
    """The kernel that a name or a path stands for.

    A path is anything with a slash; ``,modules=DIR`` after it names the folder that holds the modules, or
    the one above that is named as the release. ``NAME=PATH`` gives it a name of the user's own for titles and folders.
    ``,code-coverage`` after the name of a kernel in virtual time is its build that counts which code is reached.

    Raises:
        FinwaitError: no such name (the nearest are listed), or the file is no kernel for this machine.
    """
    for spec in _KNOWN:
        if spec.name == name:
            return spec
        if spec.kind is KernelKind.UML_VIRTUAL and spec.name + COUNTS == name:
            return replace(spec, name=name, counts=True)
    title, equals, path = name.partition("=")
    if equals and "/" in path and re.fullmatch(r"[\w.+:-]+", title):
        return replace(_own(path), name=title)
    if "/" in name:
        return _own(name)
    names = [spec.name for spec in _KNOWN]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = ", ".join(near or names)
    if os.path.exists(name):  # noqa: PTH110  Path.exists raises for a name that is too long
        hint += f"; or ./{name} for the file"
    raise FinwaitError(f"there is no kernel {name!r}", hint=hint)


def _own(name: str) -> KernelSpec:
    file, comma, folder = name.partition(",modules=")
    path = Path(file).expanduser().absolute()
    image = identify(path)
    if image.kind is ImageKind.DEB:
        kind = KernelKind.UML if image.package == "user-mode-linux" else KernelKind.DEBIAN
        return KernelSpec(name, kind, path=path)
    kind = _kind_of_uml(path) if image.kind is ImageKind.UML else KernelKind.DEBIAN
    series = ".".join(image.release.split(".")[:2])
    modules = _named(Path(folder).expanduser().absolute(), image.release) if comma else _beside(path, image.release)
    return KernelSpec(name, kind, series, path=path, modules=modules)


def _kind_of_uml(binary: Path) -> KernelKind:
    return KernelKind.UML_VIRTUAL if holds(binary, VIRTUAL_TIME) else KernelKind.UML


def _named(folder: Path, release: str) -> Path:
    if not folder.is_dir():
        raise FinwaitError(f"there is no folder {folder}", hint="modules=DIR with the modules of " + release)
    return folder / release if (folder / release).is_dir() else folder


def _beside(path: Path, release: str) -> Path | None:
    """Where modules_install, Debian's image packages and Debian's User Mode Linux put them."""
    above = path.parent.parent
    places = (
        path.parent / "modules",
        path.parent / "lib/modules",
        above / "lib/modules",
        above / "lib/uml/modules",
    )
    for place in (*places, Path("/lib/modules")):
        if (place / release).is_dir():
            return place / release
    return None
