"""Which lines a patch changes of what was there."""

from __future__ import annotations

from textwrap import dedent

import pytest

from harness.code.changes import changed_lines
from harness.code.index import ChangedLines
from harness.errors import FinwaitError

HEAD = "--- a/net/ipv4/tcp.c\n+++ b/net/ipv4/tcp.c\n"
ACK = ChangedLines("net/ipv4/tcp.c", 11, 12)


def test_lines_that_are_replaced() -> None:
    assert changed_lines(HEAD + "@@ -10,4 +10,3 @@ int f(void)\n one\n-two\n-three\n+other\n four\n") == (ACK,)


def test_what_is_added_counts_for_the_line_before_it() -> None:
    assert changed_lines(HEAD + "@@ -10,2 +10,3 @@\n one\n+new\n two\n") == (ChangedLines("net/ipv4/tcp.c", 10, 10),)
    assert changed_lines(HEAD + "@@ -10,0 +11 @@\n+new\n") == (ChangedLines("net/ipv4/tcp.c", 10, 10),)
    assert changed_lines(HEAD + "@@ -10,2 +10,3 @@\n+new\n one\n two\n") == (ChangedLines("net/ipv4/tcp.c", 9, 9),)


@pytest.mark.parametrize("line", ["", "\t/* why */", "\t * more", "\t *", "\t */", "// why"])
def test_comments_and_blank_lines_change_nothing(line: str) -> None:
    assert changed_lines(HEAD + f"@@ -10,3 +10,3 @@\n one\n-{line}\n+\n two\n") == ()
    assert changed_lines(HEAD + f"@@ -10,2 +10,3 @@\n one\n+{line}\n two\n") == ()


def test_what_a_pointer_points_to_is_no_comment() -> None:
    assert changed_lines(HEAD + "@@ -10,2 +10,1 @@\n one\n-\t*len = 0;\n") == (ChangedLines("net/ipv4/tcp.c", 11, 11),)


def test_a_series_of_mails() -> None:
    mail = "From 1234 Mon Sep 17 00:00:00 2001\nSubject: [PATCH {}/2] tcp\n\nWhy.\n---\n net/ipv4/tcp.c | 1 -\n\n"
    diff = "diff --git a/net/ipv4/tcp.c b/net/ipv4/tcp.c\nindex 1..2 100644\n" + HEAD
    one = mail.format(1) + diff + "@@ -10,4 +10,2 @@\n one\n-two\n-three\n four\n-- \n2.39.5\n\n"
    two = mail.format(2) + diff.replace("tcp.c", "udp.c") + "@@ -3,2 +3,1 @@\n-a\n b\n-- \n2.39.5\n"
    assert changed_lines(one + two) == (ACK, ChangedLines("net/ipv4/udp.c", 3, 3))


def test_a_series_that_changes_one_file_twice() -> None:
    first, second = HEAD + "@@ -10,4 +10,2 @@\n one\n-two\n-three\n four\n", HEAD + "@@ -3,2 +3,1 @@\n-a\n b\n"
    assert changed_lines(first + second) == (ChangedLines("net/ipv4/tcp.c", 3, 3), ACK)


def test_a_file_that_is_new_has_no_lines_of_before() -> None:
    new = "--- /dev/null\n+++ b/net/ipv4/new.c\n@@ -0,0 +1,2 @@\n+one\n+two\n"
    assert changed_lines(new) == ()


def test_a_file_that_is_moved_has_its_lines_under_its_name_of_before() -> None:
    head = (
        "diff --git a/net/ipv4/tcp.c b/net/ipv4/tcp_new.c\nrename from net/ipv4/tcp.c\nrename to net/ipv4/tcp_new.c\n"
    )
    moved = head + HEAD.replace("+++ b/net/ipv4/tcp.c", "+++ b/net/ipv4/tcp_new.c")
    assert changed_lines(moved + "@@ -10,4 +10,2 @@\n one\n-two\n-three\n four\n") == (ACK,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a letter\n",
        dedent("""\
    --- a/x.c
    +++ b/x.c
    @@ -1,5 +1,5 @@
     one
"""),
    ],
)
def test_what_is_no_patch(text: str) -> None:
    with pytest.raises(FinwaitError, match="git format-patch"):
        changed_lines(text)
