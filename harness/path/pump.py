"""The process that forwards: ``python -m harness.path.pump FD``, where FD is its end of the session's socket.

A process of its own, because a thread would share the interpreter's lock with the scenario. It blocks in select(2) with
a deadline and never spins, so that it works where time stands still while code runs; it ends when the other end of the
socket is closed, and so with the session's process, whatever ended that.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections import deque
from contextlib import suppress

import msgspec

from harness.path import messages
from harness.path.engine import Engine, Step
from harness.path.messages import Came, Entry, Fated, Left, Told
from harness.path.rules import Side
from harness.path.tracking import Tracker, corrupted, is_syn
from harness.path.working import Arrived
from harness.wire.decode import answered_neighbour
from harness.wire.frame_reader import waiting
from harness.wire.overflow import overflowed

SIDES = (Side.CLIENT, Side.SERVER)


class Pump:
    """Forwards the frames of one lab.

    Args:
        sockets: two that capture both directions with the kernel's stamps, two that send; the client's side first.
        markers: neighbour requests that the client's and the server's kernel answer.
    """

    def __init__(self, sockets: list[socket.socket], markers: tuple[bytes, bytes]) -> None:
        self.captures, self.senders = sockets[:2], sockets[2:]
        self.engine = Engine()
        self.log: list[Entry] = []
        self.marked = 0  # answers that are due
        self._markers = markers
        self._tracker = Tracker()
        self._held: dict[int, tuple[bytes, int]] = {}  # by number: the frame and the side it goes to
        self._leaving: tuple[deque[tuple[int, bytes]], ...] = (deque(), deque())
        self._count = 0

    def take(self, side: int) -> None:
        """Forward what has come from a side, and note the stamps of what left there."""
        for passed in waiting(self.captures[side]):
            if passed.outgoing:
                self._left(side, passed.at, passed.data)
            elif answered_neighbour(passed.data):
                self.marked -= 1
            else:
                self._came(side, passed.at, passed.data)

    def _came(self, side: int, at: int, data: bytes) -> None:
        self._count = number = self._count + 1
        if self.engine.idle:
            # nothing else is looked into as long as there is no rule that could need it
            if is_syn(data):
                self._tracker.read(SIDES[side], data)
            self._send(number, 1 - side, data)
            self.log.append(Came(number, at, SIDES[side], data))
            return
        self.log.append(Came(number, at, SIDES[side], data))
        self._held[number] = data, 1 - side
        tracked = self._tracker.read(SIDES[side], data)
        connection, segment, _ = tracked or (0, None, None)
        self._do(self.engine.feed(Arrived(number, at, SIDES[side], connection, segment, len(data))))

    def _do(self, steps: list[Step]) -> None:
        for step in steps:
            data, target = self._held[step.number]
            if step.goes:
                self._send(step.number, target, corrupted(data) if step.fate == "corrupted" else data)
            if step.fate != "forwarded":
                self.log.append(Fated(step.number, step.fate, step.rule))
        for step in steps:
            if step.goes or step.fate in ("dropped", "lost"):
                self._held.pop(step.number, None)

    def _send(self, number: int, target: int, data: bytes) -> None:
        self._leaving[target].append((number, data))
        try:
            self.senders[target].send(data)
        except OSError as error:
            self._leaving[target].pop()
            self.log.append(Fated(number, f"dropped: {error.strerror}", 0))

    def _left(self, side: int, at: int, data: bytes) -> None:
        """A frame went out: the oldest that is the same; a queue discipline may have dropped or reordered some."""
        leaving = self._leaving[side]
        for place, (number, sent) in enumerate(leaving):
            if sent == data:
                del leaving[place]
                self.log.append(Left(number, at))
                return

    def release(self, rule: int) -> None:
        """Forward what a rule holds, and hold no more by it."""
        self._do(self.engine.release(rule))

    def due(self) -> None:
        """Forward what a rule delayed, where its time has come."""
        if self.engine.next_due is not None:
            self._do(self.engine.due(time.time_ns()))

    def mark(self) -> None:
        """Ask both kernels for an answer, which comes after all that they have to say to what they were sent before."""
        for sender, marker in zip(self.senders, self._markers, strict=True):
            sender.send(marker)
            self.marked += 1

    def tell(self, complaints: list[str]) -> Told:
        """What happened since the last time."""
        told, self.log = self.log, []
        return Told(told, complaints, overflowed(self.captures))

    def close(self) -> None:
        """Let go of the lab."""
        for each in (*self.captures, *self.senders):
            each.close()


class Service:
    """Does what the session asks for, one lab at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._decode = msgspec.msgpack.Decoder(messages.Request).decode
        self._pump: Pump | None = None
        self._wanted = ""  # the request that waits for its answer: collect or mark

    def run(self) -> None:
        """Serve until the other end is closed."""
        while self._once():
            pass

    def _once(self) -> bool:
        pump = self._pump
        captures = pump.captures if pump else []
        ready = select.select([self._connection, *captures], [], [], self._timeout())[0]
        if pump:
            for side, capture in enumerate(captures):
                if capture in ready:
                    pump.take(side)
            pump.due()
        if self._connection in ready and not self._serve():
            return False
        self._answer()
        return True

    def _timeout(self) -> float | None:
        due = self._pump.engine.next_due if self._pump else None
        return None if due is None else max(0, due - time.time_ns()) / 1e9

    def _serve(self) -> bool:
        body, descriptors = messages.receive(self._connection)
        if not body:
            return False
        match self._decode(body):
            case messages.Begin() as begin:
                os.sched_setaffinity(0, {begin.processor})
                self._pump = Pump([socket.socket(fileno=one) for one in descriptors], begin.markers)
                messages.send(self._connection, Told())
            case messages.SetRule() as stated if self._pump:
                self._pump.engine.set(stated.number, stated.rule)
                messages.send(self._connection, Told())
            case messages.Release() as release if self._pump:
                self._pump.release(release.number)
                messages.send(self._connection, Told())
            case messages.Collect() as collect:
                self._wanted = "collect" if collect.wait else "now"
            case messages.Enough() if self._wanted == "collect":
                self._wanted = "now"
            case messages.Mark() if self._pump:
                self._pump.mark()
                self._wanted = "mark"
            case messages.Finish() if self._pump:
                messages.send(self._connection, self._pump.tell(self._pump.engine.complaints()))
                self._pump.close()
                self._pump = None
        return True

    def _answer(self) -> None:
        pump = self._pump
        if not self._wanted or pump is None:
            return
        if self._wanted == "now" or (pump.log if self._wanted == "collect" else pump.marked == 0):
            self._wanted = ""
            messages.send(self._connection, pump.tell([]))


def main(descriptor: int) -> None:
    """Serve on a socket that was inherited."""
    with suppress(OSError):  # an ordinary user may not; upper bounds have their slack
        os.nice(-10)  # a path that waits for a processor looks like a slow kernel
    with socket.socket(fileno=descriptor) as connection, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stamping:
        stamping.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS, kept on for as long as the process is there
        Service(connection).run()


if __name__ == "__main__":
    with suppress(BrokenPipeError, ConnectionResetError, KeyboardInterrupt):  # the session is gone
        main(int(sys.argv[1]))
