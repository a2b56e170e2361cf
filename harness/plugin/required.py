"""Which of the alternatives that a scenario declares it requires afterwards; the others show what they cost."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from types import FrameType

from harness.plugin.mistakes import scenario_frames


def required(error: BaseException) -> frozenset[str]:
    """The names that ``require`` has of the reply that a step would have given; empty where it requires none.

    It is ``reply = peer.expect_one_of(...)`` with ``reply.require("accepted")`` below, or the two in one.
    """
    for frame, line in scenario_frames(error):
        if found := _required(frame, line):
            return found
    return frozenset()


def _required(frame: FrameType, line: int) -> frozenset[str]:
    try:
        lines, first = inspect.getsourcelines(frame.f_code)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, SyntaxError):  # a program's text that is in no file
        return frozenset()
    at = line - max(first, 1) + 1
    reply = {
        one.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _covers(node, at)
        for one in node.targets
        if isinstance(one, ast.Name)
    }
    judged = [call for call, of in _requires(tree) if (isinstance(of, ast.Name) and of.id in reply) or _covers(of, at)]
    names = [call.args[0].value for call in judged if call.args and isinstance(call.args[0], ast.Constant)]
    return frozenset(map(str, names)) if len(names) == len(judged) else frozenset()


def _requires(tree: ast.AST) -> Iterator[tuple[ast.Call, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "require":
            yield node, node.func.value


def _covers(node: ast.expr | ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)
