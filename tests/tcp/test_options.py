"""TCP options as text and as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FinwaitError
from harness.tcp.options import Option, decode_options, encode_options, format_options, parse_options

words32 = st.integers(0, 2**32 - 1)
KNOWN = {0, 1, 2, 3, 4, 5, 8}

complete = st.one_of(
    st.just(Option("nop")),
    st.just(Option("sackOK")),
    st.builds(lambda size: Option("mss", (size,)), st.integers(0, 65535)),
    st.builds(lambda shift: Option("wscale", (shift,)), st.integers(0, 255)),
    st.builds(lambda value, echo: Option("TS", (value, echo)), words32, words32),
    st.integers(1, 4).flatmap(
        lambda blocks: st.lists(words32, min_size=2 * blocks, max_size=2 * blocks).map(
            lambda edges: Option("sack", tuple(edges))
        )
    ),
    st.builds(
        lambda kind, raw: Option(f"opt {kind}", raw=raw),
        st.integers(0, 255).filter(lambda kind: kind not in KNOWN),
        st.binary(max_size=12),
    ),
)


def size(options: list[Option]) -> int:
    fixed = {"nop": 1, "sackOK": 2, "mss": 4, "wscale": 3, "TS": 10}
    return sum(fixed.get(one.name, 2 + 4 * len(one.values) + len(one.raw)) for one in options)


lists = st.lists(complete, max_size=8).filter(lambda options: size(options) <= 40)


@given(lists)
def test_text_says_all_of_an_option(options: list[Option]) -> None:
    assert list(parse_options(format_options(options))) == options


@given(lists)
def test_bytes_say_all_of_an_option(options: list[Option]) -> None:
    encoded = encode_options(options)
    padded = [Option("eol")] if len(encoded) > size(options) else []
    assert len(encoded) % 4 == 0
    assert 0 <= len(encoded) - size(options) < 4
    assert list(decode_options(encoded)) == options + padded


@given(st.binary(max_size=40))
def test_no_bytes_are_too_odd_to_read(raw: bytes) -> None:
    format_options(decode_options(raw))


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("", ""),
        ("mss 1460", "020405b4"),
        ("mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7", "020405b4 0402 080a0000000100000000 01 030307"),
        ("nop,nop,sack 1:2 4294967295:0", "0101 0512 00000001 00000002 ffffffff 00000000"),
        ("wscale 14", "03030e00"),
        ("opt 253 abcd", "fd04abcd"),
        ("opt 254", "fe020000"),
    ],
)
def test_options_have_the_bytes_of_their_clauses(text: str, raw: str) -> None:
    assert encode_options(parse_options(text)) == bytes.fromhex(raw)


def test_brackets_and_spaces_are_allowed() -> None:
    assert parse_options(" < nop, TS val 3 ecr 2 > ") == parse_options("nop,TS val 3 ecr 2")


def test_name_alone_stands_for_any_value() -> None:
    assert parse_options("mss,TS") == (Option("mss"), Option("TS"))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("02", "opt 2"),
        ("0200", "opt 2 00"),
        ("0201ffff", "opt 2 01ffff"),
        ("020405", "opt 2 0405"),
        ("0203ff", "opt 2 ff"),
        ("080a0000000100000000ff", "TS val 1 ecr 0,opt 255"),
        ("01010005", "nop,nop,eol"),
        ("050200", "opt 5,eol"),
        ("050600000001", "opt 5 00000001"),
    ],
)
def test_malformed_options_are_shown_as_they_are(raw: str, text: str) -> None:
    assert format_options(decode_options(bytes.fromhex(raw))) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "mms 1460",
            "there is no TCP option named 'mms' in 'mms 1460'; "
            "there are eol, nop, mss, wscale, sackOK, sack, TS, FO HEX, and opt KIND HEX for any other; try: mss",
        ),
        ("timestamp", "there is no TCP option named 'timestamp'"),
        ("mss 65536", "'mss 65536' is not a value that the option mss can have; RFC 9293 3.7.1 gives it"),
        ("mss -1", "'mss -1' is not a value"),
        ("mss 1 2", "'mss 1 2' is not a value"),
        ("wscale 256", "'wscale 256' is not a value"),
        ("nop 1", "'nop 1' is not a value"),
        ("sack 1:2 3", "'sack 1:2 3' is not a value"),
        ("TS val 1", "'TS val 1' is not a value"),
        ("TS val 4294967296 ecr 0", "'TS val 4294967296 ecr 0' is not a value"),
        ("TS value 1 ecr 0", "'TS value 1 ecr 0' is not a value"),
        ("opt 256", "'opt 256' is not an option"),
        ("opt", "'opt' is not an option"),
        ("opt 253 abc", "'opt 253 abc' is not an option"),
        ("opt 253 ab cd", "'opt 253 ab cd' is not an option"),
        ("FO abc", "'FO abc' is not an option"),
    ],
)
def test_what_is_no_option_is_told_with_what_to_try(text: str, says: str) -> None:
    with pytest.raises(FinwaitError) as raised:
        parse_options(text)
    assert str(raised.value).startswith(says)
    assert raised.value.hint


@pytest.mark.parametrize(("text", "same"), [("FO", "opt 34"), ("mss 1460,FO 01020304", "mss 1460,opt 34 01020304")])
def test_cookie_of_fast_open_goes_by_packetdrills_name(text: str, same: str) -> None:
    assert parse_options(text) == parse_options(same)


def test_near_miss_names_the_option_that_was_meant() -> None:
    with pytest.raises(FinwaitError) as raised:
        parse_options("sackok")
    assert "sackOK" in raised.value.hint


def test_options_that_do_not_fit_a_header_are_told() -> None:
    with pytest.raises(FinwaitError, match=r"options of 44 bytes do not fit: .*40 bytes"):
        encode_options(parse_options("mss 1," * 11))


@pytest.mark.parametrize("text", ["TS", "mss,nop", "sack"])
def test_option_without_the_values_it_needs_cannot_be_sent(text: str) -> None:
    with pytest.raises(FinwaitError, match="has no value to send"):
        encode_options(parse_options(text))
