"""Cuts a packetdrill script into tokens, replaces the symbols of ``-D``, and says where one was not expected. Pure.

By hand: what a run of characters is depends on the longest rule that takes it (``1:1(0)`` and ``1::1``, ``1...2`` and
``1.2``), and what a line expects depends on the words before, of which no word is reserved.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, NoReturn

from harness.errors import FinwaitError

MOST_DIGITS = 19  # of a number of 64 bits

_HEX = r"[0-9a-fA-F]{1,4}"
_PATTERN = re.compile(
    rf"""
      (?P<blank>[ \t\r\n]+ | //[^\n]* | /\*.*?\*/)
    | (?P<directive>^\#[ \t]*(?:ifdef|ifndef|else|endif)\b[^\n]*)
    | (?P<code>%\{{.*?\}}%)
    | (?P<text>"(?:\\.|[^"\\])*")
    | (?P<backticks>`(?:\\.|[^`\\])*`)
    | (?P<unclosed>["`] | %\{{ | /\*)
    | (?P<ipv6>(?:(?:{_HEX}:){{7}}{_HEX} | (?:{_HEX}(?::{_HEX})*)?::(?:{_HEX}(?::{_HEX})*)?(?:(?<=:)\d+(?:\.\d+){{3}})?)
        (?![0-9a-zA-Z_]))
    | (?P<ipv4>\d+\.\d+\.\d+\.\d+)
    | (?P<option>--[a-zA-Z0-9_]+)
    | (?P<decimal>-?\d*\.\d+)
    | (?P<hex>0x[0-9a-fA-F]+(?![0-9a-zA-Z_]))
    | (?P<number>-\d+ | \d+(?![0-9a-zA-Z_]))
    | (?P<word>[a-zA-Z0-9_]+)
    | (?P<sign>\.\.\. | .)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE | re.ASCII,
)
_CLOSING = {'"': '"', "`": "`", "%{": "}%", "/*": "*/"}
_SAID = {"text": "a text", "backticks": "a command", "code": "a block of code"}


class ScriptError(FinwaitError):
    """A script that packetdrill's language does not allow, as one line: ``file:line:column: expected X, saw Y``."""


class Token(NamedTuple):
    """A piece of a script: what it is, its characters, where they begin, and the symbol that they stand for."""

    kind: str
    text: str
    offset: int
    symbol: str = ""


class Tokens:
    """The tokens of a script, one of which is the next.

    Args:
        text: the script.
        name: what it is called in errors.
    """

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._found = [
            Token(match.lastgroup or "", match[0], match.start())
            for match in _PATTERN.finditer(text)
            if match.lastgroup != "blank"
        ]
        self._found.append(Token("end", "", len(text)))
        self._at = 0
        self.next = self._found[0]

    def define(self, symbols: Mapping[str, str]) -> None:
        """Replace these symbols from here on, and pass over the lines of a condition that does not hold."""
        rest = self._found[self._at :]
        if any(token.kind == "directive" for token in rest):
            rest = list(self._that_hold(rest, symbols))
        if symbols:
            rest = [_replaced(token, symbols) for token in rest]
        self._found[self._at :] = rest
        self.next = rest[0]

    def at(self, *texts: str) -> bool:
        """Whether the next token is one of these words or signs."""
        kind, text, *_ = self.next
        return text in texts and kind in ("word", "sign")

    def take(self) -> Token:
        """The next token, which is the next no more."""
        token = self.next
        if token.kind in ("end", "unclosed"):
            self.fail("more")
        self._at += 1
        self.next = self._found[self._at]
        return token

    def skip(self, text: str) -> bool:
        """Take this word or sign if it is the next token."""
        found = self.at(text)
        if found:
            self.take()
        return found

    def need(self, *texts: str) -> None:
        """Take these words and signs, one after the other."""
        for text in texts:
            if not self.skip(text):
                self.fail(f"'{text}'")

    def kind(self, kind: str, expected: str) -> str:
        """The characters of the next token, which has to be of this kind."""
        if self.next.kind != kind:
            self.fail(expected)
        return self.take().text

    def number(self, expected: str, least: int = 0, most: int = 2**32 - 1) -> int:
        """The next token, a whole number from ``least`` to ``most``."""
        token = self.next
        digits = token.text.lstrip("-")
        if token.kind not in ("number", "hex"):
            self.fail(expected)
        value = int(token.text, 16 if token.kind == "hex" else 10) if len(digits) <= MOST_DIGITS else most + 1
        if not least <= value <= most:
            self.fail(f"{expected} from {least} to {most}")
        self.take()
        return value

    def place(self) -> tuple[int, int]:
        """Line and column of the next token, from 1."""
        offset = self.next.offset
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def fail(self, expected: str, at: tuple[int, int] | None = None, saw: str = "") -> NoReturn:
        """Say what was expected.

        Args:
            at: line and column if not those of the next token.
            saw: what was there if not the next token.

        Raises:
            ScriptError: always.
        """
        token = self.next
        if token.kind == "unclosed":
            expected, saw, at = f"'{_CLOSING[token.text]}' behind '{token.text}'", "the end of the script", None
        line, column = at or self.place()
        symbol = not saw and token.kind == "word" and token.text.isupper() and not token.symbol
        what = f"{self._name}:{line}:{column}: expected {expected}, saw {saw or _said(token)}"
        raise ScriptError(what, hint=f"-D {token.text}=..., if that is a symbol" if symbol else "")

    def _that_hold(self, tokens: Iterable[Token], symbols: Mapping[str, str]) -> Iterator[Token]:
        conditions: list[bool] = []
        for token in tokens:
            self.next = token
            if token.kind != "directive":
                if token.kind == "end" and conditions:
                    self.fail("#endif")
                if all(conditions):
                    yield token
                continue
            directive, *names = token.text.lstrip("# \t").split()
            if directive in ("ifdef", "ifndef"):
                if not names:
                    self.fail(f"a symbol behind #{directive}")
                conditions.append((names[0] in symbols) == (directive == "ifdef"))
            elif not conditions:
                self.fail("#ifdef before it", saw=f"#{directive}")
            elif directive == "else":
                conditions[-1] = not conditions[-1]
            else:
                conditions.pop()


def _said(token: Token) -> str:
    if token.kind == "end":
        return "the end of the script"
    if token.kind in _SAID:
        return _SAID[token.kind]
    shown = "".join(letter if letter.isprintable() else "?" for letter in (token.symbol or token.text)[:40])
    return f"'{shown}'" + (f" (defined as '{token.text[:40]}')" if token.symbol else "")


def _replaced(token: Token, symbols: Mapping[str, str]) -> Token:
    if token.kind != "word" or token.text not in symbols:
        return token
    value = symbols[token.text]
    match = _PATTERN.fullmatch(value)
    kind = match.lastgroup if match and match.lastgroup in ("text", "backticks", "number", "hex") else "word"
    return Token(kind, value, token.offset, token.text)
