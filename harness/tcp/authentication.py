"""Keys that both ends of a connection share, what they sign, and how a kernel is told them: RFCs 2385, 5925. Pure."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
import struct
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import msgspec

from harness.errors import FinwaitError
from harness.tcp.options import Option, encode_options, format_options
from harness.tcp.pattern import Difference
from harness.tcp.segment import ACK, SYN, Segment

_NOP = Option("nop")
_ALGORITHMS = ("hmac(sha1)", "hmac(sha256)", "cmac(aes128)")
_MD5SIG = struct.Struct("=128sBBHi80s")  # struct tcp_md5sig of include/uapi/linux/tcp.h
_AO_ADD = struct.Struct("=128s64s4xI2xBBBBBB80s")  # struct tcp_ao_add of the same
_MD5SIG_PREFIX = 1  # TCP_MD5SIG_FLAG_PREFIX
_EXCLUDE_OPTIONS = 2  # TCP_AO_KEYF_EXCLUDE_OPT
_AES_KEY = 16


class Direction(NamedTuple):
    """Who sends a segment to whom, the source first: addresses, ports, and initial sequence numbers of the wire."""

    addresses: tuple[str, str]
    ports: tuple[int, int]
    isns: tuple[int, int]

    def ends(self) -> bytes:
        """Both addresses."""
        return b"".join(ipaddress.ip_address(one).packed for one in self.addresses)

    def pseudo_header(self, length: int) -> bytes:
        """What stands before a TCP header and data of this length (RFC 9293 3.1, RFC 8200 8.1)."""
        ends = self.ends()
        rest = ("!xBH", socket.IPPROTO_TCP, length) if len(ends) == 8 else ("!II", length, socket.IPPROTO_TCP)
        return ends + struct.pack(*rest)

    def header(self, segment: Segment, options: bytes) -> bytes:
        """The fixed part of a TCP header with wire numbers and no checksum, before these options."""
        offset = (20 + len(options)) // 4 << 12
        bits = offset | segment.reserved << 9 | segment.flags
        fields = (segment.seq, segment.ack, bits, segment.window, 0, segment.urgent)
        return struct.pack("!HHIIHHHH", *self.ports, *fields)


class Md5Key(msgspec.Struct, frozen=True):
    """A key of TCP-MD5 (RFC 2385).

    Args:
        key: the octets, 80 at most.
    """

    key: bytes

    @property
    def blank(self) -> tuple[Option, ...]:
        """The option before it holds its digest; two NOPs end it at a word (RFC 2385 3.0)."""
        return _NOP, _NOP, Option("opt 19", raw=bytes(16))

    def signature(self, segment: Segment, direction: Direction, seen: Option) -> Option:
        """What the option of a segment with wire numbers has to be, whatever it holds (RFC 2385 2.0)."""
        options = encode_options(segment.options)
        signed = direction.pseudo_header(20 + len(options) + len(segment.data))
        signed += direction.header(segment, options) + segment.data + self.key
        return Option(seen.name, raw=hashlib.md5(signed, usedforsecurity=False).digest())

    def socket_option(self, address: str, prefix: int | None = None) -> bytes:
        """The value of TCP_MD5SIG for all connections with an address, of TCP_MD5SIG_EXT for a prefix of it."""
        flags = 0 if prefix is None else _MD5SIG_PREFIX
        return _MD5SIG.pack(_sockaddr(address), flags, prefix or 0, len(self.key), 0, self.key)


class AoKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A master key tuple of TCP-AO (RFC 5925 3.1), as the peer has it.

    Args:
        key: the octets, 80 at most.
        to_kernel: the KeyID in what the peer signs with it, 0 to 255: the kernel's RecvID.
        from_kernel: the KeyID in what the kernel signs with it: the kernel's SendID.
        asks_for: the RNextKeyID in what the peer signs with it; None for ``from_kernel``.
        algorithm: ``hmac(sha1)``, ``cmac(aes128)`` (RFC 5926 3) or ``hmac(sha256)``, as Linux names them.
        mac_length: octets of the code; 12 in RFC 5926.
        covers_options: whether the code is over the other options too.
    """

    key: bytes
    to_kernel: int = 1
    from_kernel: int = 1
    asks_for: int | None = None
    algorithm: str = "hmac(sha1)"
    mac_length: int = 12
    covers_options: bool = True

    def __post_init__(self) -> None:
        if self.algorithm not in _ALGORITHMS:
            raise FinwaitError(f"nothing is signed by {self.algorithm!r}", hint=" or ".join(_ALGORITHMS))

    @property
    def blank(self) -> tuple[Option, ...]:
        """The option before it holds its code (RFC 5925 2.2)."""
        asked = self.from_kernel if self.asks_for is None else self.asks_for
        return (Option("opt 29", raw=bytes((self.to_kernel, asked)) + bytes(self.mac_length)),)

    def signature(self, segment: Segment, direction: Direction, seen: Option) -> Option:
        """What the option of a segment with wire numbers has to be, whatever code it holds (RFC 5925 5.1)."""
        blank = Option(seen.name, raw=seen.raw[:2] + bytes(self.mac_length))
        options = encode_options(blank if one == seen else one for one in segment.options)
        covered = options if self.covers_options else bytes((29, 2 + len(blank.raw))) + blank.raw
        source, target = direction.isns
        if segment.flags & SYN:
            source, target = segment.seq, target if segment.flags & ACK else 0
        # how often the number went round (RFC 5925 6.2): no scenario sends enough for twice
        signed = struct.pack("!I", segment.seq < source)
        signed += direction.pseudo_header(20 + len(options) + len(segment.data))
        signed += direction.header(segment, options) + covered + segment.data
        context = direction.ends() + struct.pack("!HHII", *direction.ports, source, target)
        code = _code(self.algorithm, _traffic_key(self.algorithm, self.key, context), signed)
        return Option(seen.name, raw=seen.raw[:2] + code[: self.mac_length])

    def socket_option(self, address: str, prefix: int | None = None) -> bytes:
        """The value of TCP_AO_ADD_KEY for all connections with an address, or a prefix of it."""
        bits = ipaddress.ip_address(address).max_prefixlen if prefix is None else prefix
        ids = bits, self.from_kernel, self.to_kernel
        flags = 0 if self.covers_options else _EXCLUDE_OPTIONS
        rest = (self.mac_length, flags, len(self.key), self.key)
        return _AO_ADD.pack(_sockaddr(address), self.algorithm.encode(), 0, *ids, *rest)


