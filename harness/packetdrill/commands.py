"""A script's commands and code: run in its lab's network, in mounts of their own, apart from the harness."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from harness.errors import FinwaitError, Unsupported
from harness.live.command import begin, search_path
from harness.packetdrill.tested import Differs
from harness.tcp.timing import PROGRAM_LIMIT
from netns.enter import Namespace

_NOT_FOUND = 127  # the status of a shell that finds no such program (POSIX, Shell & Utilities, 2.8.2)
_ROOM = Path(__file__).with_name("own_room.py")


class RoomKeeper:
    """The process that has a child for the commands of each script; one for all scripts of this process.

    To start an interpreter takes longer than most commands do. It ends with this process, whatever ends that.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def open(self, namespace: Namespace, folder: Path) -> socket.socket:
        """Where a child for one script answers; closing it ends the child and what it started."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.settimeout(PROGRAM_LIMIT.ns / 1e9)
        with theirs, self._lock:
            if self._process is None or self._process.poll() is not None:
                self.close()
                self._start()
            socket.send_fds(self._asking, [os.fsencode(folder)], [namespace.descriptor, theirs.fileno()])
        return ours

    def _start(self) -> None:
        with ExitStack() as opening:
            self._asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            opening.enter_context(self._asking)
            with asked:
                argv = (sys.executable, "-I", "-S", str(_ROOM), str(asked.fileno()))
                env = {**os.environ, "PATH": search_path()}
                self._process, lifeline = begin(argv, None, descriptors=(asked.fileno(),), env=env)
            opening.enter_context(self._process)
            opening.callback(os.close, lifeline)
            self._stack = opening.pop_all()

    def close(self) -> None:
        """End it."""
        self._stack.close()
        self._process = None


_keeper = RoomKeeper()
atexit.register(_keeper.close)


class OwnRoom:
    """Where the commands of one script run; a context manager. It is made at the first command.

    Args:
        namespace: whose network they have.
        folder: where they begin.
    """

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self._namespace = namespace
        self._folder = folder
        self._talk: socket.socket | None = None
        self._root = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._talk is not None:
            with self._talk, suppress(OSError):
                self._talk.shutdown(socket.SHUT_WR)
                self._talk.recv(1)  # until all that was started has ended

    def find(self, name: str) -> str:
        """Where a file that the script names is on this machine."""
        return f"{self._root}{name}" if name.startswith("/") else str(self._folder / name)

    def sh(self, text: str, line: int) -> None:
        """Run a command.

        Raises:
            Differs: its status is not 0, or it does not end.
            Unsupported: this machine lacks a program that it ends with, or gives no mounts of its own, as a chroot.
            FinwaitError: the process that runs the script's commands has ended, such as by one of them.
        """
        self._ask("sh", text, f"the command `{text.strip()}`", line)

    def python(self, text: str, line: int) -> None:
        """Run code; see ``sh``."""
        self._ask("python", text, "the code", line)

    def _ask(self, kind: str, text: str, what: str, line: int) -> None:
        if self._talk is None:
            self._talk = _keeper.open(self._namespace, self._folder)
            number, refusal = _answer(self._talk)
            if not number:
                raise Unsupported(f"line {line}: this machine lets no command run in mounts of its own ({refusal})")
            self._root = f"/proc/{number}/root"  # its /tmp is not that of this process (proc(5))
        self._talk.settimeout(PROGRAM_LIMIT.ns / 1e9)
        try:
            with suppress(BrokenPipeError):  # it has ended, which its answer tells
                self._talk.sendall(json.dumps([kind, text]).encode() + b"\n")
            status, said = _answer(self._talk)
        except TimeoutError:
            raise Differs(f"{what} still runs after {PROGRAM_LIMIT}", line) from None
        if kind == "sh" and status == _NOT_FOUND:
            raise Unsupported(f"line {line}: {what} cannot be run here: {_last(said) or 'a program was not found'}")
        if status:
            tail = " / ".join(said.strip().splitlines()[-3:])
            raise Differs(f"{what} ended with status {status}" + f": {tail}" * bool(tail), line)


def _answer(talk: socket.socket) -> tuple[int, str]:
    answer = b""
    while not answer.endswith(b"\n"):
        if not (piece := talk.recv(1 << 16)):
            raise FinwaitError("the process that runs a script's commands has ended", why="it said nothing")
        answer += piece
    number, text = json.loads(answer)
    return number, text


def _last(said: str) -> str:
    """The last line of what a process said; empty for nothing."""
    return "".join(said.strip().splitlines()[-1:])
