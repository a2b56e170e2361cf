"""Runs a script's commands and code in mounts of its own. Run as a script, in the lab's network namespace.

``python -I -S own_room.py FOLDER``: commands begin in FOLDER. It says ``[ID, ""]`` with its process id, or ``[0, WHY]``
where it can have no mounts of its own; then what is asked comes as lines of JSON on standard input, ``["sh", TEXT]`` or
``["python", TEXT]``; each is answered by one, ``[STATUS, TEXT]``. All have this process as their parent, so that what
names files by its id finds them again.
"""

# Without pathlib and subprocess, which take longer to import than most commands take to run.
# ruff: noqa: PTH103, PTH118

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys

CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE, MS_RDONLY, MS_REMOUNT = 0x1000, 0x4000, 1 << 18, 1, 32
_ROOM = "/tmp"  # noqa: S108  (where scripts expect it)
_libc = ctypes.CDLL(None, use_errno=True)


def _done(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, flags: int, kind: str = "none") -> None:
    done = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None)
    _done(done, f"mount on {target}")


def enter(folder: str) -> None:
    """Give this process mounts of its own: /tmp is empty and its own, and of /proc/sys only net can be written.

    What lies below /tmp and holds the script's folder stays where it is.
    """
    _done(_libc.unshare(CLONE_NEWNS), "unshare")
    _mount("none", "/", MS_REC | MS_PRIVATE)
    _protect()
    whole = os.path.realpath(folder)
    below = os.path.relpath(whole, _ROOM).partition("/")[0]
    kept = os.path.join(_ROOM, below)
    held = os.open(kept, os.O_PATH) if below not in ("..", ".") else -1
    _mount("tmpfs", _ROOM, 0, "tmpfs")
    if held >= 0:
        os.makedirs(kept)
        _mount(f"/proc/self/fd/{held}", kept, MS_BIND | MS_REC)
        os.close(held)
    os.chdir(whole)


def _protect() -> None:
    """Of the machine's sysctls leave those of the network namespace; a user namespace has no others to set."""
    try:
        for place, flags in (("/proc/sys", MS_RDONLY), ("/proc/sys/net", 0)):
            _mount(place, place, MS_BIND | MS_REC)
            _mount("none", place, MS_BIND | MS_REMOUNT | flags)
    except OSError:
        if os.getuid() == 0 and os.access("/proc/sys/kernel/panic", os.W_OK):
            raise


def run(kind: str, text: str, output: int) -> int:
    """Run one, what it says into a file; its exit status, 128 and the number of the signal that ended it."""
    child = os.fork()
    if child == 0:
        status = 127
        try:
            for descriptor in (1, 2):
                os.dup2(output, descriptor)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            if kind == "sh":
                with contextlib.suppress(FileNotFoundError):
                    os.execv("/bin/sh", ["sh", "-c", text])
                os.write(2, b"/bin/sh: not found")
                os._exit(status)
            exec(compile(text, "the script's code", "exec"), {"__name__": "__main__"})  # noqa: S102
            status = 0
        except SystemExit as ending:
            status = ending.code if isinstance(ending.code, int) else bool(ending.code)
        except BaseException:  # whatever the code raises is its failure: nothing may go on as a second parent
            sys.excepthook(*sys.exc_info())
            status = 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def _say(number: int, text: str) -> None:
    sys.stdout.write(json.dumps([number, text]) + "\n")
    sys.stdout.flush()


def main(folder: str) -> None:
    """Answer until standard input ends."""
    os.environ["PACKETDRILL_PID"] = str(os.getpid())
    try:
        enter(folder)
    except OSError as error:
        _say(0, str(error))
        return
    _say(os.getpid(), "")
    with contextlib.suppress(PermissionError):  # in time, as the script that waits for it
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
    for line in sys.stdin:
        kind, text = json.loads(line)
        output = os.memfd_create("said")
        status = run(kind, text, output)
        said = os.pread(output, 1 << 16, 0).decode(errors="replace")
        os.close(output)
        _say(status, said)


if __name__ == "__main__":
    main(*sys.argv[1:])
