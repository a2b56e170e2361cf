"""Format files, as kernels of several ages print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.tracefs import parse_format

COMMON = """format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

"""

DROP_OF_5_10 = f"""name: kfree_skb
ID: 1478
{COMMON}\tfield:void * skbaddr;\toffset:8;\tsize:8;\tsigned:0;
\tfield:void * location;\toffset:16;\tsize:8;\tsigned:0;
\tfield:unsigned short protocol;\toffset:24;\tsize:2;\tsigned:0;

print fmt: "skbaddr=%p protocol=%u location=%p", REC->skbaddr, REC->protocol, REC->location
"""

DROP_OF_6_18 = f"""name: kfree_skb
ID: 2310
{COMMON}\tfield:void * skbaddr;\toffset:8;\tsize:8;\tsigned:0;
\tfield:void * location;\toffset:16;\tsize:8;\tsigned:0;
\tfield:void * rx_sk;\toffset:24;\tsize:8;\tsigned:0;
\tfield:unsigned short protocol;\toffset:32;\tsize:2;\tsigned:0;
\tfield:enum skb_drop_reason reason;\toffset:36;\tsize:4;\tsigned:0;

print fmt: "skbaddr=%p rx_sk=%p protocol=%u location=%pS reason: %s", REC->skbaddr, REC->rx_sk, REC->protocol, \
REC->location, __print_symbolic(REC->reason, {{ 2, "NOT_SPECIFIED" }}, {{ 3, "NO_SOCKET" }}, {{ 49, "TCP_OLD_ACK" }})
"""

RESET_OF_6_18 = f"""name: tcp_send_reset
ID: 2280
{COMMON}\tfield:const void * skaddr;\toffset:16;\tsize:8;\tsigned:0;
\tfield:int state;\toffset:24;\tsize:4;\tsigned:1;
\tfield:__u8 saddr[28];\toffset:32;\tsize:28;\tsigned:0;

print fmt: "state=%s", REC->state ? __print_symbolic(REC->state, {{ TCP_ESTABLISHED, "TCP_ESTABLISHED" }}) : "UNKNOWN"
"""


def test_a_5_10_drop_has_no_reason() -> None:
    drop = parse_format(DROP_OF_5_10)
    assert drop.number == 1478
    assert "reason" not in drop.fields
    assert drop.symbol(bytes(40), "reason") == ""
    assert drop.integer(bytes(40), "rx_sk") is None


def test_a_6_18_drop_names_its_reasons() -> None:
    drop = parse_format(DROP_OF_6_18)
    record = bytes(36) + (49).to_bytes(4, "little")
    assert drop.symbol(record, "reason") == "TCP_OLD_ACK"
    assert drop.symbol(bytes(36) + (7).to_bytes(4, "little"), "reason") == "7"


def test_an_array_and_a_value_that_is_no_number() -> None:
    reset = parse_format(RESET_OF_6_18)
    assert (reset.fields["saddr"].offset, reset.fields["saddr"].size) == (32, 28)
    assert reset.symbols["state"] == {}


def test_a_signed_field_keeps_its_sign() -> None:
    record = bytes(4) + (-5).to_bytes(4, "little", signed=True)
    assert parse_format(DROP_OF_5_10).integer(record, "common_pid") == -5


@given(st.text(max_size=200))
def test_text_that_is_no_format_is_refused_or_read_without_a_crash(text: str) -> None:
    with pytest.raises(ValueError, match="no ID"):
        parse_format(text.replace("ID:", ""))
    parse_format("ID: 7\n" + text)
