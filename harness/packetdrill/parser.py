"""Reads a whole packetdrill script: options, commands, events and their times. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from harness.packetdrill.lexer import Tokens
from harness.packetdrill.read_expressions import expression, expressions
from harness.packetdrill.read_packets import packet
from harness.packetdrill.script import (
    Action,
    CodeBlock,
    EventTime,
    IcmpPacket,
    Script,
    ScriptEvent,
    ScriptOption,
    ShellCommand,
    SystemCall,
    TcpPacket,
    UdpPacket,
)

_NANO = 10**9
_MOST_SECONDS = 10**9
_VALUES = ("number", "hex", "decimal", "word", "text", "ipv4", "ipv6")


def parse(text: str, name: str, defines: Mapping[str, str] | None = None) -> Script:
    """Read a script.

    Args:
        text: the script, of FreeBSD's packetdrill too.
        name: what errors call it.
        defines: symbols, as ``-D`` gives them, each with what stands for it: a number, a word, or a text or command
            in its quotation marks. They win over the script's own.

    Raises:
        ScriptError: it is no script.
    """
    tokens = Tokens(text, name)
    options = []
    while tokens.next.kind == "option":
        options.append(_option(tokens))
    own = dict(option.value.split("=", 1) for option in options if option.name == "define" and option.value is not None)
    symbols = {**own, **(defines or {})}
    tokens.define(symbols)
    init = _command(tokens) if tokens.next.kind == "backticks" else None
    events = []
    while tokens.next.kind not in ("end", "backticks"):
        events.append(_event(tokens))
    if not events:
        tokens.fail("an event")
    cleanup = _command(tokens) if tokens.next.kind == "backticks" else None
    if tokens.next.kind != "end":
        tokens.fail("nothing behind the command that cleans up")
    return Script(options=tuple(options), defines=symbols, init=init, events=tuple(events), cleanup=cleanup)


def _option(tokens: Tokens) -> ScriptOption:
    """``--name``, ``--name=value``, ``--define=NAME=value``."""
    line, column = tokens.place()
    name = tokens.take().text.removeprefix("--")
    if not tokens.skip("="):
        return ScriptOption(line=line, column=column, name=name)
    if name == "define":
        symbol = tokens.kind("word", "a symbol")
        tokens.need("=")
        if tokens.next.kind not in (*_VALUES, "backticks"):
            tokens.fail("what stands for the symbol")
        return ScriptOption(line=line, column=column, name=name, value=f"{symbol}={tokens.take().text}")
    if tokens.next.kind not in _VALUES:
        tokens.fail("a value")
    token = tokens.take()
    return ScriptOption(
        line=line, column=column, name=name, value=token.text[1:-1] if token.kind == "text" else token.text
    )


def _event(tokens: Tokens) -> ScriptEvent:
    line, column = tokens.place()
    time = _time(tokens)
    action = _action(tokens)
    sent = isinstance(action, TcpPacket | UdpPacket | IcmpPacket) and not action.inbound
    if not sent and time.kind not in ("absolute", "relative"):
        seen = "'*'" if time.kind == "any" else "a range"
        tokens.fail("one time: only an outbound packet may have several", (line, column), seen)
    return ScriptEvent(line=line, column=column, time=time, action=action)


def _time(tokens: Tokens) -> EventTime:
    line, column = tokens.place()
    if tokens.skip("*"):
        return EventTime(line=line, column=column, kind="any")
    relative = tokens.skip("+")
    start = _span(tokens)
    if not tokens.skip("~"):
        return EventTime(line=line, column=column, kind="relative" if relative else "absolute", start_ns=start)
    if relative:
        tokens.need("+")
    place = tokens.place()
    end = _span(tokens)
    if end < start:
        tokens.fail("a range that ends after it begins", place, "one that runs backwards")
    return EventTime(
        line=line,
        column=column,
        kind="relative range" if relative else "absolute range",
        start_ns=start,
        end_ns=end,
    )


def _span(tokens: Tokens) -> int:
    """Seconds, as nanoseconds."""
    kind, text, *_ = tokens.next
    whole, _, rest = text.partition(".")
    if kind not in ("number", "decimal") or text.startswith("-") or len(whole) > len(str(_MOST_SECONDS)):
        tokens.fail("a time in seconds")
    tokens.take()
    return int(whole or "0") * _NANO + int(rest[:9].ljust(9, "0"))


def _action(tokens: Tokens) -> Action:
    line, column = tokens.place()
    if tokens.at("<", ">"):
        return packet(tokens)
    if tokens.next.kind == "backticks":
        return _command(tokens)
    if tokens.next.kind == "code":
        return CodeBlock(line=line, column=column, text=tokens.take().text[2:-2].strip(" \t"))
    if tokens.next.kind == "word" or tokens.at("..."):
        return _call(tokens)
    return tokens.fail("a packet (< or >), a system call, a command in backticks or %{ code }%")


def _command(tokens: Tokens) -> ShellCommand:
    line, column = tokens.place()
    return ShellCommand(line=line, column=column, text=tokens.take().text[1:-1])


def _call(tokens: Tokens) -> SystemCall:
    line, column = tokens.place()
    end = _span(tokens) if tokens.skip("...") else None
    name = tokens.kind("word", "the name of a system call")
    tokens.need("(")
    arguments = expressions(tokens, ")")
    tokens.need("=")
    result = expression(tokens)
    errno = tokens.take().text if tokens.next.kind == "word" else None
    note = _note(tokens) if tokens.skip("(") else None
    return SystemCall(
        line=line,
        column=column,
        name=name,
        arguments=arguments,
        result=result,
        end_ns=end,
        errno=errno,
        note=note,
    )


def _note(tokens: Tokens) -> str:
    words = []
    while tokens.next.kind in ("word", "number"):
        words.append(tokens.take().text)
    if not tokens.skip(")"):
        tokens.fail("words and ')'")
    return " ".join(words)
