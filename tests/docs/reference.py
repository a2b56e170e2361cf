"""Writes the reference in docs/scenarios.md from docstrings and signatures: ``python -m tests.docs.reference``."""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import itertools
import re
import textwrap
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

import harness
from harness.plugin import cells, fixtures, markers, state_fixtures
from harness.tcp.timing import Span, format_ms

PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"
BEGIN, END = "<!-- reference: begin -->", "<!-- reference: end -->"
WIDTH = 100
FIRST = ("Session", "Connection", "Peer", "Endpoint", "TwoKernelSession", "KernelPair", "Path", "Pattern", "Reply")
"""The classes that nearly every scenario meets; the others follow by name."""
SECTIONS = {"Args:": "", "Returns:": "", "Raises:": "raises "}
PLUMBING = {"account", "explain", "program", "note_sent", "note_received", "let_go", "abandon", "conclude", "place"}
"""Public methods that the harness calls and a scenario never does."""


def reference() -> str:
    """The whole reference as Markdown."""
    return "\n".join((*_fixtures(), *_marks(), *_classes(), *_functions(), *_spans(), *_constants())).rstrip() + "\n"


def written(page: str) -> str:
    """A page with the reference between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{rest.partition(END)[2]}"


def public(kind: Callable[[object], bool]) -> dict[str, typing.Any]:
    """What ``from harness import *`` gives, of one kind, by name."""
    found = {name: getattr(harness, name) for name in harness.__all__}
    return {name: found[name] for name in sorted(found, key=str.lower) if kind(found[name])}


def members(kind: type) -> Iterator[tuple[str, typing.Any]]:
    """The public methods and properties of a class, inherited ones too, in the order of their source."""
    order = [name for one in kind.__mro__ if one.__module__.startswith("harness") for name in vars(one)]
    for name in dict.fromkeys(order):
        found = inspect.getattr_static(kind, name)
        if not name.startswith("_") and name not in PLUMBING and (callable(found) or isinstance(found, property)):
            yield name, found


def signature(name: str, function: Callable[..., object], *, bound: bool = False) -> str:
    """A call as somebody would type it, ``**fields`` written out, folded to the page."""
    try:
        hints = typing.get_type_hints(function)
    except NameError:  # a type that is imported for the type checker alone
        hints = {}
    told = inspect.signature(function)
    parts: list[str] = []
    starred = False
    for parameter in list(told.parameters.values())[bound:]:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred |= parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        fields = [kind for kind in typing.get_args(hints.get(parameter.name)) if typing.is_typeddict(kind)]
        if parameter.kind is parameter.VAR_KEYWORD and fields:
            own = fields[0].__annotations__
            parts += [f"{field}: {_plain(of)} = ..." for field, of in own.items()]
        else:
            parts.append(_parameter(parameter))
    returned = "" if told.return_annotation in (told.empty, "None", "Self") else f" -> {_plain(told.return_annotation)}"
    head = f"{name}("
    words = ", ".join(part.replace(" ", "\0") for part in parts)
    text = textwrap.fill(words, WIDTH - len(head), break_long_words=False, break_on_hyphens=False)
    folded = text.replace("\0", " ").replace("\n", "\n" + " " * len(head))
    return textwrap.indent(f"{head}{folded}){returned}", "    ")


def _parameter(parameter: inspect.Parameter) -> str:
    text = re.sub(r"<.*?>", "...", str(parameter).replace("'", ""))
    default = parameter.default
    if default is not inspect.Parameter.empty:
        named = default.name if isinstance(default, Span) else None
        text = f"{text.partition(' = ')[0]} = {named or _shown(default)}"
    return text


def _shown(value: object) -> str:
    if isinstance(value, type | enum.Enum) or callable(value):
        return getattr(value, "name", getattr(value, "__name__", "..."))
    text = repr(value).replace("'", '"')
    return text if len(text) < 30 else "..."


def _plain(annotation: object) -> str:
    found = re.fullmatch(r"ForwardRef\('(.*?)'.*\)", str(annotation))
    if found:
        return found[1]
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def doc(thing: object) -> list[str]:
    """A docstring as Markdown: arguments, what is returned and what is raised become one list."""
    text = re.sub(r"``(.+?)``", r"`\1`", inspect.getdoc(thing) or "")
    lines: list[str] = []
    section = ""
    for line in text.splitlines():
        if line in SECTIONS:
            section = line
            if lines[-2:-1] and lines[-2].startswith(("- ", "  ")):
                lines.pop()  # one list
        elif section and (found := re.match(r"    ([\w*]+): (.*)", line)):
            lines.append(f"- {SECTIONS[section]}`{found[1]}`: {found[2]}")
        elif section == "Returns:" and line:
            lines.append(f"  {line.strip()}" if lines[-1].startswith("- returns") else f"- returns: {line.strip()}")
        else:
            lines.append(f"  {line.strip()}" if section and line else line)
    return [*lines, ""]


def _entry(name: str, function: Callable[..., object], *, bound: bool = False) -> Iterator[str]:
    yield from (signature(name, function, bound=bound), "", *doc(function))


def _fixtures() -> Iterator[str]:
    yield from ("### Fixtures", "", "A scenario asks for these by naming them as arguments.", "")
    yield from ("| fixture | type | what it is |", "|---|---|---|")
    for name, function in fixture_functions().items():
        gives = _plain(inspect.signature(function).return_annotation)
        kind = re.sub(r"^Iterator\[(.*)\]$", r"\1", gives).replace("pathlib.", "")
        yield f"| `{name}` | `{kind}` | {_one_line(function)} |"
    yield ""


def fixture_functions() -> dict[str, Callable[..., object]]:
    """Every fixture that a scenario may name."""
    found = {}
    for module in (fixtures, state_fixtures, cells):
        for name, value in vars(module).items():
            function = getattr(value, "_fixture_function", None)
            if function is not None:
                found[name] = function
    return found


def _one_line(thing: object) -> str:
    text = " ".join((inspect.getdoc(thing) or "").split())
    return re.sub(r"``(.+?)``", r"`\1`", text).replace("|", r"\|")


def _marks() -> Iterator[str]:
    yield from ("### Marks", "")
    ready = _documented(markers.__name__)
    for name, mark in public(lambda one: getattr(one, "__module__", "") == markers.__name__ or _is_mark(one)).items():
        if _is_mark(mark):
            yield from (f"    @{name}", "", ready[name], "")
        else:
            yield from _entry(f"@{name}", mark)
    yield from _entry("@in_states", cells.in_states)


def _is_mark(one: object) -> bool:
    return type(one).__name__ == "MarkDecorator"


def _is_constant(one: object) -> bool:
    return not (isinstance(one, type | Span) or inspect.isfunction(one) or _is_mark(one))


def _classes() -> Iterator[str]:
    found = public(lambda one: isinstance(one, type))
    for name in (*FIRST, *(one for one in found if one not in FIRST)):
        kind = found[name]
        made = dataclasses.is_dataclass(kind) or hasattr(kind, "__struct_fields__")
        text = doc(kind)
        yield from (f"### {name}", "")
        if made:
            yield from (signature(name, kind), "")
        given = not made and not issubclass(kind, tuple)  # by a fixture or a call, so nobody needs to know of what
        yield from (text[: text.index("") + 1] if given else text)
        if issubclass(kind, enum.Flag | BaseException):
            continue
        for member, value in members(kind):
            if isinstance(value, property):
                told = value.fget.__annotations__.get("return", "") if value.fget else ""
                yield from (f"    {member}: {_plain(told)}", "", *doc(value))
            else:
                yield from _entry(member, getattr(kind, member), bound=inspect.isfunction(value))


def _functions() -> Iterator[str]:
    yield from ("### Functions", "")
    for name, function in public(inspect.isfunction).items():
        if function.__module__ != markers.__name__ and name != "in_states":
            yield from _entry(name, function)


def _spans() -> Iterator[str]:
    yield from ("### Spans of time", "", "| name | length | rests on |", "|---|---|---|")
    spans = public(lambda one: isinstance(one, Span))
    for name, span in sorted(spans.items(), key=lambda pair: pair[1].ns):
        yield f"| `{name}` | {format_ms(span.ns)} | {span.ground} |"
    yield ""


def _constants() -> Iterator[str]:
    yield from ("### Other names", "", "| name | value | what it is |", "|---|---|---|")
    documented = {name: text for module in harness._HOMES for name, text in _documented(module).items()}
    for name, value in public(_is_constant).items():
        text = " ".join(documented.get(name, "").split()).replace("|", r"\|")
        yield f"| `{name}` | {_value(value)} | {text} |"
    yield ""


def _value(value: object) -> str:
    if isinstance(value, harness.Flags):
        return f"`{int(value):#x}`"
    text = str(value) if not isinstance(value, str) else repr(value)
    return f"`{text}`" if len(text) < 40 and "<" not in text else ""


def _documented(module: str) -> dict[str, str]:
    """The texts that stand below assignments in a module."""
    body = ast.parse(inspect.getsource(importlib.import_module(module))).body
    found = {}
    for one, after in itertools.pairwise(body):
        text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
        if isinstance(text, str):
            for target in one.targets if isinstance(one, ast.Assign) else [getattr(one, "target", None)]:
                if isinstance(target, ast.Name):
                    found[target.id] = re.sub(r"``(.+?)``", r"`\1`", text)
    return found


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
