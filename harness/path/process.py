"""Starts the process that forwards, and speaks with it. One serves one lab after the other."""

from __future__ import annotations

import atexit
import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import msgspec

from harness.errors import FinwaitError
from harness.path import messages
from harness.path.messages import Told
from harness.path.rules import AnyRule
from harness.tcp.timing import PROGRAM_LIMIT, SECOND

PATIENCE_SECONDS = PROGRAM_LIMIT.ns / SECOND.ns
"""How long an answer may take that no kernel timer is behind."""

_CHECKOUT = str(Path(__file__).parents[2])
_idle: list[Forwarder] = []


class Forwarder:
    """A process that forwards."""

    def __init__(self) -> None:
        own, its = socket.socketpair()
        self.owner = os.getpid()
        self.gone = False
        self._connection = own
        self._decode = msgspec.msgpack.Decoder(Told).decode
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "harness.path.pump", str(its.fileno())],
                env={**os.environ, "PYTHONPATH": _CHECKOUT, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                pass_fds=(its.fileno(),),
                start_new_session=True,  # Ctrl-C is for the session, which ends it
            )

    def begin(self, sockets: tuple[socket.socket, ...], markers: tuple[bytes, bytes], processor: int) -> None:
        """Forward for a lab; see ``messages.Begin``."""
        self._send(messages.Begin(markers, processor), tuple(each.fileno() for each in sockets))
        self._receive()

    def state(self, number: int, rule: AnyRule) -> None:
        """State a rule, or state it anew; it holds for every segment that is sent after this is back."""
        self._send(messages.SetRule(number, rule))
        self._receive()

    def release(self, number: int) -> None:
        """Forward what a rule holds, and hold no more by it."""
        self._send(messages.Release(number))
        self._receive()

    def collect(self, wait_ns: int = 0) -> Told:
        """What happened since the last time; up to ``wait_ns`` is waited for something to happen.

        Raises:
            FinwaitError: the process is gone, or does not answer.
        """
        self._send(messages.Collect(wait_ns > 0))
        if wait_ns > 0 and not self._readable(wait_ns / 1e9):
            self._send(messages.Enough())
        return self._receive()

    def settle(self) -> Told:
        """What happened up to now, both kernels having dealt with all that was forwarded to them."""
        self._send(messages.Mark())
        return self._receive()

    def end(self) -> Told:
        """Stop forwarding for the lab."""
        self._send(messages.Finish())
        return self._receive()

    def _readable(self, seconds: float) -> bool:
        return bool(select.select([self._connection], [], [], max(0.0, seconds))[0])

    def _send(self, message: msgspec.Struct, descriptors: tuple[int, ...] = ()) -> None:
        try:
            messages.send(self._connection, message, descriptors)
        except OSError as error:
            raise self._lost() from error

    def _receive(self) -> Told:
        if not self._readable(PATIENCE_SECONDS):
            raise FinwaitError(
                f"the path did not answer within {PATIENCE_SECONDS:.0f} s",
                why="one of the kernels hangs, or the machine is too busy",
                hint="finwait doctor",
            )
        try:
            body = messages.receive(self._connection)[0]
        except ConnectionResetError:
            body = b""
        if not body:
            raise self._lost()
        return self._decode(body)

    def _lost(self) -> FinwaitError:
        self.gone = True
        self._connection.close()
        status = self._process.wait()
        return FinwaitError(
            f"the process that forwards for the path ended with status {status}",
            why="it was killed" if status < 0 else "its last message is above",
        )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        if self.owner == os.getpid():
            self._process.wait()


def borrow() -> Forwarder:
    """A process that serves no lab at the moment; started when there is none."""
    while _idle:
        forwarder = _idle.pop()
        if forwarder.owner == os.getpid():
            return forwarder
    return Forwarder()


def give_back(forwarder: Forwarder) -> None:
    """Keep the process for the next lab."""
    _idle.append(forwarder)


@atexit.register
def _stop_all() -> None:
    while _idle:
        _idle.pop().stop()
