"""Real boots in an emulated machine: they need QEMU and a fetched kernel, and say which is not there."""

from __future__ import annotations

import os
import select
import shutil
import signal
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.kernels.boot import qemu
from harness.kernels.boot.backend import Backend, Job
from harness.kernels.boot.qemu import Qemu
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, KernelSpec, known
from tests.kernels.conftest import WITH_CTRL_C, LimitAt

TESTED = ("debian:5.10", "debian:6.1", "debian:6.12", "debian:7.2")
BACKENDS = [Qemu(spec, Cache.of_user()) for spec in known() if spec.name in TESTED]


def backend_or_reason(backend: Qemu) -> object:
    lacking = backend.available()
    marks = [pytest.mark.skipif(lacking is not None, reason=str(lacking))]
    return pytest.param(backend, marks=marks, id=backend.name)


every_version = pytest.mark.parametrize("kernel", [backend_or_reason(backend) for backend in BACKENDS])
# One is enough for what does not hang on the version; the oldest of those that are here boots fastest.
OLDEST = next((backend for backend in BACKENDS if backend.available() is None), BACKENDS[0])
one_version = pytest.mark.parametrize("kernel", [backend_or_reason(OLDEST)])


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "out put"
    folder.mkdir()
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "check out"
    folder.mkdir()
    return folder


def python(code: str, checkout: Path, output: Path, *, real: float = 120.0) -> Job:
    (checkout / "job.py").write_text(code)
    return Job((sys.executable, "job.py"), checkout, output, {"OUT": str(output)}, real_limit=real)


@every_version
def test_status_files_and_a_link_between_namespaces(kernel: Qemu, checkout: Path, output: Path) -> None:
    backend: Backend = kernel
    code = """
import ctypes, os, sys, time
from pyroute2 import IPRoute
start = time.monotonic()
time.sleep(3600)
libc = ctypes.CDLL(None)
libc.unshare(0x40000000)
other = os.open("/proc/self/ns/net", os.O_RDONLY)
libc.unshare(0x40000000)
with IPRoute() as route:
    route.link("add", ifname="a", kind="veth", peer={"ifname": "b", "net_ns_fd": other})
    route.link("set", index=route.link_lookup(ifname="a")[0], state="up")
    route.tc("add", "netem", index=route.link_lookup(ifname="a")[0], delay=1000)
out = os.environ["OUT"]
os.makedirs(out + "/a b/c")
with open(out + "/a b/c/é", "w") as file:
    print(os.uname().release, int(time.monotonic() - start), file=file)
with open(out + "/part", "w") as file:
    file.write("whole")
os.rename(out + "/part", out + "/renamed")
os.makedirs(out + "/empty")
print("said", flush=True)
sys.exit(7)
"""
    lines: list[str] = []
    ended = backend.run(python(code, checkout, output), lines.append)
    assert (ended.status, ended.lost) == (7, None), ended.console
    assert "said" in ended.console
    assert tuple(lines) == ended.console
    release, slept = (output / "a b/c/é").read_text().split()
    assert release.startswith(kernel.name.partition(":")[2] + ".")
    assert 3600 <= int(slept) < 3603
    found = sorted(str(path.relative_to(output)) for path in output.rglob("*"))
    assert found == ["a b", "a b/c", "a b/c/é", "empty", "renamed"]
    assert (output / "renamed").read_text() == "whole"


@every_version
def test_panic_is_lost_and_what_was_closed_before_it_is_here(kernel: Qemu, checkout: Path, output: Path) -> None:
    code = """
import os
out = os.environ["OUT"]
os.makedirs(out + "/deep/er")
for number in range(10):
    with open(f"{out}/deep/er/{number}", "wb") as file:
        file.write(bytes(100_000 * number))
unclosed = open(out + "/unclosed", "w")
unclosed.write("x")
unclosed.flush()
with open(out + "/last", "wb") as file:
    file.write(bytes(2_000_000))
with open("/proc/sysrq-trigger", "w") as trigger:
    trigger.write("c")
"""
    ended = kernel.run(python(code, checkout, output))
    assert (ended.status, ended.lost) == (None, "kernel panic: sysrq triggered crash")
    assert any("Call Trace" in line for line in ended.console)
    assert (output / "last").read_bytes() == bytes(2_000_000)
    sizes = {path.name: path.stat().st_size for path in (output / "deep/er").iterdir()}
    assert sizes == {str(number): 100_000 * number for number in range(10)}
    assert not (output / "unclosed").exists()


@one_version
def test_limits_in_both_clocks(kernel: Qemu, checkout: Path, output: Path, limit_at: LimitAt) -> None:
    waits = python("import select; select.select([], [], [])", checkout, output)
    ended = kernel.run(replace(waits, virtual_limit=7200))
    assert ended.status is None
    assert str(ended.lost).startswith("hung: not done after 7200 s of its own time")
    spins = python("print('spinning', flush=True)\nwhile True: pass", checkout, output)
    ended = kernel.run(spins, limit_at("spinning"))
    assert (ended.status, ended.lost) == (None, "hung: not done after 120 s of real time; last line: spinning")


