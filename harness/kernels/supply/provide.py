"""From a kernel's name to the trees of its packages in the cache."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.fetch import Package, Source, fetch_deb, find, unpack
from harness.kernels.supply.spec import KernelSpec


def provided(spec: KernelSpec, cache: Cache) -> tuple[Path, ...]:
    """The trees of a kernel's packages, in the order of ``spec.packages``, libc6's last; without any network.

    A kernel given as a .deb is unpacked on the way.

    Raises:
        FinwaitError: it was not fetched yet.
    """
    if spec.path is not None:
        return (unpack(spec.path, cache),)
    trees = [cache.content("tree", package.sha256) for package in pinned(spec, cache)]
    whole = tuple(tree for tree in trees if tree is not None)
    if not whole or len(whole) != len(trees):
        raise FinwaitError(
            f"{spec.name} is not in the cache {cache.root}", hint=f"finwait kernels fetch {spec.fetched_as}"
        )
    return whole


def provide(spec: KernelSpec, cache: Cache, source: Source, *, renew: bool = False) -> tuple[Path, ...]:
    """The same, fetched when it is not there; what a name stands for stays until ``renew`` asks anew.

    Raises:
        FinwaitError: the packages are in no suite that should have them, or one of find, fetch_deb and
        unpack.
    """
    packages = () if renew else pinned(spec, cache)
    if packages and all(cache.content("tree", package.sha256) for package in packages):
        return provided(spec, cache)
    if not packages or not all(cache.content("deb", package.sha256) for package in packages):
        packages = choose(spec, source, cache)
    trees = tuple(unpack(fetch_deb(source, package, cache), cache) for package in packages)
    cache.pin(spec.fetched_as, [asdict(package) for package in packages])
    return trees


def pinned(spec: KernelSpec, cache: Cache) -> tuple[Package, ...]:
    """The packages that a name stood for when it was fetched; empty when it never was."""
    records = cache.pinned(spec.fetched_as) or ()
    if len(records) != len(spec.packages) + spec.libc:  # pinned when it stood for other packages
        return ()
    return tuple(Package(**record) for record in records)


def choose(spec: KernelSpec, source: Source, cache: Cache) -> tuple[Package, ...]:
    """The newest version of a kernel's packages, from the first of its suites that has all of them.

    Raises:
        FinwaitError: none has; it names what they have instead.
    """
    seen: list[str] = []
    for suite in spec.suites:
        if suite != spec.suites[-1] and not source.has(suite):
            continue  # a bare system has no security suite, and an older version is better than none
        candidates = find(source, "|".join(spec.packages), suite, cache)
        chosen = newest_set(candidates, spec)
        if chosen:
            return chosen + tuple(find(source, "libc6", suite, cache)[:1] if spec.libc else ())
        seen += [f"{package.name} {package.version}" for package in candidates]
    raise FinwaitError(
        f"{spec.name} is no longer in {', '.join(spec.suites)}",
        why="there is " + (", ".join(seen[:3]) if seen else "no package like " + " or ".join(spec.packages)),
        hint="another kernel, or the path of a .deb",
    )


def newest_set(candidates: list[Package], spec: KernelSpec) -> tuple[Package, ...]:
    """One package for each pattern, all of one version, the newest such; ``candidates`` newest first."""
    for version in dict.fromkeys(package.version for package in candidates):
        if not version.startswith(spec.version):
            continue
        same = [package for package in candidates if package.version == version]
        found = [next((p for p in same if re.fullmatch(pattern, p.name)), None) for pattern in spec.packages]
        whole = tuple(package for package in found if package is not None)
        if len(whole) == len(spec.packages):
            return whole
    return ()
