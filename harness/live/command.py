"""A program in a lab's namespace: it ends with the scenario, and with its parent process, whatever ended that."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness import leash
from harness.errors import FinwaitError, Unsupported
from harness.tcp.timing import SECOND, Span
from harness.tcp.verdict import Due, Evidence, Mismatch
from netns.enter import Namespace

_SBIN = "/usr/sbin:/sbin"  # not on an ordinary user's PATH
_PACKAGES = {"ip": "iproute2", "nft": "nftables", "ss": "iproute2"}  # where it is not called as its command


def search_path() -> str:
    """The user's PATH, and behind it where the programs of the system's owner are."""
    return f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"


def _which(command: str) -> str | None:
    return shutil.which(command, path=search_path())


def installed(command: str) -> bool:
    """Whether a command is there."""
    return _which(command) is not None


def find(command: str) -> str:
    """Where a command is.

    Raises:
        Unsupported: it is not installed.
    """
    found = _which(command)
    if found is None:
        raise Unsupported(f"{command} is not installed", hint=f"apt-get install {_PACKAGES.get(command, command)}")
    return found


def _endless(program: str, limit: Span) -> Mismatch:
    """What a program rests on that never ends: a call of the kernel's that does not return."""
    name = Path(program).name
    return Mismatch(Evidence(expected=(Due(f"  {name} ends within {limit}"),), observed="  it still runs", step=name))


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a program: its exit status, negative for a signal, and what it said."""

    status: int
    stdout: str
    stderr: str


def begin(
    argv: tuple[str, ...],
    namespace: Namespace | None,
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    descriptors: tuple[int, ...] = (),
    env: Mapping[str, str] | None = None,
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a program in a namespace, its standard error read by who calls.

    Args:
        argv: the command, its program by a path.
        namespace: where its sockets are; None for where the calling thread is.
        stdin: as subprocess takes it.
        stdout: the same.
        descriptors: file descriptors for it, under the numbers that they have.
        env: its environment; that of this process by default.

    Returns:
        The process, and a descriptor: with what it started it ends when that is closed, as it is when this process
        ends.
    """
    reading, lifeline = os.pipe()
    try:
        with namespace.entered() if namespace else nullcontext():  # inherited by the child, as this thread has it
            process = subprocess.Popen(
                leash.command(argv, reading),
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                pass_fds=(reading, *descriptors),
                start_new_session=True,
                env=env,
            )
    except BaseException:  # Ctrl-C too: what did not start is never left
        os.close(lifeline)
        raise
    finally:
        os.close(reading)
    return process, lifeline


def run_to_end(argv: tuple[str, ...], namespace: Namespace, given: str, limit: Span) -> Ran:
    """Run a program in a namespace to its end; it ends with this process too.

    Args:
        argv: the command, by its name or path.
        namespace: where its sockets are.
        given: its standard input.
        limit: how long it may take.

    Raises:
        Unsupported: it is not installed.
        Mismatch: it did not end in time.
    """
    whole = (find(argv[0]), *argv[1:])
    process, lifeline = begin(whole, namespace, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        with process:
            try:
                said = process.communicate(given.encode(), limit.ns / 1e9)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise _endless(argv[0], limit) from error
    finally:
        os.close(lifeline)
    stdout, stderr = (text.decode(errors="replace") for text in said)
    return Ran(process.returncode, stdout, stderr)


class Command:
    """A process in a namespace, which ends with this one; a context manager.

    Args:
        argv: the command; its standard error is read by ``line``.
        namespace: where its sockets are.
        descriptors: file descriptors for it, under the numbers that they have.
    """

    def __init__(self, argv: tuple[str, ...], namespace: Namespace, descriptors: tuple[int, ...] = ()) -> None:
        self._argv = argv
        self._descriptors = descriptors
        self._namespace = namespace
        self.said: list[str] = []

    def __enter__(self) -> Self:
        self._process, self._lifeline = begin(self._argv, self._namespace, descriptors=self._descriptors)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lifeline)
        assert self._process.stderr is not None  # noqa: S101
        self.said += self._process.stderr.read().decode(errors="replace").splitlines()
        self._process.stderr.close()
        self._process.wait()

    def wait_for(self, word: str, limit: Span) -> None:
        """Wait for a line with a word in it.

        Raises:
            FinwaitError: it did not come in time, or the program ended before.
        """
        assert self._process.stderr is not None  # noqa: S101
        descriptor = self._process.stderr.fileno()
        end, text = time.monotonic() + limit.ns / SECOND.ns, ""
        while word not in text:
            left = end - time.monotonic()
            piece = os.read(descriptor, 65536) if select.select([descriptor], [], [], max(0.0, left))[0] else None
            if not piece:
                self.said += text.splitlines()
                last = text.strip().splitlines()[-1:] or ["it said nothing"]
                how = f"was not ready within {limit}" if piece is None else "ended before it was ready"
                raise FinwaitError(f"{self._argv[0]} {how}", why=last[0])
            text += piece.decode(errors="replace")
        self.said += text.splitlines()

    def wait(self, limit: Span) -> int:
        """Wait until it ends; its exit status.

        Raises:
            Mismatch: it did not, in time.
        """
        ended = os.pidfd_open(self._process.pid)
        try:
            if not select.select([ended], [], [], limit.ns / SECOND.ns)[0]:
                raise _endless(self._argv[0], limit)
        finally:
            os.close(ended)
        return self._process.wait()
