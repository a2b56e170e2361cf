"""Real boots of the prebuilt User Mode Linux 5.10, when it is in the user's cache."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import FinwaitError, Unsupported
from harness.kernels.boot.backend import Backend, Job
from harness.kernels.boot.uml import Uml, memory_folder
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, KernelSpec, parse
from netns import privilege
from tests.kernels.conftest import WITH_CTRL_C, LimitAt

CACHE = Cache.of_user()
UML = Uml(parse("uml:5.10"), CACHE)
LACKING = UML.available()
pytestmark = pytest.mark.skipif(LACKING is not None, reason=str(LACKING))


@pytest.fixture(params=["uml:5.10", "uml:6.1", "uml:6.12", "uml:7.2"])
def uml(request: pytest.FixtureRequest) -> Uml:
    """Each prebuilt kernel; those that were not fetched are skipped."""
    kernel = Uml(parse(request.param), CACHE)
    lacking = kernel.available()
    if lacking is not None:
        pytest.skip(lacking)
    return kernel


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "out put"
    folder.mkdir()
    return folder


def shell(script: str, output: Path, limit: float = 60.0) -> Job:
    return Job(("/bin/sh", "-c", script), output, output, real_limit=limit)


def left(output: Path) -> list[str]:
    return sorted(path.name for path in output.iterdir())


def test_it_is_a_backend() -> None:
    backend: Backend = UML
    assert backend.name == "uml:5.10"


def test_status_lines_files_and_nothing_else(uml: Uml, output: Path) -> None:
    seen: list[str] = []
    run = uml.run(shell("uname -r; pwd; id -u; echo made > file; exit 3", output), seen.append)
    assert (run.status, run.lost) == (3, None)
    start = run.console.index(str(output)) - 1
    assert run.console[start].startswith(uml.spec.series + ".")
    assert run.console[start + 2] == "0"
    assert tuple(seen) == run.console
    assert left(output) == ["file"]
    assert (output / "file").read_text() == "made\n"


def test_signal_that_ends_the_command(output: Path) -> None:
    assert UML.run(shell("kill -KILL $$", output)).status == 128 + signal.SIGKILL


def test_the_hosts_tree_is_safe_and_memory_is_writable(output: Path, tmp_path: Path) -> None:
    script = f"""
        touch /etc/finwait '{tmp_path}/x' 2>/dev/null && echo wrote to the host
        touch "$HOME/a" /tmp/a /run/a /dev/shm/a && echo wrote to memory
    """
    run = UML.run(shell(script, output))
    assert "wrote to memory" in run.console
    assert "wrote to the host" not in run.console
    assert not Path("/tmp/a").exists()  # noqa: S108


def test_a_network_is_there(output: Path) -> None:
    code = """
import socket
for family, address in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
    with socket.create_server((address, 0), family=family) as server:
        socket.create_connection(server.getsockname()[:2]).close()
with open("/proc/net/dev") as devices:
    print(*sorted(line.split(":")[0].strip() for line in devices if ":" in line))
"""
    run = UML.run(Job((sys.executable, "-c", code), output, output))
    assert (run.status, run.lost) == (0, None)
    assert "lo" in run.console


def test_two_namespaces_and_a_veth_pair_with_addresses(uml: Uml, output: Path) -> None:
    code = """
import sys
from pyroute2 import NetNS
with NetNS("one") as one, NetNS("two") as two:
    one.link("add", ifname="left", kind="veth", peer={"ifname": "right", "net_ns_fd": "two"})
    for side, name, host in (one, "left", 1), (two, "right", 2):
        index = side.link_lookup(ifname=name)[0]
        side.link("set", index=index, state="up")
        side.addr("add", index=index, address=f"192.0.2.{host}", prefixlen=24)
        side.addr("add", index=index, address=f"2001:db8::{host}", prefixlen=64)
    one.poll(one.link, "dump", ifname="left", operstate="UP", timeout=5)
    print("both are up")
"""
    found = {"PYTHONPATH": os.pathsep.join(sys.path)}  # pyroute2 may be there by this alone
    run = uml.run(Job((sys.executable, "-c", code), output, output, found))
    assert (run.status, run.lost) == (0, None), run.console
    assert "both are up" in run.console


def test_randomness_is_there_at_once(output: Path) -> None:
    # Without the host's seed this blocks until the guest has gathered its own, which took 8 s.
    code = "import os, time; start = time.monotonic(); os.getrandom(8); print(time.monotonic() - start < 1)"
    assert "True" in UML.run(Job((sys.executable, "-c", code), output, output)).console


def test_panic_is_lost_with_its_trace_and_keeps_the_files(uml: Uml, output: Path) -> None:
    run = uml.run(shell("echo before > file; echo c > /proc/sysrq-trigger; exit 0", output))
    assert run.status is None
    assert run.lost == "kernel panic: sysrq triggered crash"
    assert any("Call Trace" in line for line in run.console)
    assert (output / "file").read_text() == "before\n"
    assert left(output) == ["file"]


def test_module_that_is_none_is_named(output: Path) -> None:
    spec = KernelSpec("own", KernelKind.UML, path=UML._files().binary, modules=_broken_modules(output))
    run = Uml(spec, CACHE).run(shell("exit 0", output))
    assert run.status is None
    assert run.lost is not None
    assert run.lost.startswith("the guest could not be set up: ")
    assert "veth.ko" in run.lost


def _broken_modules(folder: Path) -> Path:
    modules = folder / "modules"
    modules.mkdir()
    (modules / "veth.ko").write_bytes(b"not a module")
    return modules


def test_kernel_without_its_modules_names_what_is_missing(output: Path) -> None:
    spec = KernelSpec("./linux", KernelKind.UML, path=UML._files().binary)
    with pytest.raises(Unsupported, match=r"\./linux has no IPv6 and no veth"):
        Uml(spec, CACHE).run(shell("exit 0", output))
    assert left(output) == []


def test_hang_is_lost_at_the_real_limit(output: Path, limit_at: LimitAt) -> None:
    hangs = shell("echo before > file; echo waiting; exec sleep 1000", output)
    run = UML.run(hangs, limit_at("waiting"))
    assert run.status is None
    assert run.lost == "hung: not done after 60 s of real time; last line: waiting"
    assert left(output) == ["file"]


def test_limit_before_the_boot_is_over(output: Path) -> None:
    run = UML.run(shell("exit 0", output, limit=0.1))
    assert run.lost is not None
    assert run.lost.startswith("never booted: not done after 0.1 s")


def _when_it_says(word: str, act: Callable[[], None]) -> Callable[[str], None]:
    def console(line: str) -> None:
        if line == word:
            act()

    return console


def _kernels_of(output: Path) -> list[int]:
    """The processes whose command line names this run's folder, but for the leash in front of them."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError, PermissionError):
            continue
        if entry.name.isdecimal() and os.fsencode(output) in words and b"leash.py" not in words:
            found.append(int(entry.name))
    return found


