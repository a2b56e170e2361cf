"""Run a command so that nothing of it outlives the harness, even when that is killed with SIGKILL.

Run as a script, between the harness and the command: ``python -I -S leash.py FD COMMAND...``. FD is the
reading end of a pipe that only the harness writes to: HOLD stops the command where it is, GO_ON lets it go on. The
kernel closes the pipe when the harness ends, however it ends.
"""

# Without pathlib, which alone takes a quarter of this script's start-up time (6 ms of 24).
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import sys

# include/uapi/linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

CANNOT_START = 127
HOLD, GO_ON = b"h", b"g"


def command(argv: tuple[str, ...], lifeline: int) -> tuple[str, ...]:
    """The argv that runs ``argv`` until the other end of ``lifeline``, a file descriptor, is closed."""
    return (sys.executable, "-I", "-S", __file__, str(lifeline), *argv)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _become(argv: list[str], leash: int) -> None:
    os.setsid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != leash:  # it died before the prctl took hold
        os._exit(CANNOT_START)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"cannot start {argv[0]}: {error.strerror}\n".encode())
        os._exit(CANNOT_START)


def _children() -> list[int]:
    """The processes whose parent this process is (proc(5): the parent is the second field after the name)."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:
                    parent = int(stat.read().rpartition(b")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == os.getpid():
                found.append(int(entry))
    return found


def _end_all() -> None:
    """Kill and reap until no child is left; a subreaper inherits the children of what it kills."""
    while True:
        for child in _children():
            os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _wait(lifeline: int, child: int, ended: int) -> None:
    """Until the command has ended or the harness is gone; meanwhile do what the harness says."""
    waiting = select.poll()
    waiting.register(lifeline, select.POLLIN)
    waiting.register(ended, select.POLLIN)
    while ended not in [descriptor for descriptor, _ in waiting.poll()]:
        said = os.read(lifeline, 1)
        if not said:
            return
        # the command alone: what it traces, as a User Mode Linux its processes, would tell it of a stop of its own
        os.kill(child, signal.SIGSTOP if said == HOLD else signal.SIGCONT)


def main(lifeline: int, argv: list[str]) -> int:
    """Run argv; return its exit status, or 128 + N when signal N ended it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a kernel that panics as a process would dump its core
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    leash = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(lifeline)
        _become(argv, leash)
    ended = os.pidfd_open(child)
    _wait(lifeline, child, ended)
    status = 128 + signal.SIGKILL
    pid, raw = os.waitpid(child, os.WNOHANG)
    if pid == child:
        code = os.waitstatus_to_exitcode(raw)
        status = code if code >= 0 else 128 - code
    _end_all()
    return status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
