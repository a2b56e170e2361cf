"""The list of what has no scenario: of rows that exist, each with a reason, and none that a scenario cites."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
LISTED = tomllib.loads((CHECKOUT / "scenarios" / "untested.toml").read_text())["untested"]
ID = re.compile(r"(FSM|RFC\d+)-[\w.-]+")
BEGINS_AN_ID = re.compile(r"(FSM|RFC\d+)-[\w.-]*")


def scenarios() -> Iterator[ast.AST]:
    """Everything in the scenarios' modules."""
    for path in (CHECKOUT / "scenarios").rglob("*.py"):
        yield from ast.walk(ast.parse(path.read_text(), path))


def put_together(node: ast.AST) -> bool:
    """Whether an id is made of pieces here, so that nobody finds it by its name."""
    match node:
        case ast.JoinedStr(values=[ast.Constant(value=str(first)), ast.FormattedValue(), *_]):
            return BEGINS_AN_ID.fullmatch(first) is not None
        case ast.BinOp(left=ast.Constant(value=str(first)), op=ast.Add() | ast.Mod()):
            return BEGINS_AN_ID.match(first) is not None
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(first)), attr="format" | "join")):
            return BEGINS_AN_ID.match(first) is not None
    return False


def test_each_reason_is_more_than_a_word() -> None:
    assert all(len(entry["reason"].split()) > 4 for entry in LISTED)


def test_what_a_scenario_cites_is_not_listed() -> None:
    strings = {node.value for node in scenarios() if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    cited = {one for one in strings if ID.fullmatch(one)}
    assert "FSM-099" in cited
    assert cited & {one for entry in LISTED for one in entry["ids"]} == set()


def test_every_id_is_written_out_where_it_is_cited() -> None:
    assert [ast.unparse(node) for node in scenarios() if put_together(node)] == []


@pytest.mark.parametrize(
    "source", ['f"FSM-{n:03}"', '"RFC9293-E-" + str(n)', '"FSM-%03d" % n', '"FSM-{:03}".format(n)']
)
def test_an_id_that_is_put_together_is_noticed(source: str) -> None:
    assert put_together(ast.parse(source, mode="eval").body)
