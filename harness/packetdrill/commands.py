"""A script's commands and code: run in its lab's network, in mounts of their own, apart from the harness."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

from harness.errors import FinwaitError, Unsupported
from harness.live.command import begin, search_path
from harness.packetdrill.tested import Differs
from harness.tcp.timing import PROGRAM_LIMIT
from netns.enter import Namespace

_NOT_FOUND = 127  # the status of a shell that finds no such program (POSIX, Shell & Utilities, 2.8.2)
_ROOM = Path(__file__).with_name("own_room.py")


class OwnRoom:
    """Where the commands of one script run; a context manager. It is made at the first command.

    Args:
        namespace: whose network they have.
        folder: where they begin.
    """

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self._namespace = namespace
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._root = ""
        self._lifeline = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            os.close(self._lifeline)
            with self._process:  # closes its pipes and waits
                pass

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
        process = self._process or self._begin()
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        if not self._root:
            number, refusal = self._answer(process)
            if not number:
                raise Unsupported(f"line {line}: this machine lets no command run in mounts of its own ({refusal})")
            self._root = f"/proc/{number}/root"  # its /tmp is not that of this process (proc(5))
        with suppress(BrokenPipeError):  # it has ended, which its answer tells
            os.write(process.stdin.fileno(), json.dumps([kind, text]).encode() + b"\n")
        if not select.select([process.stdout], [], [], PROGRAM_LIMIT.ns / 1e9)[0]:
            raise Differs(f"{what} still runs after {PROGRAM_LIMIT}", line)
        status, said = self._answer(process)
        if kind == "sh" and status == _NOT_FOUND:
            raise Unsupported(f"line {line}: {what} cannot be run here: {_last(said) or 'a program was not found'}")
        if status:
            tail = " / ".join(said.strip().splitlines()[-3:])
            raise Differs(f"{what} ended with status {status}" + f": {tail}" * bool(tail), line)

    @staticmethod
    def _answer(process: subprocess.Popen[bytes]) -> tuple[int, str]:
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        if not (answer := process.stdout.readline()):
            said = _last(process.stderr.read().decode(errors="replace"))
            raise FinwaitError("the process that runs a script's commands has ended", why=said or "it said nothing")
        number, text = json.loads(answer)
        return number, text

    def _begin(self) -> subprocess.Popen[bytes]:
        argv = (sys.executable, "-I", "-S", str(_ROOM), str(self._folder))
        pipe, env = subprocess.PIPE, {**os.environ, "PATH": search_path()}
        self._process, self._lifeline = begin(argv, self._namespace, stdin=pipe, stdout=pipe, env=env)
        return self._process


def _last(said: str) -> str:
    """The last line of what a process said; empty for nothing."""
    return "".join(said.strip().splitlines()[-1:])
