"""One-line changes of a kernel's source."""

from __future__ import annotations

import pytest

from harness.code.changes import changed_lines
from harness.code.index import ChangedLines, CodeFile, CodeIndex, packed
from harness.code.mutants import drawn, mutants_of

FILE = "net/ipv4/tcp.c"


def changes(line: str, before: str = "") -> dict[str, str]:
    """What becomes of a line, by what is changed in it."""
    return {one.after.strip(): one.kind for one in mutants_of(FILE, f"{before}\n{line}\n", [2])}


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("\tif (a < b)", {"if (a <= b)": "comparison"}),
        ("\tif (a >= b)", {"if (a > b)": "comparison"}),
        ("\tx = a == b;", {"x = a != b;": "comparison"}),
        ("\tif (tp->urg_data)", {"if (!tp->urg_data)": "condition"}),
        ("\tif (!skb)", {"if (skb)": "condition"}),
        ("\tx = a && b;", {"x = a || b;": "condition"}),
        ("\tif (before(a, b))", {"if (after(a, b))": "comparison", "if (!before(a, b))": "condition"}),
        ("\tx = end + 1;", {"x = end;": "off by one"}),
        ("\treturn true;", {"return false;": "flag"}),
        ("\ttp->ecn_flags &= ~TCP_ECN_OK;", {"tp->ecn_flags |= TCP_ECN_OK;": "flag"}),
        ("\ttcp_send_ack(sk);", {";": "dropped call"}),
        ("\tx = p->next << 1;", {}),
        ("\tNET_INC_STATS(net, LINUX_MIB_X);", {}),
        ("\trcu_read_unlock();", {}),
        ("\t * a < b in a comment", {}),
        ("#define X(a) (a < 1)", {}),
        ("\tx = a; /* where b < c */", {}),
    ],
)
def test_what_becomes_of_a_line(line: str, after: dict[str, str]) -> None:
    assert changes(line) == after


def test_the_rest_of_an_expression_is_no_call_to_drop() -> None:
    assert changes("\t\ttcp_mss(sk);", before="\tx = y +") == {}


def test_a_change_is_a_patch_of_its_line() -> None:
    text = "".join(f"line {number};\n" for number in range(1, 20)) + "\tif (a < b)\n\t\treturn 0;\n"
    (mutant,) = mutants_of(FILE, text, [20])
    patch = mutant.patch(text)
    assert "-\tif (a < b)\n+\tif (a <= b)\n" in patch
    assert changed_lines(patch) == (ChangedLines(FILE, 20, 20),)


def test_they_are_drawn_by_a_seed_from_lines_that_are_reached() -> None:
    text = "\tif (a < b)\n" * 50
    lines = {number: number % 2 for number in range(1, 51)}
    index = CodeIndex("7.2", ("t",), {FILE: CodeFile((), lines)}, (packed(1), packed(0)))
    first = drawn(index, {FILE: text}, 10, seed=1)
    assert first == drawn(index, {FILE: text}, 10, seed=1) != drawn(index, {FILE: text}, 10, seed=2)
    assert len(first) == 10
    assert {one.line % 2 for one in first} == {0}
    assert len(drawn(index, {FILE: text}, 1000, seed=1)) == 25
