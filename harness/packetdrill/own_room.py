"""Runs scripts' commands and code, each script's in mounts of its own. Run as a script, once for all scripts.

``python -I -S own_room.py FD``: FD is a Unix socket. A message on it is the folder of a script, with two descriptors:
the network namespace where its commands run, and a socket for what is said about them. A child of this process answers
there: ``[ID, ""]`` with its process id, or ``[0, WHY]`` where it can have no mounts of its own; then what is asked
comes as lines of JSON, ``["sh", TEXT]`` or ``["python", TEXT]``; each is answered by one, ``[STATUS, TEXT]``. All have
this child as their parent, so that what names files by its id finds them again. When nothing more can be asked it ends
what they left running, and then itself.
"""

# Without pathlib and subprocess, which take longer to import than most commands take to run.
# ruff: noqa: PTH103, PTH118

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
PR_SET_CHILD_SUBREAPER = 36
MS_BIND, MS_REC, MS_PRIVATE, MS_RDONLY, MS_REMOUNT = 0x1000, 0x4000, 1 << 18, 1, 32
_ROOM = "/tmp"  # noqa: S108  (where scripts expect it)
_libc = ctypes.CDLL(None, use_errno=True)

# The suites' defaults.sh calls sysctl(8) two dozen times, of which each takes as long as all the rest: the shell does
# what it can by itself, for dash and bash alike, and leaves to the program what it would refuse or print.
_SYSCTL = """_finwait_set() {
  local IFS=. value="${1#*=}"
  case ${1%%=*} in "$1" | *[!a-z0-9_.]*) return 1 ;; esac
  set -- ${1%%=*}
  IFS=/
  printf '%s\\n' "$value" >"/proc/sys/$*"
} 2>/dev/null
sysctl() {
  local pair
  [ $# -gt 1 ] && [ "$1" = -q ] || { command sysctl "$@"; return; }
  shift
  for pair in "$@"; do
    _finwait_set "$pair" || { command sysctl -q "$@"; return; }
  done
}
"""


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


def run(kind: str, text: str, output: int, talk: socket.socket) -> int:
    """Run one, what it says into a file; its exit status, 128 and the number of the signal that ended it."""
    try:
        child = _shell(text, output) if kind == "sh" else _python(text, output)
    except FileNotFoundError:
        os.write(output, b"/bin/sh: not found")
        return 127
    ended = os.pidfd_open(child)
    over, _, _ = select.select([ended, talk.fileno()], [], [])
    os.close(ended)
    if talk.fileno() in over:  # it is waited for no longer
        raise BrokenPipeError
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def _shell(text: str, output: int) -> int:
    from_nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    into = [(os.POSIX_SPAWN_DUP2, output, descriptor) for descriptor in (1, 2)]
    usual = [signal.SIGPIPE, signal.SIGXFSZ]  # which Python ignores
    whole = f'. "$BASH_ENV"; {text}'  # on one line: what the shell complains of it tells by its line
    return os.posix_spawn(
        "/bin/sh", ["sh", "-c", whole], os.environ, file_actions=[from_nothing, *into], setsigdef=usual
    )


def _python(text: str, output: int) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        exec(compile(text, "the script's code", "exec"), {"__name__": "__main__"})  # noqa: S102
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else bool(ending.code)
    except BaseException:  # whatever the code raises is its failure: nothing may go on as a second parent
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _say(talk: socket.socket, number: int, text: str) -> None:
    talk.sendall(json.dumps([number, text]).encode() + b"\n")


def serve(folder: str, network: int, talk: socket.socket) -> None:
    """Answer for one script until nothing more can be asked."""
    os.setsid()
    os.environ["PACKETDRILL_PID"] = str(os.getpid())
    functions = os.memfd_create("functions")
    os.write(functions, _SYSCTL.encode())
    os.environ["BASH_ENV"] = f"/proc/{os.getpid()}/fd/{functions}"
    try:
        _done(_libc.setns(network, CLONE_NEWNET), "setns")
        _done(_libc.prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0), "prctl")
        os.close(network)
        enter(folder)
    except OSError as error:
        _say(talk, 0, str(error))
        return
    _say(talk, os.getpid(), "")
    with contextlib.suppress(PermissionError):  # in time, as the script that waits for it
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
    with talk.makefile("rb") as lines, contextlib.suppress(BrokenPipeError):
        for line in lines:
            kind, text = json.loads(line)
            output = os.memfd_create("said")
            status = run(kind, text, output, talk)
            said = os.pread(output, 1 << 16, 0).decode(errors="replace")
            os.close(output)
            _say(talk, status, said)
    _end_all()


def _end_all() -> None:
    """Kill and reap until no child is left; a subreaper inherits the children of what it kills."""
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            for entry in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208
                with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as stat:  # noqa: PTH123
                    if int(stat.read().rpartition(b")")[2].split()[1]) == os.getpid():
                        os.kill(int(entry), signal.SIGKILL)
            os.waitpid(-1, 0)


def main(descriptor: str) -> None:
    """Take scripts until the socket's other end is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how their children ended
    gc.freeze()  # what a child never writes to is never copied
    with socket.socket(fileno=int(descriptor)) as scripts:
        while True:
            folder, given, _, _ = socket.recv_fds(scripts, 1 << 16, 2, socket.MSG_CMSG_CLOEXEC)
            if not folder:
                return
            network, talk = given
            if os.fork() == 0:
                break
            os.close(network)
            os.close(talk)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=talk) as answering:
        serve(os.fsdecode(folder), network, answering)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