def _held(pids: Iterable[int]) -> Iterator[int]:
    """A descriptor of each process; what the guest ran until just now may be gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            yield os.pidfd_open(pid)


def _started(pid: int) -> tuple[int, int]:
    """When a process began, in ticks since boot: process ids begin anew at their greatest (proc_pid_stat(5))."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]), pid
    except (FileNotFoundError, ProcessLookupError):  # it is gone: a later one than the kernel itself
        return sys.maxsize, pid


def test_kernel_that_is_killed_in_the_middle_is_lost(output: Path) -> None:
    def kill() -> None:
        os.kill(min(_kernels_of(output), key=_started), signal.SIGKILL)

    run = UML.run(shell("echo before > file; echo now; exec sleep 1000", output), _when_it_says("now", kill))
    assert run.status is None
    assert run.lost == "the kernel's process was killed by signal 9; last line: now"
    assert _kernels_of(output) == []
    assert left(output) == ["file"]


_HARNESS = """
import sys
from pathlib import Path
from harness.kernels.boot.backend import Job
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.kernels.boot.uml import Uml
output = Path(sys.argv[1])
job = Job(("/bin/sh", "-c", "echo now; exec sleep 1000"), output, output)
Uml(parse("uml:5.10"), Cache.of_user()).run(job, lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_harness_leaves_no_kernel_and_no_memory(output: Path, number: int) -> None:
    memory = set(Path("/dev/shm").iterdir())  # noqa: S108
    argv = [*WITH_CTRL_C, sys.executable, "-c", _HARNESS, str(output)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as harness:
        assert harness.stdout is not None
        while harness.stdout.readline() != b"now\n":
            assert harness.poll() is None
        kernels = list(_held(pid for pid in _kernels_of(output) if pid != harness.pid))
        assert kernels
        harness.send_signal(number)
    for descriptor in kernels:
        assert select.select([descriptor], [], [], 10)[0]
        os.close(descriptor)
    assert set(Path("/dev/shm").iterdir()) <= memory  # noqa: S108
    # Only the run's own folder can hold something, and only when nobody was left to clear it.
    assert [name for name in left(output) if not name.startswith(".kernel-")] == []
    if number != signal.SIGKILL:
        assert left(output) == []


@pytest.mark.parametrize(
    "change",
    [{"cwd": Path("/dev")}, {"output": Path("/dev/shm")}, {"cwd": Path("/proc/self")}],  # noqa: S108
)
def test_folder_that_a_guest_cannot_see(output: Path, change: dict[str, Path]) -> None:
    with pytest.raises(FinwaitError, match="a guest cannot see the job's"):
        UML.run(replace(shell("exit 0", output), **change))  # type: ignore[arg-type]


def test_a_job_has_no_input(output: Path) -> None:
    assert UML.run(shell("cat && exit 5", output, limit=20)).status == 5


def test_memory_that_fits_nowhere(output: Path) -> None:
    with pytest.raises(FinwaitError, match="no folder has room for the guest's 1000000000 MB"):
        Uml(UML.spec, CACHE, memory=10**9).run(shell("exit 0", output))
    assert left(output) == []


def test_memory_goes_where_there_is_room_and_leave(tmp_path: Path) -> None:
    assert memory_folder(1, (tmp_path / "nowhere", Path("/proc"), tmp_path)) == tmp_path


@pytest.mark.skipif(not privilege.is_root(), reason="needs root, to mount file systems that will not do")
@pytest.mark.parametrize("options", ["size=64m", "size=512m,noexec"])
def test_memory_does_not_go_where_the_guest_would_die(tmp_path: Path, options: str) -> None:
    place = tmp_path / "shm"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        assert memory_folder(256, (place, tmp_path)) == tmp_path
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_path_that_no_kernel_command_line_can_hold(tmp_path: Path) -> None:
    folder = tmp_path / 'quo"te'
    folder.mkdir()
    with pytest.raises(FinwaitError, match="cannot boot with the path"):
        UML.run(shell("exit 0", folder))
