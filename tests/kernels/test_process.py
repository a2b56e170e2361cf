"""Running a process: its lines, its end, and that nothing of it is left."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from harness.errors import FinwaitError
from harness.process import KEPT_LINES, Ended, Leashed, Stop, run_to_end
from tests.kernels.conftest import WITH_CTRL_C, LimitAt

ENV = {"PATH": os.defpath}


def run(script: str, limit: float = 30.0) -> Ended:
    return run_to_end(("/bin/sh", "-c", script), limit=limit, cwd=Path("/"), env=ENV)


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 0", 0),
        ("exit 3", 3),
        ("kill -TERM $$", 128 + signal.SIGTERM),
        ("kill -KILL $$", 128 + signal.SIGKILL),
    ],
)
def test_status(script: str, status: int) -> None:
    assert run(script).status == status


def test_lines_of_both_outputs_and_without_an_end() -> None:
    ended = run("echo one; echo two >&2; printf 'th\\303\\251\\377'")
    assert ended.lines == ("one", "two", "thé\ufffd")


def test_only_the_last_lines_are_kept() -> None:
    ended = run(f"seq {KEPT_LINES + 5}")
    assert (len(ended.lines), ended.lines[0], ended.lines[-1]) == (KEPT_LINES, "6", str(KEPT_LINES + 5))


def test_no_input_and_no_core_file() -> None:
    assert run("cat; ulimit -c").lines == ("0",)


def test_command_that_cannot_be_started() -> None:
    ended = run_to_end(("/nowhere/at all",), limit=10, cwd=Path("/"), env=ENV)
    assert ended.status == 127
    assert ended.lines == ("cannot start /nowhere/at all: No such file or directory",)


def _ends(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process that is no child of this one is gone within a time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


# Says the process id of a child in a session of its own whose parent has ended, as daemons are.
_DAEMON = "echo $(setsid sh -c 'echo $$; exec sleep 1000 >/dev/null 2>&1' &); "


def test_the_limit_is_in_real_time() -> None:
    ended = run("exec sleep 1000", limit=0.2)
    assert ended.status is None
    assert ended.seconds >= 0.2


def test_the_limit_ends_everything(limit_at: LimitAt) -> None:
    script = _DAEMON + "echo waiting; sleep 1000"
    ended = run_to_end(("/bin/sh", "-c", script), limit=30, cwd=Path("/"), env=ENV, console=limit_at("waiting"))
    assert ended.status is None
    assert ended.lines[-1] == "waiting"
    assert _ends(int(ended.lines[0]), 0.0)


def test_what_a_command_leaves_ends_with_it() -> None:
    ended = run(_DAEMON + "exit 4")
    assert ended.status == 4
    assert _ends(int(ended.lines[0]), 0.0)


def test_console_that_raises_ends_everything() -> None:
    seen = []

    def console(line: str) -> None:
        seen.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_to_end(("/bin/sh", "-c", "echo $$; sleep 1000"), limit=30, cwd=Path("/"), env=ENV, console=console)
    assert _ends(seen[0], 0.0)


def test_another_thread_ends_everything_and_nothing_more_is_begun() -> None:
    seen: list[int] = []
    with Stop() as stop:

        def console(line: str) -> None:
            seen.append(int(line))
            Thread(target=stop.now).start()

        for script in ("echo $$; sleep 1000", "sleep 1000"):
            with pytest.raises(FinwaitError, match="interrupted"):
                run_to_end(("/bin/sh", "-c", script), limit=30, cwd=Path("/"), env=ENV, console=console, stop=stop)
    assert _ends(seen[0], 0.0)


_HARNESS = """
import os
from pathlib import Path
from harness.process import run_to_end
run_to_end(("/bin/sh", "-c", {script!r}), limit=60, cwd=Path("/"), env={{"PATH": os.defpath}},
           console=lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_harness_that_is_killed_leaves_nothing_running(number: int) -> None:
    script = "setsid sh -c 'echo $$; exec sleep 1000' & echo $$; sleep 1000"
    argv = [*WITH_CTRL_C, sys.executable, "-c", _HARNESS.format(script=script)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as harness:
        assert harness.stdout is not None
        pids = [int(harness.stdout.readline()) for _ in range(2)]
        assert not any(_ends(pid, 0.0) for pid in pids)
        harness.send_signal(number)
    assert all(_ends(pid) for pid in pids)


def test_leash_that_is_killed_takes_the_command_along() -> None:
    seen: list[int] = []

    def console(line: str) -> None:
        command, leash = (int(word) for word in line.split())
        seen.append(command)
        os.kill(leash, signal.SIGKILL)

    ended = run_to_end(
        ("/bin/sh", "-c", "echo $$ $PPID; exec sleep 1000"), limit=30, cwd=Path("/"), env=ENV, console=console
    )
    assert ended.status == 128 + signal.SIGKILL
    assert _ends(seen[0])


def test_held_process_stands_still_until_it_goes_on() -> None:
    script = "trap 'echo went on' CONT; echo $$; while :; do :; done"
    with Leashed(("/bin/sh", "-c", script), cwd=Path("/"), env=ENV) as process:
        lines = process.lines(time.monotonic() + 30)
        pid = int(str(next(lines)))
        process.hold()
        while Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "T":  # nothing tells that it stopped
            os.sched_yield()
        process.go_on()
        assert next(lines) == "went on"
        process.hold()
    assert _ends(pid, 0.0)


def test_lines_that_nobody_asked_for_yet_are_kept() -> None:
    with Leashed(("/bin/sh", "-c", "printf 'a\\nb\\nc'"), cwd=Path("/"), env=ENV) as process:
        assert next(process.lines(time.monotonic() + 30)) == "a"
        assert list(process.lines(time.monotonic() + 30)) == ["b", "c"]
        process.go_on()  # it has ended, and its lines said so
        assert process.end() == 0
