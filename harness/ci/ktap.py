"""A run as KTAP, version 1, as the kernel's Documentation/dev-tools/ktap.rst has it and kunit.py parses it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.ci.wording import headline
from harness.trace.names import theme_of
from harness.trace.records import Result
from harness.trace.result_kind import ResultKind, kind_of
from harness.trace.runs import LoadedRun

_VERSION = "KTAP version 1"
_DIRECTIVES = {ResultKind.UNSUPPORTED: "SKIP", ResultKind.KNOWN: "XFAIL", ResultKind.LOST: "ERROR"}


def ktap(run: LoadedRun) -> str:
    """A test for each theme, and a subtest for each scenario; what is known is ``ok`` and ``XFAIL``."""
    themes: dict[str, list[Result]] = {}
    for result in run.results.values():
        themes.setdefault(theme_of(result.scenario), []).append(result)
    lines = [_VERSION, f"1..{len(themes)}"]
    for number, (theme, results) in enumerate(themes.items(), 1):
        inside = [_VERSION, f"# Subtest: {_name(theme)}", f"1..{len(results)}"]
        for place, result in enumerate(results, 1):
            inside += _result(place, result)
        lines += [f"    {line}" for line in inside]
        failed = any(kind_of(result).fails for result in results)
        lines.append(f"{'not ok' if failed else 'ok'} {number} {_name(theme)}")
    return "\n".join(lines) + "\n"


def _result(number: int, result: Result) -> Iterator[str]:
    kind = kind_of(result)
    if kind.fails:
        # set in, or a line of it may be read as the head of a subtest
        yield from (f"#   {line}" for line in f"{result.message}\n{headline(result)}".splitlines() if line)
    file, _, test = result.scenario.partition("::")
    name = _name(f"{file.rpartition('/')[2].removesuffix('.py')}.{test}")
    directive = _DIRECTIVES.get(kind, "")
    told = f" # {directive} {_line(headline(result))}" if directive else ""
    yield f"{'not ok' if kind.fails else 'ok'} {number} {name}{told}"


def _name(text: str) -> str:
    """Without what begins a directive."""
    return _line(text).replace("#", "_")


def _line(text: str) -> str:
    return " ".join(text.split())
