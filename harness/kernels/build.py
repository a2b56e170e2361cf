"""Build User Mode Linux for virtual time from a kernel source tree, and keep the result by its content.

The tree is only read: objects go to the cache (``O=``), and HZ gets its prompt from a copy of the tree's
top Kconfig. Debian's linux-source 5.10 to 7.2 were built this way with gcc 12.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.fragments import HZ_PROMPT, VIRTUAL_UML, Option, fragment, missing, parse_config

# Tool to Debian package: what a build of the kernel runs.
TOOLS = {"make": "make", "gcc": "gcc", "ld": "binutils", "flex": "flex", "bison": "bison", "bc": "bc"}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Built:
    """A kernel that was built: where it is and how it came about.

    Args:
        binary: the User Mode Linux executable.
        config: its final configuration.
        version: the tree's version, as its Makefile has it (``6.12.107``).
        compiler: first line of the compiler's own version.
        seconds: real time the build took.
        refused: optional options that this tree did not take.
    """

    binary: Path
    config: Path
    version: str
    compiler: str
    seconds: float
    refused: tuple[str, ...]


def build(
    tree: Path,
    cache: Path,
    *,
    identity: str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    options: tuple[Option, ...] = VIRTUAL_UML,
) -> Built:
    """Build ``make ARCH=um`` with our options and store the binary, its configuration and a record in the cache.

    With an ``identity`` that was built before with the same options and compiler, that result is returned and make
    is not started. Without one make decides what is stale, in an object folder that stays in the cache, so that a
    developer's second build takes seconds.

    Args:
        tree: an unpacked kernel source tree, 5.10 or newer, not configured in place.
        cache: a folder for results and objects, made where it does not exist.
        identity: what the tree's content is known by, such as the SHA256 of the package it was unpacked from.
        jobs: compilers at once; one for each processor when not given.
        progress: called with each line that make prints.
        options: what to ask for.

    Raises:
        FinwaitError: a tool is missing, the tree is none or is not clean, it lacks a required option, or make failed.
    """
    tree, cache = tree.resolve(), cache.resolve()
    version = tree_version(tree)
    _check_machine(tree, cache)
    compiler = _first_line(["gcc", "--version"])
    asked = fragment(options, version[:2])
    key = _digest(identity or str(tree), asked, HZ_PROMPT, compiler)
    objects = cache / "objects" / key
    record = cache / "builds" / f"{key}.json"
    with _locked(cache / "objects" / f"{key}.lock"):
        if identity and (known := _recall(record, cache)):
            return known
        started = time.monotonic()
        objects.mkdir(parents=True, exist_ok=True)
        refused = _configure(tree, objects, asked, options, version, progress)
        _make(tree, objects, [f"-j{jobs or os.cpu_count() or 1}", "linux"], progress)
        took = round(time.monotonic() - started, 1)
        built = _keep(objects, cache, ".".join(map(str, version)), compiler, took, refused)
        _remember(record, built)
        if identity:
            shutil.rmtree(objects)
    return built


def tree_version(tree: Path) -> tuple[int, int, int]:
    """VERSION, PATCHLEVEL and SUBLEVEL from the tree's Makefile.

    Raises:
        FinwaitError: there is no kernel source tree.
    """
    try:
        head = (tree / "Makefile").read_text(errors="replace")[:4096]
        numbers = [re.search(rf"^{name} *= *(\d+)", head, re.M) for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
        major, minor, patch = (int(found[1]) for found in numbers if found)
    except (OSError, ValueError):
        raise FinwaitError(
            f"{tree} is no kernel source tree",
            why="its Makefile is missing or states no VERSION",
            hint="give the folder that an unpacked linux-source package or a clone has at its top",
        ) from None
    return major, minor, patch


def _check_machine(tree: Path, cache: Path) -> None:
    absent = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if absent:
        raise FinwaitError(
            f"a kernel cannot be built here: no {', '.join(t for t in TOOLS if shutil.which(t) is None)}",
            hint=f"apt-get install {' '.join(absent)}",
        )
    if not any(Path(root, "stdio.h").exists() for root in ("/usr/include", "/usr/local/include")):
        raise FinwaitError(
            "a kernel cannot be built here: the C library's headers are missing", hint="apt-get install libc6-dev"
        )
    if platform.machine() != "x86_64":
        raise FinwaitError(f"User Mode Linux is built for x86_64 and this machine is {platform.machine()}")
    for path in (tree, cache):
        if re.search(r"[\s:]", str(path)):
            raise FinwaitError(
                f"the kernel's makefiles refuse a path with a space or a colon: {path}",
                hint="use another folder, or a cache elsewhere",
            )
    if (tree / ".config").exists() or (tree / "include" / "config").exists():
        raise FinwaitError(
            f"{tree} was configured in place, and the kernel's makefiles then refuse to build elsewhere",
            hint=f"make -C {tree} ARCH=um mrproper (keeps the sources, drops its .config and objects)",
        )


def _configure(
    tree: Path,
    objects: Path,
    asked: str,
    options: tuple[Option, ...],
    version: tuple[int, int, int],
    progress: Progress | None,
) -> tuple[str, ...]:
    (objects / "finwait.config").write_text(asked)
    (objects / "Kconfig.finwait").write_text((tree / "Kconfig").read_text() + HZ_PROMPT)
    _make(tree, objects, [f"KCONFIG_ALLCONFIG={objects / 'finwait.config'}", "allnoconfig"], progress)
    lacking = missing(options, version[:2], parse_config((objects / ".config").read_text()))
    if required := [o for o in lacking if o.required]:
        names = ", ".join(f"{o.line()} ({o.why})" if o.why else o.line() for o in required)
        raise FinwaitError(
            f"Linux {'.'.join(map(str, version))} in {tree} does not take {names}",
            why="the tree lacks the option or something it depends on is off",
        )
    return tuple(o.name for o in lacking)


def _make(tree: Path, objects: Path, arguments: list[str], progress: Progress | None) -> None:
    """Run make and stream its output; the environment is ours alone, so that no outer make or user setting leaks in."""
    command = ["make", "-C", str(tree), f"O={objects}", "ARCH=um", f"KBUILD_KCONFIG={objects / 'Kconfig.finwait'}"]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(objects),
        "LC_ALL": "C",
        "KBUILD_BUILD_USER": "finwait",
        "KBUILD_BUILD_HOST": "finwait",
        "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
    }
    # make passes SIGTERM on to the compilers; a parent that was killed must not leave them working.
    dies_with_us = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
    tail: deque[str] = deque(maxlen=60)
    with (
        (objects / "build.log").open("a") as log,
        subprocess.Popen(
            [*dies_with_us, *command, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101  (PIPE was asked for)
        try:
            for line in process.stdout:
                log.write(line)
                tail.append(line.rstrip())
                if progress:
                    progress(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise _failure(tail, objects / "build.log", arguments[-1])


def _failure(tail: deque[str], log: Path, target: str) -> FinwaitError:
    telling = [line for line in tail if re.search(r"error:|undefined reference|\*\*\* |No such file", line)]
    return FinwaitError(
        f"make {target} failed: {(telling or list(tail) or ['it said nothing'])[0].strip()}", hint=f"read {log}"
    )


def _keep(
    objects: Path, cache: Path, version: str, compiler: str, seconds: float, refused: tuple[str, ...]
) -> Built:
    content = hashlib.sha256((objects / "linux").read_bytes())
    content.update((objects / ".config").read_bytes())
    kept = cache / "kernels" / content.hexdigest()[:20]
    built = Built(kept / "linux", kept / "config", version, compiler, seconds, refused)
    if not kept.exists():
        fresh = cache / "kernels" / f".{kept.name}.{os.getpid()}"
        fresh.mkdir(parents=True)
        shutil.copy(objects / "linux", fresh / "linux")
        shutil.copy(objects / ".config", fresh / "config")
        with contextlib.suppress(FileExistsError, OSError):
            fresh.rename(kept)
        shutil.rmtree(fresh, ignore_errors=True)
    return built


def _remember(record: Path, built: Built) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    values = asdict(built) | {"binary": built.binary.parent.name, "config": built.config.name}
    fresh = record.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(values, indent=1))
    fresh.rename(record)


def _recall(record: Path, cache: Path) -> Built | None:
    if not record.exists():
        return None
    values = json.loads(record.read_text())
    kept = cache / "kernels" / values["binary"]
    if not (kept / "linux").exists():
        return None
    values |= {"binary": kept / "linux", "config": kept / "config", "refused": tuple(values["refused"])}
    return Built(**values)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel drops with the process, so that a killed build blocks nobody."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _first_line(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