@one_version
def test_limit_before_the_boot_is_over(kernel: Qemu, checkout: Path, output: Path) -> None:
    ended = kernel.run(python("", checkout, output, real=0.5))
    assert str(ended.lost).startswith("never booted: not done after 0.5 s of real time")


@one_version
def test_machine_that_is_killed_in_the_middle_is_lost_and_its_files_are_here(
    kernel: Qemu, checkout: Path, output: Path
) -> None:
    code = """
import os
open(os.environ["OUT"] + "/closed", "w").close()
print("now", flush=True)
while True:
    pass
"""

    def kill(line: str) -> None:
        if line == "now":
            os.kill(machines_of(output)[0], signal.SIGKILL)

    ended = kernel.run(python(code, checkout, output), kill)
    assert ended.status is None
    assert ended.lost == "the kernel's process was killed by signal 9; last line: now"
    assert [path.name for path in output.iterdir()] == ["closed"]


def machines_of(cwd: Path) -> list[int]:
    """The QEMU processes whose working folder this is."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cwd").readlink() == cwd and b"-kernel\0" in _words(entry):
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def _words(process: Path) -> bytes:
    words = (process / "cmdline").read_bytes()
    return b"" if b"leash.py" in words else words


HARNESS = """
import sys
from pathlib import Path
from harness.kernels.boot.backend import Job
from harness.kernels.supply.cache import Cache
from harness.kernels.boot.qemu import Qemu
from harness.kernels.supply.spec import parse
kernel, checkout, output = sys.argv[1:]
job = Job((sys.executable, "job.py"), Path(checkout), Path(output))
Qemu(parse(kernel), Cache.of_user()).run(job, lambda line: print(line, flush=True))
"""


@one_version
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_harness_leaves_no_machine_and_no_file(kernel: Qemu, checkout: Path, output: Path, number: int) -> None:
    python("print('now', flush=True)\nwhile True: pass", checkout, output)
    argv = [*WITH_CTRL_C, sys.executable, "-c", HARNESS, kernel.name, str(checkout), str(output)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as harness:
        assert harness.stdout is not None
        while harness.stdout.readline() != b"now\n":
            assert harness.poll() is None
        machines = [os.pidfd_open(pid) for pid in machines_of(output)]
        assert machines
        harness.send_signal(number)
    for descriptor in machines:
        assert select.select([descriptor], [], [], 10)[0]
        os.close(descriptor)
    assert list(output.iterdir()) == []


def test_missing_qemu_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    backend = Qemu(KernelSpec("own", KernelKind.DEBIAN, path=tmp_path / "bzImage"), Cache(tmp_path))
    assert "qemu-system-x86" in str(backend.available())
    job = Job((sys.executable,), tmp_path, tmp_path)
    with pytest.raises(FinwaitError, match="install qemu-system-x86"):
        backend.run(job)


@pytest.fixture
def with_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / qemu.QEMU).write_text("#!/bin/sh\n")
    (folder / qemu.QEMU).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def bzimage(path: Path, *, long_mode: bool) -> Path:
    head = bytearray(4096)
    head[0x202:0x206] = b"HdrS"
    head[0x206:0x208] = struct.pack("<H", 0x20F)
    head[0x20E:0x210] = struct.pack("<H", 0x400)
    head[0x236] = long_mode
    head[0x600:0x60F] = b"6.1.0-test (me)"
    path.write_bytes(head)
    return path


@pytest.mark.usefixtures("with_qemu")
def test_image_for_another_architecture_is_one_line(tmp_path: Path) -> None:
    image = bzimage(tmp_path / "bzImage", long_mode=False)
    lacking = Qemu(KernelSpec("own", KernelKind.DEBIAN, path=image), Cache(tmp_path)).available()
    assert "is for i686, and this machine is x86_64" in str(lacking)
    assert "\n" not in str(lacking)


@pytest.mark.usefixtures("with_qemu")
def test_own_image_without_and_with_modules(tmp_path: Path) -> None:
    image = bzimage(tmp_path / "bzImage", long_mode=True)
    own = KernelSpec("own", KernelKind.DEBIAN, path=image)
    assert Qemu(own, Cache(tmp_path)).available() is None
    lacking = Qemu(replace(own, modules=tmp_path / "gone"), Cache(tmp_path)).available()
    assert "with the modules of 6.1.0-test" in str(lacking)


@pytest.mark.usefixtures("with_qemu")
def test_tree_that_does_not_fit_is_refused_before_the_boot(checkout: Path, output: Path) -> None:
    (checkout / "large").write_bytes(bytes(200 << 20))
    image = bzimage(checkout.parent / "bzImage", long_mode=True)
    backend = Qemu(KernelSpec("own", KernelKind.DEBIAN, path=image), Cache(checkout.parent / "cache"), memory=256)
    with pytest.raises(FinwaitError, match="do not fit into its memory of 256 MB"):
        backend.run(python("", checkout, output))


@one_version
def test_own_image_with_its_modules_boots(kernel: Qemu, checkout: Path, output: Path) -> None:
    files = kernel._files()
    image = Path(shutil.copy(files.vmlinuz, checkout / "bzImage"))
    own = Qemu(KernelSpec("./bzImage", KernelKind.DEBIAN, path=image, modules=files.modules), kernel.cache)
    assert own.run(python("raise SystemExit(4)", checkout, output)).status == 4
