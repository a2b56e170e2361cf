"""A script as a program of the house, step by step; what no step says is named at its place.

A scenario judges a little less than a script: PSH that comes unasked, the order of options and their padding, the value
of timestamps and the moment of a call are left open, and what comes behind the last line is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.packetdrill.call_steps import CallSteps
from harness.packetdrill.clock import tolerance
from harness.packetdrill.code import compared
from harness.packetdrill.draft import Draft
from harness.packetdrill.lab_settings import RELEASED, UNPINNED, settings
from harness.packetdrill.packet_steps import PacketSteps
from harness.packetdrill.script import CodeBlock, EventTime, Script, ScriptEvent, ShellCommand, SystemCall
from harness.packetdrill.settings import RunOptions
from harness.program.steps import Call, Program, Value, Wait
from harness.tcp.timing import PROMPT, QUIET
from harness.trace.inbox import ASKING
from netns.conditions import Kind, Settings, in_effect, values

_CHOICE = "net/ipv4/tcp_congestion_control"
_MTU = 1500
_SHOWN = 60


def program_of(
    script: Script, lines: Sequence[str], options: RunOptions, read: Callable[[str], str | None]
) -> tuple[Program, tuple[str, ...]]:
    """The program, and all that it does not say, in order.

    Args:
        script: which.
        lines: its text.
        options: what it is run with.
        read: a file that its commands name, by its path beside the script; None where there is none.
    """
    return _Translator(script, lines, options, read).whole()


def beside(path: Path) -> Callable[[str], str | None]:
    """What reads the files that the commands of the script ``path`` name."""

    def read(name: str) -> str | None:
        try:
            return (path.parent / name).read_text(errors="surrogateescape")
        except OSError:
            return None

    return read


class _Translator:
    def __init__(
        self, script: Script, lines: Sequence[str], options: RunOptions, read: Callable[[str], str | None]
    ) -> None:
        self._script = script
        self._lines = lines
        self._read = read
        self._draft = Draft(options)
        calls = [event.action for event in script.events if isinstance(event.action, SystemCall)]
        self._calls = CallSteps(self._draft, calls)
        self._packets = PacketSteps(self._draft)
        self._named: set[str] = set()
        self._set = {**RELEASED, **values(in_effect(Settings.FREE), Kind.SYSCTL)}

    def whole(self) -> tuple[Program, tuple[str, ...]]:
        draft = self._draft
        if draft.options.mtu != _MTU or draft.options.mapped:
            draft.unsaid("the lab of the script", f"MTU {draft.options.mtu}" + ", mapped" * draft.options.mapped)
        if self._script.init is not None:
            self._command(self._script.init)
        for name in sorted(UNPINNED.keys() - self._named):
            draft.steps.append(Call(on="session", name="sysctl", args=(name, UNPINNED[name])))
        for event in self._script.events:
            self._event(event)
        self._calls.end()
        if draft.peer:
            draft.steps.append(Wait(on=draft.peer, name="collect", args=(QUIET.ns / 1e9,)))
        if self._script.cleanup is not None:
            for command in settings(self._script.cleanup.text, self._read):
                if not command.name:
                    draft.unsaid("a command", command.value)
        given: dict[str, bool | int] = {"hold_timers": False}
        if draft.options.version == 6:
            given["ip_version"] = 6
        gaps = tuple(what for what, needed in draft.lacking.items() if needed)
        return Program(settings=given, steps=tuple(draft.steps), gaps=gaps), tuple(draft.lacking)

    def _event(self, event: ScriptEvent) -> None:
        draft, action = self._draft, event.action
        start = self._start(event.time)
        draft.event_start = event.time.start_ns
        self._calls.end(before=None if isinstance(action, SystemCall) else start)
        text = f"{self._lines[event.line - 1].strip()[:_SHOWN]} (line {event.line})"
        outbound = not isinstance(action, SystemCall | ShellCommand | CodeBlock) and not action.inbound
        bounds = self._bounds(event.time, start) if outbound else {}
        if not outbound:
            draft.wait(start - draft.now)
        draft.now = start
        match action:
            case SystemCall():
                self._calls.write(action, text)
                if action.name in ASKING:
                    return
            case ShellCommand():
                self._command(action)
                return
            case CodeBlock():
                self._code(action, text)
                return
            case _:
                if not draft.peer:
                    draft.new_peer()
                self._packets.write(action, text, bounds)
        draft.cause = start

    def _code(self, block: CodeBlock, text: str) -> None:
        """What a block asserts of the socket whose packets the script's are."""
        names = [one.name for one in self._draft.sockets.values() if one.peer and one.peer == self._draft.peer]
        told = compared(block.text)
        if told is None or not names:
            self._draft.unsaid("code", text)
            return
        calls = (Call(on=names[-1], name="tcp_info", args=(field,), result=value) for field, value in told)
        self._draft.steps.extend(calls)

    def _start(self, time: EventTime) -> int:
        if time.kind == "any":
            return self._draft.now
        return time.start_ns + (self._draft.now if time.kind.startswith("relative") else 0)

    def _bounds(self, time: EventTime, start: int) -> dict[str, Value]:
        """What a step says of the time of a segment of the kernel's, which counts from what may have caused it."""
        if time.kind == "any":
            return {"within": None}
        draft = self._draft
        end = start + (time.end_ns - time.start_ns if time.end_ns is not None else 0)
        off = tolerance(draft.options.tolerance_ns, start - draft.now)
        least, most = start - off - draft.cause, end + off - draft.cause
        found: dict[str, Value] = {}
        if most > PROMPT.ns:
            found["within"] = most / 1e9
        if least > 0:
            found["at_least"] = least / 1e9
        return found

    def _command(self, command: ShellCommand) -> None:
        for name, value in settings(command.text, self._read):
            self._named.add(name)
            if not name:
                self._draft.unsaid("a command", f"{value} (line {command.line})")
            elif name == _CHOICE:
                self._draft.choice = value
            elif self._set.get(name, "").split() != value.split():
                self._set[name] = value
                self._draft.steps.append(Call(on="session", name="sysctl", args=(name, value)))
