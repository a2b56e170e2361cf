"""Prints a program as Python: a scenario that does again what was done, and asserts the same results. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.program.steps import (
    AnyStep,
    Assign,
    Call,
    Enter,
    Expect,
    Fail,
    Joined,
    Leave,
    Look,
    Made,
    Octets,
    Program,
    Ref,
    Several,
    Unsaid,
    Value,
    names_used,
)
from harness.program.values import decoded
from harness.tcp import timing
from harness.tcp.segment import Flags
from harness.tcp.timing import Span

WIDTH = 110
FACE = frozenset(
    {
        *("ACK", "CWR", "ECE", "FIN", "NONE", "PSH", "RST", "SYN", "URG", "Flags", "Segment", "Pattern", "Between"),
        *(
            "AoKey",
            "Md5Key",
            "Envelope",
            "IpHeader",
            "Session",
            "TwoKernelSession",
            "Path",
            "FinwaitError",
            "Mismatch",
            "Unsupported",
        ),
        *("Span", "DELACK_MAX", "PROMPT", "QUIET", "RTO_INIT", "RTO_MIN"),
    }
)
"""What scenarios import from ``harness`` itself."""

_SHUT = {0: "socket.SHUT_RD", 1: "socket.SHUT_WR", 2: "socket.SHUT_RDWR"}
_SESSIONS = {"session": "Session", "path_session": "TwoKernelSession"}
_INDENT = "    "


def python(
    program: Program, scenario: str, origin: str = "as it ran", comments: Mapping[int, str] | None = None
) -> str:
    """The text of a module with one scenario, which ends as ``scenario`` did.

    Args:
        program: what it does.
        scenario: its id, or its name.
        origin: where it comes from.
        comments: of steps, by their place.
    """
    return _Printer(program, comments or {}).module(scenario, origin)


def function_name(scenario: str) -> str:
    """What the printed scenario is called: as its original, with its parameters."""
    function, _, parameters = scenario.partition("[")  # which may be an address, with :: in it
    name = re.sub(r"\W+", "_", f"{function.rpartition('::')[2]} {parameters}").strip("_") or "program"
    return name if name.startswith("test_") else f"test_{name}"


def unsaid_comment(step: Unsaid) -> str:
    """What stands at its place, on one line."""
    return " ".join(f"# cannot be said: {step.name}: {step.result or ''}".split()).removesuffix(":")


class _Printer:
    def __init__(self, program: Program, comments: Mapping[int, str]) -> None:
        self._program = program
        self._comments = comments
        self._used = names_used(program.steps)
        self._imports: dict[str, set[str]] = {}
        self._modules: set[str] = set()
        self._needs(_SESSIONS[program.topology])

    def _needs(self, name: str, home: str = "harness") -> str:
        self._imports.setdefault(home, set()).add(name)
        return name

    def _needs_module(self, name: str) -> None:
        self._modules.add(name)

    # -- the module

    def module(self, scenario: str, origin: str) -> str:
        """All of it."""
        body = self._body() or [f"{_INDENT}pass"]
        marks = [self._parametrized(name, value) for name, value in self._program.settings.items()]
        if self._program.waits:
            marks.append(f"@{self._needs('waits')}({self._program.waits!r})")
        if self._program.shared:
            marks.append("@" + self._needs("in_shared_lab"))
        topology = self._program.topology
        asked = [f"{topology}: {_SESSIONS[topology]}"]
        if "path" in self._used:
            asked.append(f"path: {self._needs('Path')}")
        head = [f"def {function_name(scenario)}({', '.join(asked)}) -> None:", *self._gaps()]
        imports = [f"import {name}" for name in sorted(self._modules - {"pytest"})]
        imports += ["", "import pytest"] if "pytest" in self._modules else []
        imports += [""] + [
            f"from {home} import {', '.join(sorted(names))}" for home, names in sorted(self._imports.items())
        ]
        title = f'"""{scenario.replace(chr(34), chr(39))}, {origin}."""'.replace("\\", "/")
        return "\n".join([title, "", *imports, "", "", *marks, *head, *body, ""]).replace('"""\n\n\n', '"""\n\n')

    def _gaps(self) -> list[str]:
        if not self._program.gaps:
            return []
        why = "; ".join(self._program.gaps)
        return [f"{_INDENT}raise {self._needs('FinwaitError')}({_quoted(f'not all of the scenario is here: {why}')})"]

    def _parametrized(self, name: str, value: bool | int) -> str:
        self._needs_module("pytest")
        return f'@pytest.mark.parametrize("{name}", [{value!r}])'

    def _body(self) -> list[str]:
        lines: list[str] = []
        depth = 1
        for number, step in enumerate(self._program.steps):
            if isinstance(step, Leave):
                if lines[-1].endswith(":"):
                    lines.append(_INDENT * depth + "pass")
                depth -= 1
                continue
            last = number == len(self._program.steps) - 1
            if comment := self._comments.get(number):
                lines.append(f"{_INDENT * depth}# {comment}")
            lines += [_INDENT * depth + line for line in self._statement(step, last=last)]
            depth += isinstance(step, Enter)
        return lines

    # -- statements

    def _statement(self, step: AnyStep, *, last: bool) -> list[str]:
        if isinstance(step, Fail | Unsaid):
            return [self._failure(step) if isinstance(step, Fail) else unsaid_comment(step)]
        if isinstance(step, Assign):
            return [f"{step.on}.{step.name} = {self.value(step.args[0])}"]
        call = self._call(step)
        if isinstance(step, Enter):
            return [f"with {call}:"]
        if step.error and not last:
            return self._raises(step, call)
        if not step.error and isinstance(step, Call | Look | Expect) and not step.gives and step.result is not None:
            return self._asserted(step, call)
        names = [name if name in self._used else "_" for name in step.gives]
        given = f"{', '.join(names)} = " if set(names) - {"_"} else ""
        return self._fitted(given, call, step)

    def _call(self, step: AnyStep) -> str:
        return f"{step.on}.{step.name}({', '.join(self._arguments(step))})"

    def _arguments(self, step: AnyStep) -> list[str]:
        if step.name == "shutdown" and len(step.args) == 1 and step.args[0] in _SHUT:
            self._needs_module("socket")
            return [_SHUT[int(step.args[0])]]
        return [*map(self.value, step.args), *(f"{name}={self.value(one)}" for name, one in step.named.items())]

    def _fitted(self, before: str, call: str, step: AnyStep, after: str = "") -> list[str]:
        if len(before) + len(call) + len(after) <= WIDTH or not (step.args or step.named):
            return [before + call + after]
        rows = [f"{_INDENT}{one}," for one in self._arguments(step)]
        return [f"{before}{step.on}.{step.name}(", *rows, f"){after}"]

    def _asserted(self, step: AnyStep, call: str) -> list[str]:
        if step.result is True or step.result is False:
            return self._fitted("assert " if step.result else "assert not ", call, step)
        sent = step.args[0] if step.args else None
        if isinstance(sent, Octets) and step.result == len(sent.data):
            return self._fitted("", call, step)  # all was taken, as everybody expects
        return self._fitted("assert ", call, step, f" == {self.value(step.result)}")

    def _raises(self, step: AnyStep, call: str) -> list[str]:
        if re.fullmatch(r"E[A-Z0-9]+", step.error):
            return [f'assert {self._needs("errno_of")}(lambda: {call}) == "{step.error}"']
        self._needs_module("pytest")
        known = step.error if step.error in FACE else "Exception"
        return [f"with pytest.raises({self._needs(known) if known in FACE else known}):", f"{_INDENT}{call}"]

    def _failure(self, step: Fail) -> str:
        text = _quoted(str(step.result))
        match step.name:
            case "deviates":
                self._needs_module("pytest")
                return f"pytest.fail({text})"
            case "unsupported":
                return f"raise {self._needs('Unsupported')}({text})"
        return f"raise {self._needs('FinwaitError')}({text})"

    # -- values

    def value(self, value: Value) -> str:  # noqa: PLR0911  (one for each kind)
        """An argument or a result as Python writes it."""
        match value:
            case Octets(data):
                return _octets(data)
            case Ref(path):
                return path
            case Joined(items):
                return "f" + _quoted("".join(_braced(one) for one in items))
            case Several(items):
                return f"({', '.join(map(self.value, items))}{',' * (len(items) == 1)})"
            case Made("Flags", fields):
                return self._flags(Flags(fields["value"]))  # type: ignore[arg-type]  # a number, by ``encoded``
            case Made("Span"):
                return self._span(decoded(value, str))
            case Made("MsgFlag", fields):
                return f"{self._needs('MsgFlag', 'socket')}({fields['value']})"
            case Made(kind, fields):
                self._needs(kind)
                first = [self.value(fields["flags"])] if kind == "Pattern" else []
                rest = [f"{name}={self.value(one)}" for name, one in fields.items() if not (first and name == "flags")]
                return f"{kind}({', '.join([*first, *rest])})"
            case str():
                return _quoted(value)
        return repr(value)

    def _flags(self, flags: Flags) -> str:
        names = [one.name for one in Flags if one & flags and one.name in FACE]
        if sum(Flags[name] for name in names if name) != flags:
            return f"{self._needs('Flags')}({int(flags):#x})"
        return " | ".join(self._needs(name) for name in names if name) or self._needs("NONE")

    def _span(self, span: Span) -> str:
        """A sum of named spans where it is one, so that the reader sees what it rests on."""
        terms = [re.fullmatch(r"(?:(\d+) \* )?([A-Z_0-9]+)", term) for term in span.name.split(" + ")]
        known = [(int(one[1] or 1), getattr(timing, one[2], None)) for one in terms if one]
        spans = [count * one for count, one in known if isinstance(one, Span)]
        if len(spans) == len(terms) and _same(_sum(spans), span):
            for one in terms:
                self._needs(one[2] if one else "")
            return span.name
        ground = f", {_quoted(span.ground)}" if span.ground else ""
        return f"{self._needs('Span')}({span.ns:_}, {_quoted(span.name)}{ground})"


def _sum(spans: list[Span]) -> Span:
    total = spans[0]
    for one in spans[1:]:
        total += one
    return total


def _same(one: Span, other: Span) -> bool:
    return (one.ns, one.ground) == (other.ns, other.ground)


def _quoted(text: str) -> str:
    shown = repr(text)
    return shown if '"' in shown or shown[0] == '"' else f'"{shown[1:-1]}"'


def _braced(part: str | Ref) -> str:
    return f"{{{part.path}}}" if isinstance(part, Ref) else part.replace("{", "{{").replace("}", "}}")


def _octets(data: bytes) -> str:
    if len(data) > 8 and len(set(data)) == 1:
        return f"bytes({len(data)})" if not data[0] else f"{_short(data[:1])} * {len(data)}"
    return _short(data)


def _short(data: bytes) -> str:
    return f"b{_quoted_bytes(repr(data)[1:])}"


def _quoted_bytes(shown: str) -> str:
    return shown if '"' in shown else f'"{shown[1:-1]}"'
