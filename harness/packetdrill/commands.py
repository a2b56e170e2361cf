"""A script's commands and code: run in its lab's network, in mounts of their own, apart from the harness."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Self

from harness import leash
from harness.errors import Unsupported
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
        self._process: subprocess.Popen[str] | None = None
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
        """
        self._ask("sh", text, f"the command `{text.strip()}`", line)

    def python(self, text: str, line: int) -> None:
        """Run code; see ``sh``."""
        self._ask("python", text, "the code", line)

    def _ask(self, kind: str, text: str, what: str, line: int) -> None:
        process = self._process or self._begin()
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        if not self._root and (number := process.stdout.readline().strip()):
            self._root = f"/proc/{number}/root"  # its /tmp is not that of this process (proc(5))
        if self._root:
            process.stdin.write(json.dumps([kind, text]) + "\n")
            process.stdin.flush()
        if not select.select([process.stdout], [], [], PROGRAM_LIMIT.ns / 1e9)[0]:
            raise Differs(f"{what} still runs after {PROGRAM_LIMIT}")
        answer = process.stdout.readline()
        if not answer:
            assert process.stderr is not None  # noqa: S101
            last = process.stderr.read().strip().splitlines()[-1:] or ["it said nothing"]
            raise Unsupported(f"line {line}: this machine lets no command run in mounts of its own ({last[0]})")
        status, said = json.loads(answer)
        if kind == "sh" and status == _NOT_FOUND:
            last = said.strip().splitlines()[-1:] or ["a program was not found"]
            raise Unsupported(f"line {line}: {what} cannot be run here: {last[0]}")
        if status:
            tail = " / ".join(said.strip().splitlines()[-3:])
            raise Differs(f"{what} ended with status {status}" + f": {tail}" * bool(tail))

    def _begin(self) -> subprocess.Popen[str]:
        reading, self._lifeline = os.pipe()
        argv = (sys.executable, "-I", "-S", str(_ROOM), str(self._folder))
        try:
            with self._namespace.entered():  # inherited by the child, as this thread has it
                self._process = subprocess.Popen(
                    leash.command(argv, reading),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    pass_fds=(reading,),
                    start_new_session=True,
                    env={**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"},
                )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(reading)
        return self._process
