"""A kernel that is booted once and asked many times: what a job leaves, how its clock stands, and how it is lost."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest

from harness.errors import FinwaitError
from harness.kernels.boot.backend import Backend, Job, Worker
from harness.kernels.boot.guest_worker import LONGEST_UPTIME
from harness.kernels.boot.host import Host
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.process import Stop
from harness.run.jobs import backend_of
from tests.kernels.conftest import WITH_CTRL_C, LimitAt

NAMES = ("uml:5.10", "uml-virtual:7.2", "debian:6.1")


every_kind = pytest.mark.parametrize("backend", NAMES, indirect=True)
# what is the same for all of them; an emulated machine takes ten times as long to boot
quick_ones = pytest.mark.parametrize("backend", NAMES[:2], indirect=True)


@pytest.fixture(scope="module")
def backend(request: pytest.FixtureRequest) -> Backend:
    """One kernel of a kind."""
    kernel = backend_of(parse(request.param), Cache.of_user())
    lacking = kernel.available()
    if lacking is not None:
        pytest.skip(lacking)
    return kernel


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A job that does nothing, in a small folder; its output is beside it."""
    folder = tmp_path_factory.mktemp("worker")
    for name in ("check out", "out put"):
        (folder / name).mkdir()
    return Job((sys.executable, "-c", ""), folder / "check out", folder / "out put")


@pytest.fixture(scope="module")
def worker(backend: Backend, place: Job) -> Iterator[Worker]:
    """A kernel that has done something already: the console of its first job has what it says as it boots."""
    with backend.boot(place) as booted:
        booted.run(place)
        yield booted


@pytest.fixture
def job(place: Job) -> Job:
    """The same with an output of its own."""
    return replace(place, output=Path(tempfile.mkdtemp(dir=place.output)))


def python(job: Job, code: str, **changes: object) -> Job:
    return replace(job, argv=(sys.executable, "-c", code), **changes)  # type: ignore[arg-type]


@every_kind
def test_kernel_is_booted_once_and_a_clock_of_its_own_stands_still_between_two_jobs(
    backend: Backend, worker: Worker, job: Job
) -> None:
    tell = python(job, "import time; print(open('/proc/sys/kernel/random/boot_id').read(), time.monotonic())")
    first, second = worker.run(tell).console, worker.run(tell).console
    signal.sigtimedwait([], 1.0)  # a second of real time, in which the kernel has nothing to do
    third = worker.run(tell).console
    assert first[0] == second[0] == third[0]
    one, two, three = (float(console[-1]) for console in (first, second, third))
    if backend.name != "uml:5.10":  # which has the host's
        assert three - two < two - one + 0.9


@every_kind
def test_files_statuses_and_lines_are_each_jobs_own(worker: Worker, job: Job) -> None:
    code = "import os, sys; os.chdir({!r}); print(open('in put').read()); open('made', 'w').write('x'); sys.exit({})"
    folders = [job.output / name for name in "ab"]
    runs = []
    for number, folder in enumerate(folders, 3):
        folder.mkdir()
        changes = {"output": folder, "files": {"in put": f"of {number}"}}
        runs.append(worker.run(python(job, code.format(str(folder), number), **changes)))
    assert [(run.status, run.console) for run in runs] == [(3, ("of 3",)), (4, ("of 4",))]
    assert [sorted(path.name for path in folder.iterdir()) for folder in folders] == [["in put", "made"]] * 2


@every_kind
def test_files_that_are_long_arrive_whole(worker: Worker, job: Job) -> None:
    long = "x" * 3_000_000
    size = python(job, f"print(len(open({str(job.output / 'long')!r}).read()))", files={"long": long})
    assert worker.run(size).console == ("3000000",)


@every_kind
def test_nothing_of_a_job_outlives_it_unless_it_is_kept(worker: Worker, job: Job) -> None:
    daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1e6)"
    count = "import os; print(sum(b'sleep(1e6)' in open(f'/proc/{p}/cmdline', 'rb').read()"
    count += " for p in os.listdir('/proc') if p.isdecimal() and int(p) != os.getpid()))"
    for keep, left in ((False, "0"), (True, "1")):  # unless the job says so, and then up to the end of the next one
        assert worker.run(python(job, daemon, keep=keep)).status == 0
        assert worker.run(python(job, count)).console == (left,)
    assert worker.run(python(job, count)).console == ("0",)


