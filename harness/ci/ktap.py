"""A run as KTAP, version 1, as the kernel's Documentation/dev-tools/ktap.rst has it and kunit.py parses it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.ci.wording import headline
from harness.trace.names import file_of, theme_of
from harness.trace.records import Result
from harness.trace.result_kind import ResultKind, kind_of
from harness.trace.runs import LoadedRun

_VERSION = "KTAP version 1"
_DIRECTIVES = {ResultKind.UNSUPPORTED: "SKIP", ResultKind.KNOWN: "XFAIL", ResultKind.LOST: "ERROR"}


def ktap(run: LoadedRun) -> str:
    """A test for each theme, and a subtest for each scenario; what is known is ``ok`` and ``XFAIL``.

    A packetdrill script is a test of its own, and each IP version a subtest, by the names that the kernel's
    ksft_runner.sh gives them (tools/testing/selftests/net/packetdrill).
    """
    tests: dict[str, list[Result]] = {}
    for result in run.results.values():
        tests.setdefault(_script(result) or theme_of(result.scenario), []).append(result)
    lines = [_VERSION, f"1..{len(tests)}"]
    for number, (test, results) in enumerate(tests.items(), 1):
        name = _name(test.rpartition("/")[2])
        inside = [_VERSION, f"# Subtest: {name}", f"1..{len(results)}"]
        for place, result in enumerate(results, 1):
            inside += _result(place, result)
        lines += [f"    {line}" for line in inside]
        failed = any(kind_of(result).fails for result in results)
        lines.append(f"{'not ok' if failed else 'ok'} {number} {name}")
    return "\n".join(lines) + "\n"


def _script(result: Result) -> str:
    """The packetdrill script that it is of; empty for another scenario."""
    file = file_of(result.scenario)
    return file if file.endswith(".pkt") else ""


def _result(number: int, result: Result) -> Iterator[str]:
    kind = kind_of(result)
    if kind.fails:
        # set in, or a line of it may be read as the head of a subtest
        yield from (f"#   {line}" for line in f"{result.message}\n{headline(result)}".splitlines() if line)
    file, _, test = result.scenario.partition("::")
    told_apart = result.params.get("ip_version", "") if _script(result) else ""
    name = _name(told_apart or f"{file.rpartition('/')[2].removesuffix('.py')}.{test}")
    directive = _DIRECTIVES.get(kind, "")
    told = f" # {directive} {_line(headline(result))}" if directive else ""
    yield f"{'not ok' if kind.fails else 'ok'} {number} {name}{told}"


def _name(text: str) -> str:
    """Without what begins a directive."""
    return _line(text).replace("#", "_")


def _line(text: str) -> str:
    return " ".join(text.split())
