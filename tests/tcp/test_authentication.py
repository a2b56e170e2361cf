"""Signatures as the RFCs' own test vectors have them, and what is told of a wrong one."""

from __future__ import annotations

import ipaddress

import msgspec
import pytest

from harness.errors import FinwaitError
from harness.tcp.authentication import AoKey, Direction, Md5Key, flaws, signed
from harness.tcp.options import format_options
from harness.tcp.segment import ACK, Segment
from harness.wire.decode import Decoded, taken_apart

CLIENT, SERVER = 61, 84
# RFC 9235: sections 4.1.1, 4.1.3, 4.2.2, 5.1.1, 6.1.2, 6.2.2 and 7.1.2
VECTORS = {
    "SYN-IPv4-SHA1": (
        "45e0004cdd0f4000ff06bf6b0a0b0c0dac1b1c1de9d700b3fbfbab5a00000000e002ffffcac40000"
        "020405b4010303080402080a00155ab7000000001d103d542ee437c6f8ede6d7c4d602e7",
        (0xFBFBAB5A, 0),
        AoKey(b"testvector", CLIENT, SERVER),
    ),
    "data-IPv4-SHA1": (
        "45e0008736a14000ff06659f0a0b0c0dac1b1c1de9d700b3fbfbab5b11c14262c0180104a1620000"
        "0101080a00155ac184a50beb1d103d547064cf998cc6c315c2c2e2bfffffffffffffffffffffffffffffffff"
        "00430104dabf00b40a0b0c0d26020601040001000102028000020202000202420002064104000"
        "0dabf02084006006400010100",
        (0xFBFBAB5A, 0x11C14261),
        AoKey(b"testvector", CLIENT, SERVER),
    ),
    "SYN+ACK-IPv4-SHA1-options-excluded": (
        "45e0004c328440 00ff0669f7ac1b1c1d0a0b0c0d00b3ff12acd5b5e1cb0efbefe012ffff388e0000"
        "020405b4010303080402080a576772f300024cce1d10543d09306f9acea63a8c68cb9a70",
        (0xACD5B5E1, 0xCB0EFBEE),
        AoKey(b"testvector", SERVER, CLIENT, covers_options=False),
    ),
    "SYN-IPv4-AES": (
        "45e0004c7b9f4000ff0620dc0a0b0c0dac1b1c1dc4fa00b3787a1ddf00000000e002ffff5a0f0000"
        "020405b4010303080402080a00017ed0000000001d103d54e477e99c8040765498e55091",
        (0x787A1DDF, 0),
        AoKey(b"testvector", CLIENT, SERVER, algorithm="cmac(aes128)"),
    ),
    "SYN+ACK-IPv6-SHA1": (
        "6e01009e00380640fd000000000000000000000000000002fd00000000000000000000000000000100b3f7e4"
        "3f51994b176a8340e012ffffbfec0000020405a0010303080402080abd33129b0041d0871d10543d"
        "f1cba346c3526163f71f1f55",
        (0x3F51994B, 0x176A833F),
        AoKey(b"testvector", SERVER, CLIENT),
    ),
    "SYN+ACK-IPv6-AES": (
        "6e06152000380640fd000000000000000000000000000002fd00000000000000000000000000000100b3f85a"
        "a6744ecb193ccced e012ffffeabb0000020405a0010303080402080a71daabc813e4ab991d10543d"
        "dc2843a84e78a6bcfdc5ed80",
        (0xA6744ECB, 0x193CCCEC),
        AoKey(b"testvector", SERVER, CLIENT, algorithm="cmac(aes128)"),
    ),
}


def apart(packet: bytes) -> tuple[tuple[str, str], Decoded]:
    """The addresses of an IP packet, and its segment."""
    version = packet[0] >> 4
    ends = packet[12:20] if version == 4 else packet[8:40]
    half = len(ends) // 2
    source, target = (str(ipaddress.ip_address(one)) for one in (ends[:half], ends[half:]))
    return (source, target), taken_apart(packet[20 if version == 4 else 40 :], version, ends)


@pytest.mark.parametrize("name", VECTORS)
def test_segment_is_signed_as_rfc_9235_has_it(name: str) -> None:
    packet, isns, key = VECTORS[name]
    addresses, whole = apart(bytes.fromhex(packet))
    direction = Direction(addresses, (whole.source, whole.target), isns)
    unsigned = msgspec.structs.replace(whole.segment, options=whole.segment.options[:-1])
    assert signed(unsigned, direction, key) == whole.segment
    by_other = AoKey(key.key, key.from_kernel, key.to_kernel, None, key.algorithm, 12, key.covers_options)
    assert flaws(whole.segment, direction, (by_other,)) == ()


def test_wrong_or_missing_signature_is_told() -> None:
    direction, segment = Direction(("10.0.0.1", "10.0.0.2"), (1, 2), (7, 9)), Segment(flags=ACK, seq=8, ack=10)
    for key in (Md5Key(b"one"), AoKey(b"one")):
        other = msgspec.structs.replace(key, key=b"other")
        right = signed(segment, direction, key)
        assert flaws(right, direction, (other, key)) == ()
        (flaw,) = flaws(right, direction, (other,))
        assert flaw.seen == f"<{format_options(right.options)}>"
        assert flaw.expected == str(signed(segment, direction, other).options[-1])
        (flaw,) = flaws(segment, direction, (key,))
        assert (flaw.expected, flaw.seen) == ("a signature by a key that the peer has", "<>")


def test_algorithm_that_signs_nothing_is_refused() -> None:
    with pytest.raises(FinwaitError, match="nothing is signed by 'md5'"):
        AoKey(b"one", algorithm="md5")
