"""A packetdrill script is read as its language means it, or refused in one line that says where and why."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.packetdrill.expressions import (
    Anything,
    Array,
    BitOr,
    Expression,
    InternetAddress,
    Number,
    PortNumber,
    Structure,
    Text,
    Word,
)
from harness.packetdrill.lexer import ScriptError
from harness.packetdrill.parser import parse
from harness.packetdrill.script import Action, IcmpPacket, Script, SystemCall, TcpPacket
from harness.program.packetdrill import packetdrill
from harness.program.steps import Program
from tests.program.programs import recorded

SCRIPTS = sorted((Path(__file__).parents[1] / "data" / "packetdrill").glob("*.pkt"))
WORDS = next(path for path in SCRIPTS if path.stem == "words").read_text()
_PLACE = re.compile(r"x\.pkt:[1-9]\d*:[1-9]\d*: expected [^\n]+, saw [^\n]+")


def _action(line: str, **defines: str) -> Action:
    return parse(f"0 {line}", "x.pkt", defines).events[0].action


def _packet(line: str) -> TcpPacket:
    return cast("TcpPacket", _action(line))


def _call(line: str, **defines: str) -> SystemCall:
    return cast("SystemCall", _action(line, **defines))


def _argument(text: str, **defines: str) -> Expression:
    return _call(f"f({text}) = 0", **defines).arguments[0]


def _is_read_or_refused(text: str) -> None:
    said = ""
    try:
        parse(text, "x.pkt")
    except ScriptError as error:
        said = error.what
    assert not said or _PLACE.fullmatch(said), said


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_of_all_that_there_is_can_be_read(path: Path) -> None:
    script = parse(path.read_text(), path.name)
    assert msgspec.json.decode(msgspec.json.encode(script), type=Script) == script


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_prefix_of_a_script_is_read_or_refused_in_a_line(path: Path) -> None:
    text = path.read_text()
    for length in range(len(text)):
        _is_read_or_refused(text[:length])


@given(st.randoms(use_true_random=False))
def test_an_altered_script_is_read_or_refused_in_a_line(chance: random.Random) -> None:
    letters = list(WORDS)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(letters))
        end = at + chance.randint(0, 4)
        letters[at:end] = chance.choice(
            ["", *'0~+*<>[]{}()"`%.,:#\n', "\0", "...", "65536", "S", letters[at : at + 30]]
        )
    _is_read_or_refused("".join(letters))


@settings(max_examples=40)
@given(recorded())
def test_what_finwait_prints_as_a_script_is_one(program: Program) -> None:
    text = packetdrill(program, "x")
    if re.search("^[+*0-9]", text, re.MULTILINE):
        parse(text, "x.pkt")


def test_brackets_may_not_be_so_deep_that_reading_them_fails() -> None:
    with pytest.raises(ScriptError, match="expected brackets at most 30 deep, saw"):
        _argument("[" * 100_000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1: expected an event, saw the end of the script"),
        ("0 close(3) = 0\n+0 > S 0:0(0) <mss>", "2:19: expected a number, saw '>'"),
        ("+-1 close(3) = 0", "1:2: expected a time in seconds, saw '-1'"),
        ("0 > S 0:10(5)", "1:7: expected 0:5(5), saw 0:10(5)"),
        ("0 > X 0:0(0)", "1:5: expected flags of TCP "),
        ("0 < S5E 0:0(0)", "1:5: expected either one digit or some of E, W and A among the flags, saw 'S5E'"),
        ("* < S 0:0(0) win 9", "1:1: expected one time: only an outbound packet may have several, saw '*'"),
        ("+1~+2 close(3) = 0", "1:1: expected one time: only an outbound packet may have several, saw a range"),
        ("2~1 > . 1:1(0)", "1:3: expected a range that ends after it begins, saw one that runs backwards"),
        ("0 < . 1:1(0) win 65536", "1:18: expected a window from 0 to 65535, saw '65536'"),
        ("0 < . 1:1(0) win 9 <...>", "1:21: expected an option: nop, eol,"),
        ("0 < . 1:1(0) ack 1", "1:19: expected 'win' in an inbound packet, saw the end of the script"),
        (
            "0 > . 1:1(0) <mss 9,sackOK>",
            "1:15: expected options that fill words of 4 octets, with nop where one has to",
        ),
        ("0 > . 1:1(0) <FO 123>", "1:18: expected at most 40 octets in hexadecimal, saw '123'"),
        ("0 > . 1:1(0) <FO COOKIE>", "1:18: expected at most 40 octets in hexadecimal, saw 'COOKIE'"),
        (f"0 > . 1:1(0) <{'TS val 1 ecr 2,' * 4}mss 1>", "1:75: expected at most 40 octets of options, saw more"),
        ("0 `true", "1:3: expected '`' behind '`', saw the end of the script"),
        ("0 %{ pass", "1:3: expected '}%' behind '%{', saw the end of the script"),
        ("0 close(3)", "1:11: expected '=', saw the end of the script"),
        ("0 close(3, ]) = 0", "1:12: expected an argument or a result, saw ']'"),
        ("0 f({fd=1, revents=2}) = 0", "1:12: expected 'events', saw 'revents'"),
        ('0 f(inet_addr("1.2.3")) = 0', "1:15: expected an address of IPv4, saw '1.2.3'"),
        ("0 `true` `true` 0", "1:17: expected nothing behind the command that cleans up, saw '0'"),
        ("#endif\n0 `true`", "1:1: expected #ifdef before it, saw #endif"),
        ("#ifdef A\n0 `true`", "2:9: expected #endif, saw the end of the script"),
        (f"0 f({'9' * 5000}) = 0", "1:5: expected a number from -"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse(text, "x.pkt")
    assert str(caught.value).startswith(f"x.pkt:{said}")


def test_a_symbol_that_nobody_defined_is_guessed() -> None:
    with pytest.raises(ScriptError, match="saw 'MSS'; try: -D MSS="):
        parse("0 > S 0:0(0) <mss MSS>", "x.pkt")


@pytest.mark.parametrize(
    ("written", "kind", "start", "end"),
    [
        ("0.25", "absolute", 250_000_000, None),
        ("+.000001", "relative", 1_000, None),
        ("+ 2", "relative", 2_000_000_000, None),
        ("*", "any", 0, None),
        ("1~1.5", "absolute range", 1_000_000_000, 1_500_000_000),
        ("+0~+.04", "relative range", 0, 40_000_000),
    ],
)
def test_times(written: str, kind: str, start: int, end: int | None) -> None:
    time = parse(f"{written} > . 1:1(0)", "x.pkt").events[0].time
    assert (time.kind, time.start_ns, time.end_ns) == (kind, start, end)


@pytest.mark.parametrize(
    ("written", "flags", "ace"),
    [("S", "S", None), (".", ".", None), ("-", "", None), ("SEW.", "SEW.", None), ("P.5", "P.", 5), (".0", ".", 0)],
)
def test_flags(written: str, flags: str, ace: int | None) -> None:
    packet = _packet(f"> {written} 1:1(0)")
    assert (packet.flags, packet.ace) == (flags, ace)


def test_what_a_packet_does_not_say_is_none_of_its_fields() -> None:
    bare = _packet("> . 1:11(10)")
    assert (bare.start, bare.end, bare.length) == (1, 11, 10)
    assert (bare.ack, bare.window, bare.urgent, bare.ip, bare.options) == (None, None, None, None, ())
    assert _packet("> . 1:1(0) <...>").options is None


def test_options_keep_their_order_and_their_values() -> None:
    options = _packet("> S 0:0(0) <mss 1,sack 1:2,TS val 5 ecr 6,FO 0a0B,ECN e1b 7 ceb 8,nop,nop,nop,nop>").options
    assert options is not None
    assert [(one.name, one.numbers, one.octets) for one in options] == [
        ("mss", (1,), b""),
        ("sack", (1, 2), b""),
        ("TS", (5, 6), b""),
        ("FO", (), b"\x0a\x0b"),
        ("ECN", (7, 8), b""),
        *[("nop", (), b"")] * 4,
    ]
    assert options[4].counters == ("e1b", "ceb")


def test_an_icmp_error_has_what_it_echoes() -> None:
    packet = cast("IcmpPacket", _action("< icmp unreachable frag_needed mtu 1200 [1:1001(1000)]"))
    assert (packet.kind, packet.code, packet.mtu) == ("unreachable", "frag_needed", 1200)
    assert packet.echoed is not None
    assert (packet.echoed.protocol, packet.echoed.start, packet.echoed.length) == ("tcp", 1, 1000)


def test_calls() -> None:
    call = _call("...0.25 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)")
    assert (call.name, call.end_ns, call.errno, call.note) == (
        "connect",
        250_000_000,
        "EINPROGRESS",
        "Operation now in progress",
    )
    assert isinstance(call.result, Number)
    assert call.result.value == -1
    assert isinstance(call.arguments[1], Anything)
    assert _call("fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)").errno is None


def test_an_address_is_of_the_family_before_it() -> None:
    match _argument('{sa_family = AF_INET6, sin_port = htons(8080), sin_addr = inet_addr("fd::1")}'):
        case Structure(fields={"sin_port": PortNumber(value=Number(value=port)), "sin_addr": InternetAddress() as at}):
            assert (port, at.version, at.value) == (8080, 6, "fd::1")
        case other:
            pytest.fail(str(other))


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("12", lambda one: isinstance(one, Number) and one.value == 12),
        ("0x10", lambda one: isinstance(one, Number) and one.value == 16),
        ('"a b"', lambda one: isinstance(one, Text) and one.value == "a b"),
        ("SOL_IP", lambda one: isinstance(one, Word) and one.name == "SOL_IP"),
    ],
)
def test_a_symbol_stands_for_what_it_was_defined_as(value: str, seen: Callable[[Expression], bool]) -> None:
    assert seen(_argument("SYMBOL", SYMBOL=value))


def test_the_symbols_of_whoever_reads_win_over_the_scripts() -> None:
    script = parse("--define=A=1\n--define=B=2\n0 f(A | B) = 0", "x.pkt", {"A": "7"})
    match script.events[0].action:
        case SystemCall(arguments=(BitOr(left=Number(value=left), right=Number(value=right)),)):
            assert (left, right) == (7, 2)
        case other:
            pytest.fail(str(other))
    assert script.defines == {"A": "7", "B": "2"}


def test_lines_of_a_condition_that_does_not_hold_are_passed_over() -> None:
    text = "#ifdef A\n0 one() = 0\n#else\n0 two() = 0\n#endif\n"
    names = [
        [cast("SystemCall", event.action).name for event in parse(text, "x", given).events]
        for given in ({}, {"A": "1"})
    ]
    assert names == [["two"], ["one"]]


def test_every_record_has_its_place() -> None:
    script = parse("// a line\n 0 f([1,\n  2]) = 0\n", "x.pkt")
    call = script.events[0].action
    assert (call.line, call.column) == (2, 4)
    match call:
        case SystemCall(arguments=(Array(items=(_, second)),)):
            assert (second.line, second.column) == (3, 3)
        case other:
            pytest.fail(str(other))