Key = Md5Key | AoKey


def signed(segment: Segment, direction: Direction, key: Key) -> Segment:
    """A segment with wire numbers, with its signature behind the other options."""
    *before, blank = key.blank
    unsigned = msgspec.structs.replace(segment, options=(*segment.options, *before, blank))
    signature = key.signature(unsigned, direction, blank)
    return msgspec.structs.replace(unsigned, options=(*segment.options, *before, signature))


def flaws(segment: Segment, direction: Direction, keys: Iterable[Key]) -> tuple[Difference, ...]:
    """What the signature of a kernel's segment with wire numbers has to be, where none of the keys made it."""
    due: list[Option] = []
    for key in keys:
        *_, blank = key.blank
        seen = segment.option(blank.name)
        if seen is None or (isinstance(key, AoKey) and seen.raw[:1] != bytes((key.from_kernel,))):
            continue
        due.append(key.signature(segment, direction, seen))
        if due[-1] == seen:
            return ()
    expected = " or ".join(map(str, due)) or "a signature by a key that the peer has"
    return (Difference("options", expected, f"<{format_options(segment.options)}>"),)


@cache  # one for each direction of a connection
def _traffic_key(algorithm: str, master: bytes, context: bytes) -> bytes:
    """RFC 5926 3.1.1: one block of the key derivation function is as much as an algorithm takes."""
    if algorithm == "cmac(aes128)" and len(master) != _AES_KEY:
        master = _code(algorithm, bytes(_AES_KEY), master)
    bits = 8 * len(_code(algorithm, bytes(_AES_KEY), b""))
    return _code(algorithm, master, b"\x01TCP-AO" + context + struct.pack("!H", bits))


def _code(algorithm: str, key: bytes, message: bytes) -> bytes:
    if algorithm == "cmac(aes128)":
        from cryptography.hazmat.primitives.ciphers.algorithms import AES  # noqa: PLC0415 - 50 ms that few need
        from cryptography.hazmat.primitives.cmac import CMAC  # noqa: PLC0415 - likewise

        code = CMAC(AES(key))
        code.update(message)
        return code.finalize()
    return hmac.digest(key, message, algorithm.removeprefix("hmac(").removesuffix(")"))


def _sockaddr(address: str) -> bytes:
    packed = ipaddress.ip_address(address).packed
    if len(packed) == 4:
        return struct.pack("=HH4s", socket.AF_INET, 0, packed)
    return struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, packed, 0)
