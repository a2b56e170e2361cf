"""Runs a packetdrill script on the kernel of this machine, in a lab, and judges what comes."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from harness.errors import Unsupported
from harness.packetdrill import code
from harness.packetdrill.blocking import CallThread
from harness.packetdrill.call_state import CallState, Prepared
from harness.packetdrill.calls import ReadCall, prepare, read
from harness.packetdrill.clock import DueTime, ScriptClock, in_time
from harness.packetdrill.commands import OwnRoom
from harness.packetdrill.constants import constant
from harness.packetdrill.lab import ScriptLab
from harness.packetdrill.packets import PacketSide
from harness.packetdrill.script import CodeBlock, Script, ScriptEvent, ShellCommand, SystemCall
from harness.packetdrill.settings import effective
from harness.packetdrill.tested import Differs, Sockets
from harness.tcp.verdict import Due, Evidence, Mismatch
from harness.trace.events import Called, Timeline, so_far
from netns import processor


class ScriptRun:
    """One run of a script in a lab of its own; a context manager.

    Args:
        script: what runs.
        path: its file, which failures name and in whose folder its commands begin.
        lines: its text, of which failures show the line.
        given: options of whoever runs it; see ``effective``.
    """

    def __init__(
        self,
        script: Script,
        path: Path,
        lines: Sequence[str] = (),
        given: Mapping[str, str | None] | None = None,
    ) -> None:
        self.script = script
        self.path = path
        self.options = effective(script, given)
        self.timeline = Timeline()
        self._lines = lines
        self._line = 0
        self._pieces: list[tuple[dict[str, int], str, int]] = []
        self._stack = ExitStack()

    def __enter__(self) -> ScriptRun:
        with ExitStack() as opening:
            opening.enter_context(processor.kept())
            self.lab = opening.enter_context(ScriptLab(self.options))
            self._room = opening.enter_context(OwnRoom(self.lab.kernel, self.path.resolve().parent))
            self.clock = ScriptClock(self.options.tolerance_ns)
            sockets = Sockets()
            self._beside = CallThread()
            self._sockets = sockets
            self._calls = CallState(self.lab, self.options, sockets, self._room.find, lambda: self.clock.begun)
            self.packets = PacketSide(self.lab, self.options, self.clock, sockets, self.timeline, self._beside.check)
            opening.callback(self._let_go)
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _let_go(self) -> None:
        self._beside.abandon(self._wake)
        self._calls.close_all()
        self.packets.reset()

    def _wake(self) -> None:
        for live in self._calls.live.values():
            with socket.socket(fileno=os.dup(live)) as again:
                try:
                    again.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def run(self) -> None:
        """Run the script to its end.

        Raises:
            Mismatch: the kernel did something else than the script expects.
            Unsupported: something in it is not taken, or this kernel or machine lacks it.
            FinwaitError: a mistake of the script.
        """
        try:
            self._run()
        except Differs as differs:
            raise self._mismatch(str(differs)) from differs

    def _run(self) -> None:
        self._read = {
            (event.line, event.column): read(event.action)
            for event in self.script.events
            if isinstance(event.action, SystemCall)
        }
        if self.script.init is not None:
            self._command(self.script.init)
        try:
            self.lab.wire.begin()
            with in_time():
                self.clock.begin()
                for event in self.script.events:
                    self._line = event.line
                    self._do(event)
                    self._beside.check()
        except BaseException:
            line = self._line
            with suppress(Differs, Unsupported):  # what went wrong first is told
                self._clean()
            self._line = line
            raise
        self._clean()
        if self._pieces:
            self._line = self._pieces[-1][2]
            self._room.python(code.program(self._pieces), self._line)
        self._beside.wait()

    def _clean(self) -> None:
        line = self._line
        if self.script.cleanup is not None:
            self._command(self.script.cleanup)
        self._line = line

    def _command(self, command: ShellCommand) -> None:
        self._line = command.line
        began = time.time_ns()
        self._room.sh(command.text, command.line)
        self.timeline.add(Called(began, time.time_ns(), "sh", (" ".join(command.text.split()),), connection=0))

    def _do(self, event: ScriptEvent) -> None:
        action = event.action
        inbound = not isinstance(action, SystemCall | ShellCommand | CodeBlock) and action.inbound
        due = self.clock.reach(event.time, inbound=inbound)
        match action:
            case SystemCall():
                self._call(self._read[event.line, event.column], due, event)
            case ShellCommand():
                self._wait(due, "command")
                self._command(action)
                self.clock.catch_up()
            case CodeBlock():
                self._wait(due, "code")
                self._look(action)
            case _ if inbound:
                self.packets.send(action, due)
            case _:
                self.packets.expect(action, due)

    def _wait(self, due: DueTime, what: str) -> None:
        if wrong := self.clock.wait(due):
            raise Differs(f"the {what} began at another {wrong}")

    def _look(self, block: CodeBlock) -> None:
        tested = self._sockets.current
        live = self._calls.live.get(tested.descriptor) if tested else None
        if live is None:
            raise Differs("the code has no socket to look at")
        with socket.socket(fileno=os.dup(live)) as again:
            at = self.clock.now
            values = code.variables(*(again.getsockopt(*asked) for asked in code.ASKED))
        self.clock.happened(at)
        self._pieces.append((values, block.text, block.line))

    def _call(self, given: ReadCall, due: DueTime, event: ScriptEvent) -> None:
        if given.call.end_ns is None:
            self._beside.wait()
        prepared = prepare(given, self._calls)
        if given.call.end_ns is not None:
            self._begin(given, prepared, due, event)
            return
        self._wait(due, "system call")
        began = time.time_ns()
        result = prepared.make()
        number, end = ctypes.get_errno(), time.time_ns()
        self.clock.happened(end - self.clock.begun)
        self._judge(given, prepared, result, number, began, end)

    def _begin(self, given: ReadCall, prepared: Prepared, due: DueTime, event: ScriptEvent) -> None:
        call = given.call
        assert call.end_ns is not None  # noqa: S101
        end = due.start + call.end_ns - event.time.start_ns
        back = DueTime(kind=due.kind, start=end, since=due.start)
        began: list[int] = []

        def make() -> int:
            began.append(time.time_ns())
            return prepared.make()

        def judge(result: int, number: int, at: int) -> None:
            self._judge(given, prepared, result, number, began[0], at)
            if wrong := self.clock.complaint(back, self.clock.exact(at - self.clock.begun)):
                raise Differs(f"{call.name} returned at another {wrong}")

        self._beside.wait()
        self._wait(due, "system call")
        self._beside.begin(make, judge)
        self.clock.happened(began[0] - self.clock.begun)

    def _judge(self, given: ReadCall, prepared: Prepared, result: int, number: int, began: int, end: int) -> None:
        call, wanted = given.call, given.expected
        name = errno.errorcode.get(number, str(number)) if result < 0 else ""
        self.timeline.add(Called(began, end, call.name, (), result, name, f"line {call.line}"))
        right = wanted is None or (result >= 0 if prepared.gives_descriptor and wanted >= 0 else result == wanted)
        if not right:
            raise Differs(f"{call.name} gave {result}{f' ({name})' if name else ''}, not {wanted}")
        if call.errno is not None and number != constant(call.errno, call.line):
            raise Differs(f"{call.name} failed with {name or number}, not {call.errno}")
        if result >= 0 and (wrong := prepared.check()):
            raise Differs(f"{call.name}: {wrong}")

    def _mismatch(self, observed: str) -> Mismatch:
        text = self._lines[self._line - 1].strip() if 0 < self._line <= len(self._lines) else ""
        where = f"{self.path.name}:{self._line}"
        due = (Due(text),) if text else ()
        evidence = Evidence(expected=due, observed=observed, where=where, so_far=tuple(so_far(self.timeline)))
        return Mismatch(evidence)


def run_script(
    script: Script,
    path: Path,
    lines: Sequence[str] = (),
    given: Mapping[str, str | None] | None = None,
) -> Timeline:
    """Run a script in a lab of its own; what happened. See ``ScriptRun``."""
    with ScriptRun(script, path, lines, given) as run:
        run.run()
        return run.timeline
