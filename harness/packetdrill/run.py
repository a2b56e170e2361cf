"""Runs a packetdrill script on the kernel of this machine, in a lab, and judges what comes."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import msgspec

from harness.errors import FinwaitError
from harness.live.base_session import Account
from harness.packetdrill import code
from harness.packetdrill.answers import Answers
from harness.packetdrill.blocking import CallThread
from harness.packetdrill.call_limit import CallLimit
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
from harness.packetdrill.to_program import beside, program_of
from harness.program.steps import Program
from harness.tcp.mutation import Mutation
from harness.tcp.timing import QUIET
from harness.tcp.verdict import Due, Evidence, Mismatch
from harness.trace.events import Called, Probed, Timeline, so_far
from harness.trace.stopwatch import Stopwatch
from netns import processor
from netns.enter import Namespace


class ScriptRun:
    """One run of a script in a lab of its own; a context manager.

    Args:
        script: what runs.
        path: its file, which failures name and in whose folder its commands begin.
        lines: its text, of which failures show the line.
        given: options of whoever runs it; see ``effective``.
        mutation: of one of the kernel's segments; None for none.
        strict: what comes behind the last line, and no line mentions, deviates. packetdrill does not look at it.
    """

    def __init__(
        self,
        script: Script,
        path: Path,
        lines: Sequence[str],
        given: Mapping[str, str],
        *,
        mutation: Mutation | None = None,
        strict: bool = False,
    ) -> None:
        self.timeline = Timeline()
        self.stopwatch = Stopwatch()
        self.missing: dict[str, str] = {}
        self._script = script
        self._path = path
        self._lines = lines
        self._options = effective(script, given)
        self._answers = Answers(mutation)
        self._strict = strict
        self._line = 0
        self._pieces: list[tuple[dict[str, int], str, int]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening, self.stopwatch.part("lab"):
            opening.enter_context(processor.kept())
            self._lab = opening.enter_context(ScriptLab(self._options))
            self._room = opening.enter_context(OwnRoom(self._lab.kernel, self._path.resolve().parent))
            self._clock = ScriptClock(self._options.tolerance_ns)
            self._sockets = Sockets()
            self._beside, self._limit = CallThread(), CallLimit()
            self._calls = CallState(self._lab, self._options, self._clock, self._sockets, self._room.find)
            self._packets = PacketSide(
                self._lab, self._options, self._clock, self._sockets, self.timeline, self._beside.check, self._answers
            )
            # one that fails keeps none of the others from being done: the last is done first
            opening.callback(self._packets.reset)
            opening.callback(self._calls.close_all)
            opening.callback(self._beside.abandon, self._calls.wake)
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self) -> None:
        """Run the script to its end.

        Raises:
            Mismatch: the kernel did something else than the script expects.
            Unsupported: something in it is not taken, or this kernel or machine lacks it.
            FinwaitError: a mistake of the script.
        """
        try:
            with self.stopwatch.part("kernel"):
                self._run()
        except Differs as differs:
            raise self._mismatch(differs) from differs

    def _run(self) -> None:
        first = self._script.events[0]
        if first.time.start_ns:
            raise FinwaitError(f"line {first.line}: the first event is not at time 0, from which all others count")
        self._read = {
            (event.line, event.column): read(event.action)
            for event in self._script.events
            if isinstance(event.action, SystemCall)
        }
        if self._script.init is not None:
            self._command(self._script.init)
        try:
            self._lab.wire.begin()
            with in_time(), self._limit.kept():
                self._clock.begin()
                for event in self._script.events:
                    self._line = event.line
                    self._do(event)
                    self._beside.check()
        except BaseException:  # Ctrl-C too: commands may have left something outside of the lab
            with suppress(Differs, FinwaitError):  # what went wrong first is told
                self._clean()
            raise
        self._clean()
        if self._pieces:
            self._room.python(code.program(self._pieces), self._pieces[-1][2])
        self._beside.wait()

    def _clean(self) -> None:
        if self._script.cleanup is not None:
            self._command(self._script.cleanup)

    def _command(self, command: ShellCommand) -> None:
        began = time.time_ns()
        self._room.sh(command.text, command.line)
        self.timeline.add(Called(began, time.time_ns(), "sh", (" ".join(command.text.split()),), connection=0))

    def _do(self, event: ScriptEvent) -> None:
        action = event.action
        inbound = not isinstance(action, SystemCall | ShellCommand | CodeBlock) and action.inbound
        due = self._clock.reach(event.time, inbound=inbound)
        match action:
            case SystemCall():
                self._call(self._read[event.line, event.column], due, event)
            case ShellCommand():
                self._wait(due, "command")
                self._command(action)
                self._clock.catch_up()
            case CodeBlock():
                self._wait(due, "code")
                self._look(action)
            case _ if inbound:
                self._packets.send(action, due)
            case _:
                self._packets.expect(action, due)

    def _wait(self, due: DueTime, what: str) -> None:
        if wrong := self._clock.wait(due):
            raise Differs(f"the {what} began at another {wrong}")

    def _look(self, block: CodeBlock) -> None:
        tested = self._sockets.current
        live = self._calls.live.get(tested.descriptor) if tested else None
        if live is None:
            raise Differs("the code has no socket to look at")
        with socket.socket(fileno=os.dup(live)) as again:
            at = self._clock.now
            try:
                values = code.variables(*(again.getsockopt(*asked) for asked in code.ASKED))
            except OSError as error:
                raise Differs(f"the code has a socket that tells nothing ({error.strerror})") from error
        self._clock.happened(at)
        self._pieces.append((values, block.text, block.line))

    def _call(self, given: ReadCall, due: DueTime, event: ScriptEvent) -> None:
        self._beside.wait()  # what it opens is there only then
        prepared = prepare(given, self._calls)
        if given.call.end_ns is not None:
            self._begin(given, prepared, due, event)
            return
        self._wait(due, "system call")
        slept, began = _sleeps(), time.time_ns()
        result = self._limit.make(prepared.make)
        number, end = ctypes.get_errno(), time.time_ns()
        if _sleeps() == slept:  # what else it took is not the kernel's
            self._clock.acted()
        self._clock.happened(end - self._clock.begun)
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

        def judge(result: int, number: int, at: int, delay: int) -> None:
            self._judge(given, prepared, result, number, began[0], at)
            if wrong := self._clock.off(back, at - self._clock.begun, delay):
                raise Differs(f"{call.name} returned at another {wrong}", call.line)

        self._wait(due, "system call")
        self._beside.begin(make, judge)
        self._clock.acted()
        self._clock.happened(began[0] - self._clock.begun)

    def _judge(self, given: ReadCall, prepared: Prepared, result: int, number: int, began: int, end: int) -> None:
        call, wanted = given.call, given.expected
        name = errno.errorcode.get(number, str(number)) if result < 0 else ""
        self.timeline.add(Called(began, end, call.name, (), result, name, f"line {call.line}"))
        right = wanted is None or (result >= 0 if prepared.gives_descriptor and wanted >= 0 else result == wanted)
        if not right:
            raise Differs(f"{call.name} gave {result}{f' ({name})' if name else ''}, not {wanted}", call.line)
        if call.errno is not None and number != constant(call.errno, call.line):
            raise Differs(f"{call.name} failed with {name or number}, not {call.errno}", call.line)
        if (result >= 0 or prepared.checked_on_error) and (wrong := prepared.check()):
            raise Differs(f"{call.name}: {wrong}", call.line)

    def _mismatch(self, differs: Differs) -> Mismatch:
        line = differs.line or self._line
        text = self._lines[line - 1].strip() if 0 < line <= len(self._lines) else ""
        where = f"{self._path.name}:{line}"
        due = (Due(text),) if text else ()
        evidence = Evidence(expected=due, observed=str(differs), where=where, so_far=tuple(so_far(self.timeline)))
        return Mismatch(evidence)

    # -- what the recorder asks for, see ``Recordable``

    @property
    def namespace(self) -> Namespace:
        """That of the kernel under test."""
        return self._lab.kernel

    def finish(self) -> None:
        """Tell of what the kernel has sent and no line mentions; with ``strict``, wait for more, and it deviates.

        Raises:
            Mismatch: it has, and that counts.
        """
        again = [one.segment for one in self._answers.again]
        left = "; ".join(f"> {one}" for one in again or self._packets.left(QUIET.ns if self._strict else 0))
        if left and (self._strict or again):
            due = (Due("> nothing more"),)
            raise Mismatch(Evidence(expected=due, observed=left, so_far=tuple(so_far(self.timeline))))
        if left:
            self.timeline.add(Probed(time.time_ns(), "script", f"no line mentions {left}; --pkt-strict deviates there"))

    def explain(self, mismatch: Mismatch) -> None:
        """Nothing is known that does not stand in a failure already."""

    def account(self) -> Account:
        """What the run folder keeps beside the timeline."""
        judged, mutated = self._answers.judged, self._answers.mutated
        frames = self._lab.wire.frames
        return Account(frames=frames, replies=[], choices=[], judged=judged, mutated=mutated, counters={})

    def program(self, failure: BaseException | None, outcome: str) -> Program:  # noqa: ARG002
        """The script as steps, and as it is; how it ended it says itself."""
        told, _ = program_of(self._script, self._lines, self._options, beside(self._path))
        return msgspec.structs.replace(told, script="\n".join(self._lines) + "\n")


def _sleeps() -> int:
    """How often this thread has waited for something but a processor (getrusage(2))."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
