"""Build User Mode Linux for virtual time from a kernel source tree, and keep the result in the cache.

The tree is only read: objects go elsewhere (``O=``), and HZ gets its prompt from a copy of the tree's top
Kconfig.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache, sha256_of
from harness.kernels.supply.counting import CODE, counted, keep_code
from harness.kernels.supply.fragments import HZ_PROMPT, VIRTUAL_UML, ConfigOption, fragment, missing, parse_config
from harness.kernels.supply.make import NotBuilt, Progress, drop_torn, make
from harness.kernels.supply.tarball import unpacked

# Tool to Debian package: what a build of the kernel runs.
TOOLS = {"make": "make", "gcc": "gcc", "ld": "binutils", "flex": "flex", "bison": "bison", "bc": "bc"}
KIND = "kernel"
BINARY, CONFIG, RECORD = "linux", "config", "build.json"


@dataclass(frozen=True, slots=True)
class Built:
    """A kernel that was built, and how.

    Args:
        folder: the cache's entry; ``linux``, ``config`` and ``build.json`` are in it.
        version: the tree's version, as its Makefile has it (``6.12.107``).
        compiler: the first line of the compiler's own version.
        seconds: real time that make took.
        refused: the optional options that this tree did not take.
    """

    folder: Path
    version: str
    compiler: str
    seconds: float
    refused: tuple[str, ...]

    @property
    def binary(self) -> Path:
        """The User Mode Linux executable."""
        return self.folder / BINARY

    @property
    def config(self) -> Path:
        """Its final configuration."""
        return self.folder / CONFIG


def builds_that_count(cache: Cache) -> list[Path]:
    """The kernels in the cache that count which of their code is reached: of each the folder of notes and sources."""
    contents = (cache.content(KIND, entry.key) for entry in cache.entries() if entry.kind == KIND)
    return [content / CODE for content in contents if content and (content / CODE).is_dir()]


def build(
    tree: Path,
    cache: Cache,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    options: tuple[ConfigOption, ...] = VIRTUAL_UML,
    content: str = "",
) -> Built:
    """Build a user's own tree. Its objects stay in the cache, so that the next build makes only what changed.

    Args:
        tree: a kernel source tree, 5.10 or newer, not configured in place; only read.
        cache: where objects and results are kept; the result's key is its content's hash.
        jobs: compilers at once; one for each processor when not given.
        progress: called with each line that make prints.
        options: what to ask for.
        content: what the tree holds, as git names it; what was built of the same before is then returned at once.

    Raises:
        FinwaitError: a tool is missing, the tree is none or is not clean, it lacks a required option, or make
            failed.
    """
    check_machine()
    named = _digest(content, *_asked(options)) if content else ""
    if kept := named and cache.content(KIND, named):
        return _read(kept)
    tree = tree.resolve()
    objects = objects_of(tree, cache, options)
    with cache.lock(f"objects-{objects.name}"):
        objects.mkdir(parents=True, exist_ok=True)
        record = _compile(tree, objects, options, jobs, progress)
        key = named or _digest(sha256_of(objects / BINARY), sha256_of(objects / ".config"))
        return _read(cache.fill(KIND, key, lambda folder: _keep(tree, objects, folder, record)))


def objects_of(tree: Path, cache: Cache, options: tuple[ConfigOption, ...] = VIRTUAL_UML) -> Path:
    """Where the objects of a tree are kept."""
    return cache.root.resolve() / "objects" / _digest(str(tree), *counted(options))


def build_tarball(
    tarball: Path,
    cache: Cache,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    options: tuple[ConfigOption, ...] = VIRTUAL_UML,
) -> Built:
    """Build a source tarball, such as a linux-source package holds, or return what was built from it before.

    The key is the tarball's hash, the options and the compiler; sources and objects are gone afterwards.

    Raises:
        FinwaitError: as ``build`` says, or the tarball cannot be unpacked.
    """

    def fill(folder: Path) -> None:
        scratch = folder.resolve().parent / "scratch"
        objects = scratch / "objects"
        objects.mkdir(parents=True)
        tree = unpacked(tarball.absolute(), scratch / "source")
        _keep(tree, objects, folder, _compile(tree, objects, options, jobs, progress))
        shutil.rmtree(scratch)

    check_machine()
    return _read(cache.fill(KIND, tarball_key(tarball, options), fill))


def known(tarball: Path, cache: Cache, options: tuple[ConfigOption, ...] = VIRTUAL_UML) -> Built | None:
    """What was built from this tarball with these options and this machine's compiler, or None."""
    folder = cache.content(KIND, tarball_key(tarball, options))
    return _read(folder) if folder else None


def tarball_key(tarball: Path, options: tuple[ConfigOption, ...] = VIRTUAL_UML) -> str:
    """What the build of a tarball is kept under."""
    return _digest(sha256_of(tarball), *_asked(options))


