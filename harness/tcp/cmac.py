"""AES-128-CMAC (RFC 4493), which TCP-AO asks for and Python's library lacks. Pure.

It is written out since no library that is needed anyway has it. It signs the segments of a lab: what it takes, in time
or in memory, is no secret.
"""

from __future__ import annotations

from functools import cache

KEY_SIZE = 16
"""Octets of a key."""

_BLOCK = 16
_ROUNDS = 10


def _doubled(octet: int) -> int:
    """Times x in the field of FIPS 197 4.2."""
    return (octet << 1) ^ (0x11B if octet & 0x80 else 0)


def _substitutes() -> bytes:
    """The table of FIPS 197 5.1.1: an octet's inverse in the field, plus four rotations of it, plus a constant."""
    powers = [1]  # of x + 1, which gives every octet but 0
    for _ in range(254):
        powers.append(_doubled(powers[-1]) ^ powers[-1])
    table = bytearray([0x63] * 256)
    for exponent, octet in enumerate(powers):
        inverse = powers[-exponent % 255]
        spread = inverse ^ inverse << 1 ^ inverse << 2 ^ inverse << 3 ^ inverse << 4
        table[octet] = (spread ^ spread >> 8) & 0xFF ^ 0x63
    return bytes(table)


_SUBSTITUTES = _substitutes()
_SHIFTED = tuple((place + 4 * (place % 4)) % _BLOCK for place in range(_BLOCK))  # FIPS 197 5.1.2


@cache
def _round_keys(key: bytes) -> tuple[bytes, ...]:
    """FIPS 197 5.2."""
    words, constant = [key[place : place + 4] for place in range(0, _BLOCK, 4)], 1
    while len(words) < 4 * (_ROUNDS + 1):
        last = words[-1]
        if len(words) % 4 == 0:
            last = (last[1:] + last[:1]).translate(_SUBSTITUTES)
            last = bytes((last[0] ^ constant, *last[1:]))
            constant = _doubled(constant)
        words.append(_sum(words[-4], last))
    return tuple(b"".join(words[place : place + 4]) for place in range(0, len(words), 4))


def _sum(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _mixed(column: bytes) -> bytes:
    """FIPS 197 5.1.3."""
    total = column[0] ^ column[1] ^ column[2] ^ column[3]
    return bytes(column[row] ^ total ^ _doubled(column[row] ^ column[(row + 1) % 4]) for row in range(4))


def encrypt(key: bytes, block: bytes) -> bytes:
    """One block of 16 octets under a key of 16 (FIPS 197 5.1)."""
    first, *middle, last = _round_keys(key)
    state = _sum(block, first)
    for one in (*middle, last):
        state = state.translate(_SUBSTITUTES)
        state = bytes(state[place] for place in _SHIFTED)
        if one is not last:
            state = b"".join(_mixed(state[place : place + 4]) for place in range(0, _BLOCK, 4))
        state = _sum(state, one)
    return state


def cmac(key: bytes, message: bytes) -> bytes:
    """The 16 octets that authenticate a message of any length under a key of 16 octets (RFC 4493 2.4)."""
    *whole, last = [message[place : place + _BLOCK] for place in range(0, len(message), _BLOCK)] or [b""]
    subkey = _shifted(encrypt(key, bytes(_BLOCK)))
    if len(last) < _BLOCK:
        subkey, last = _shifted(subkey), last + b"\x80" + bytes(_BLOCK - 1 - len(last))
    state = bytes(_BLOCK)
    for block in (*whole, _sum(last, subkey)):
        state = encrypt(key, _sum(state, block))
    return state


def _shifted(subkey: bytes) -> bytes:
    """RFC 4493 2.3: times x in the field of 2**128 elements."""
    number = int.from_bytes(subkey, "big") << 1
    return (number ^ (0x87 | 1 << 128 if number >> 128 else 0)).to_bytes(_BLOCK, "big")