@every_kind
def test_line_without_an_end_is_not_lost(worker: Worker, job: Job) -> None:
    assert worker.run(python(job, "print('no end', end='')")).console == ("no end",)
    assert worker.run(python(job, "print('next')")).console == ("next",)


@every_kind
def test_job_beyond_its_virtual_limit_is_lost_and_the_kernel_is_not(worker: Worker, job: Job) -> None:
    waits = python(job, "import select; select.select([], [], [], 1e6)", virtual_limit=0.5)
    assert str(worker.run(waits).lost).startswith("hung: not done after 0.5 s of its own time")
    assert worker.run(job).status == 0


@every_kind
def test_job_that_sees_other_folders_is_refused(worker: Worker, job: Job, tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match="sees other folders of the host"):
        worker.run(replace(job, output=tmp_path))


@quick_ones
def test_kernel_that_hangs_is_lost_and_not_asked_again(backend: Backend, job: Job, limit_at: LimitAt) -> None:
    with backend.boot(job) as worker:
        assert worker.run(job).status == 0
        hung = worker.run(python(job, "print('here', flush=True)\nwhile True: pass"), limit_at("here"))
        assert hung.lost == "hung: not done after 120 s of real time; last line: here"
        assert not worker.alive
        with pytest.raises(FinwaitError, match="is no longer running"):
            worker.run(job)


@every_kind
def test_kernel_that_panics_is_lost_with_its_job(backend: Backend, job: Job) -> None:
    with backend.boot(job) as worker:
        assert worker.run(job).status == 0
        lost = worker.run(python(job, "open('/proc/sysrq-trigger', 'w').write('c')")).lost
        assert str(lost).startswith("kernel panic: ")
        assert not worker.alive


def test_clock_that_has_run_far_has_no_room_for_a_long_job(job: Job) -> None:
    kernel = backend_of(parse("uml-virtual:7.2"), Cache.of_user())
    if lacking := kernel.available():
        pytest.skip(lacking)
    with kernel.boot(job) as worker:
        long = replace(job, virtual_limit=LONGEST_UPTIME - 86400)
        assert worker.has_room_for(long)
        worker.run(python(job, "import time; time.sleep(2 * 86400)", virtual_limit=3 * 86400.0))
        assert not worker.has_room_for(long)
        assert worker.has_room_for(replace(job, virtual_limit=86400.0))


@quick_ones
def test_stop_ends_a_kernel_that_waits_for_its_next_job(backend: Backend, job: Job) -> None:
    with Stop() as stop, backend.boot(job) as worker:
        assert worker.run(replace(job, stop=stop)).status == 0
        stop.now()
        with pytest.raises(FinwaitError, match="interrupted"):
            worker.run(replace(job, stop=stop))


_HARNESS = """
import sys
from pathlib import Path
from harness.kernels.boot.backend import Job
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.run.jobs import backend_of
name, cwd, output = sys.argv[1:]
job = Job((sys.executable, "-c", ""), Path(cwd), Path(output))
with backend_of(parse(name), Cache.of_user()).boot(job) as worker:
    worker.run(job)
    print("held", flush=True)
    sys.stdin.read()
"""


@quick_ones
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_harness_that_is_killed_leaves_no_kernel_that_is_held(backend: Backend, job: Job, number: int) -> None:
    argv = [*WITH_CTRL_C, sys.executable, "-c", _HARNESS, backend.name, str(job.cwd), str(job.output)]
    with subprocess.Popen(argv, stdin=PIPE, stdout=PIPE, stderr=DEVNULL) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"held\n"
        kernel = os.pidfd_open(_kernel_below(harness.pid))
        harness.send_signal(number)
        harness.wait()
    assert select.select([kernel], [], [], 10)[0]
    os.close(kernel)


def _kernel_below(harness: int) -> int:
    """The process that the harness's leash holds."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parents[int((entry / "stat").read_text().rpartition(") ")[2].split()[1])] = entry.name
    return int(parents[int(parents[harness])])


def test_the_running_kernel_is_a_worker_too(job: Job) -> None:
    with Host().boot(job) as worker:
        said = [
            worker.run(python(job, f"import os; print(os.listdir({str(job.output)!r}))", files={"a": ""})) for _ in "12"
        ]
    assert [run.console for run in said] == [("['a']",)] * 2
    assert worker.has_room_for(replace(job, virtual_limit=1e9))