def _asked(options: tuple[ConfigOption, ...]) -> tuple[str, ...]:
    """What is asked for and of which versions, not how this program writes it down; and who compiles it."""
    asked = (f"{option.line()} {option.since} {option.until}" for option in options)
    return (*asked, *counted(options), HZ_PROMPT, compiler())


def tree_version(tree: Path) -> tuple[int, int, int]:
    """VERSION, PATCHLEVEL and SUBLEVEL from the tree's Makefile.

    Raises:
        FinwaitError: there is not a kernel source tree.
    """
    try:
        head = (tree / "Makefile").read_text(errors="replace")[:4096]
        numbers = [re.search(rf"^{name} *= *(\d+)", head, re.M) for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
        major, minor, patch = (int(found[1]) for found in numbers if found)
    except (OSError, ValueError):
        raise FinwaitError(
            f"{tree} is not a kernel source tree",
            why="its Makefile is missing or states no VERSION",
            hint="the top folder of an unpacked linux-source package or of a clone",
        ) from None
    return major, minor, patch


def compiler() -> str:
    """The first line of the compiler's version, empty when there is none."""
    if shutil.which("gcc") is None:
        return ""
    return subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def check_machine() -> None:
    """Look whether a kernel can be built here.

    Raises:
        FinwaitError: a tool, the C library's headers or the right processor is missing.
    """
    absent = {tool: package for tool, package in TOOLS.items() if shutil.which(tool) is None}
    if not any(Path(root, "stdio.h").exists() for root in ("/usr/include", "/usr/local/include")):
        absent["stdio.h"] = "libc6-dev"
    if absent:
        raise FinwaitError(
            f"a kernel cannot be built here: no {', '.join(absent)}",
            hint=f"apt-get install {' '.join(absent.values())}",
        )
    if platform.machine() != "x86_64":
        raise FinwaitError(f"User Mode Linux is built for x86_64, and this machine is {platform.machine()}")


def _check_tree(tree: Path, objects: Path) -> None:
    for path in (tree, objects):
        if re.search(r"[\s:]", str(path)):
            raise FinwaitError(
                f"the kernel's makefiles refuse a path with a space or a colon: {path}",
                hint="another folder, or XDG_CACHE_HOME set to one",
            )
    if (tree / ".config").exists() or (tree / "include" / "config").exists():
        raise FinwaitError(
            f"{tree} was configured in place, and the kernel's makefiles then refuse to build elsewhere",
            hint=f"make -C {tree} mrproper, which keeps the sources and drops .config and objects",
        )


def _compile(
    tree: Path, objects: Path, options: tuple[ConfigOption, ...], jobs: int | None, progress: Progress | None
) -> dict[str, object]:
    check_machine()
    version = tree_version(tree)
    _check_tree(tree, objects)
    drop_torn(objects)
    asked = fragment(options, version[:2])
    _write(objects / "finwait.config", asked)
    _write(objects / "Kconfig.finwait", (tree / "Kconfig").read_text() + HZ_PROMPT)
    seconds, mark = 0.0, objects / "configured"
    if not _is_configured(tree, objects, mark, asked):
        seconds = make(tree, objects, progress, f"KCONFIG_ALLCONFIG={objects / 'finwait.config'}", "allnoconfig")
        mark.write_text(asked + compiler())
    dotted = ".".join(map(str, version))
    lacking = missing(options, version[:2], parse_config((objects / ".config").read_text()))
    if required := [option for option in lacking if option.required]:
        names = ", ".join(f"{option.line()} ({option.why})" for option in required)
        raise NotBuilt(
            f"Linux {dotted} in {tree}",
            f"it does not take {names}",
            why="the tree lacks the option, or something that it depends on is off",
        )
    seconds += make(tree, objects, progress, f"-j{jobs or os.cpu_count() or 1}", *counted(options), "linux")
    return {
        "version": dotted,
        "compiler": compiler(),
        "seconds": round(seconds, 1),
        "refused": [option.name for option in lacking],
    }


def _write(file: Path, text: str) -> None:
    """Write a file where it says something else: make goes by its time."""
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def _is_configured(tree: Path, objects: Path, mark: Path, asked: str) -> bool:
    """Whether all that the configuration was made of is older than the mark, as kconfig lists it for make."""
    try:
        listed = re.findall(r"^\t(\S+) \\$", (objects / "include/config/auto.conf.cmd").read_text(), re.M)
        newest = max((tree / name).stat().st_mtime_ns for name in ("Kconfig", *listed))
        return mark.read_text() == asked + compiler() and newest < mark.stat().st_mtime_ns
    except OSError:
        return False


def _keep(tree: Path, objects: Path, folder: Path, record: dict[str, object]) -> None:
    shutil.copy(objects / BINARY, folder / BINARY)
    shutil.copy(objects / ".config", folder / CONFIG)
    (folder / RECORD).write_text(json.dumps(record, indent=1))
    keep_code(tree, objects, folder / CODE)


def _read(folder: Path) -> Built:
    record = json.loads((folder / RECORD).read_text())
    return Built(folder, record["version"], record["compiler"], record["seconds"], tuple(record["refused"]))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
