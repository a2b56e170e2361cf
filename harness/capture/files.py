"""The records of pcap and pcapng files, in either byte order, in memory that does not grow.

What is not whole is told, and ends the reading: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html and
https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from gzip import GzipFile
from io import BufferedReader
from typing import IO, NamedTuple

import msgspec

from harness.tcp.timing import SECOND

_NS = SECOND.ns  # made once: it is asked of every frame
_SECTION, _INTERFACE, _PACKET, _SIMPLE, _OLD = 0x0A0D0D0A, 1, 6, 3, 2
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_TSRESOL, _TSOFFSET = 9, 14
_CHUNK = 1 << 18
_MOST = 1 << 24
"""Octets of a record; one that claims more is none, and would take memory."""


class CapturedFrame(NamedTuple):
    """One frame of a file.

    Args:
        number: from 1 on, as Wireshark counts.
        at: ns since the epoch.
        link: link type, as https://www.tcpdump.org/linktypes.html numbers them.
        data: what was captured of it.
        length: octets that it had on the wire.
    """

    number: int
    at: int
    link: int
    data: bytes
    length: int


class Reading(msgspec.Struct):
    """How far the reading of a file has come.

    Args:
        frames: how many were read.
        octets: how many octets of the file were taken, of a packed one as it lies there.
        cut: why it ended before the file's end; empty where it did not.
    """

    frames: int = 0
    octets: int = 0
    cut: str = ""


class _Pcap(NamedTuple):
    """What a pcap file's magic number says: the byte order, ns in a unit of its stamps, octets of a record's header."""

    order: str
    unit: int
    head: int = 16


_MAGICS = {
    struct.pack(order + "I", magic): _Pcap(order, unit, head)
    for order in "<>"
    # microseconds, nanoseconds, and Kuznetzov's, whose records have 8 octets more
    for magic, unit, head in ((0xA1B2C3D4, 1000, 16), (0xA1B23C4D, 1, 16), (0xA1B2CD34, 1000, 24))
}


class Records:
    """Cuts a file into its frames.

    Args:
        stream: of the file, unpacked.
        file: that it lies in, whose place says how far the reading has come.
        reading: is kept up to date.
    """

    def __init__(self, stream: BufferedReader | GzipFile, file: IO[bytes], reading: Reading) -> None:
        self._stream = stream
        self._file = file
        self._reading = reading
        self._buffer = b""

    def frames(self) -> Iterator[CapturedFrame]:
        """All of them, in their order; none where it is no capture."""
        if not self._have(0, 4):
            return
        kind = self._buffer[:4]
        if kind in _MAGICS:
            yield from self._of_pcap(_MAGICS[kind])
        elif kind == _SECTION.to_bytes(4, "big"):
            yield from self._of_pcapng()
        else:
            self._reading.cut = "it begins as no capture does"

    def _have(self, at: int, size: int) -> bool:
        """Have at least so many octets from a place on in the buffer, which begins there then."""
        self._buffer = self._buffer[at:]
        while len(self._buffer) < size:
            try:
                more = self._stream.read1(max(_CHUNK, size - len(self._buffer)))  # what is whole before damage
            except (OSError, EOFError, zlib.error) as error:
                self._reading.cut = f"behind frame {self._reading.frames} it cannot be decompressed: {error}"
                return False
            if not more:
                if self._buffer:
                    self._reading.cut = self._reading.cut or f"it breaks off behind frame {self._reading.frames}"
                return False
            self._buffer += more
            self._reading.octets = self._file.tell()
        return True

    def _no_length(self) -> None:
        self._reading.cut = f"behind frame {self._reading.frames} stands a length that no frame has"

    def _of_pcap(self, kind: _Pcap) -> Iterator[CapturedFrame]:
        if not self._have(0, 24):
            return
        reading, unit, begin = self._reading, kind.unit, kind.head
        link = struct.unpack_from(kind.order + "I", self._buffer, 20)[0] & 0xFFFF
        unpack = struct.Struct(kind.order + "IIII").unpack_from
        buffer, at = self._buffer, 24
        while True:
            if len(buffer) - at < begin:
                if not self._have(at, begin):
                    return
                buffer, at = self._buffer, 0
            second, rest, size, length = unpack(buffer, at)
            if size > _MOST:
                self._no_length()
                return
            if len(buffer) - at < begin + size:
                if not self._have(at, begin + size):
                    return
                buffer, at = self._buffer, 0
            start = at + begin
            at = start + size
            reading.frames += 1
            yield CapturedFrame(reading.frames, second * _NS + rest * unit, link, buffer[start:at], length)

    def _of_pcapng(self) -> Iterator[CapturedFrame]:
        section = _Section("<", self._reading)
        buffer, at = self._buffer, 0
        while True:
            if len(buffer) - at < 12:
                if not self._have(at, 12):
                    return
                buffer, at = self._buffer, 0
            if buffer[at : at + 4] == b"\n\r\r\n":
                if (order := _ORDERS.get(buffer[at + 8 : at + 12])) is None:
                    self._no_length()
                    return
                section = _Section(order, self._reading)
            kind, size = section.head(buffer, at)
            if not 12 <= size <= _MOST:
                self._no_length()
                return
            if len(buffer) - at < size:
                if not self._have(at, size):
                    return
                buffer, at = self._buffer, 0
            frame = section.frame(kind, buffer, at, size)
            at += size
            if frame is not None:
                yield frame


class _Section:
    """A section of a pcapng file: its byte order, and the interfaces of its frames."""

    def __init__(self, order: str, reading: Reading) -> None:
        self.head = struct.Struct(order + "II").unpack_from
        self._order = order
        self._reading = reading
        self._words = struct.Struct(order + "IIIII").unpack_from
        self._options = struct.Struct(order + "HH").unpack_from
        self._interfaces: list[tuple[int, int, int, int]] = []
        self._at = 0

    def _interface(self, buffer: bytes, at: int, size: int) -> None:
        """Take in an interface: its link type and snap length, units of its stamps in a second, and their offset."""
        link, _, snap = struct.unpack_from(self._order + "HHI", buffer, at + 8) if size >= 20 else (0, 0, 0)
        units, offset = 1_000_000, 0
        place, end = at + 16, at + size - 4
        while place + 4 <= end:
            code, length = self._options(buffer, place)
            value = buffer[place + 4 : min(place + 4 + length, end)]
            if code == _TSRESOL and value:
                units = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
            elif code == _TSOFFSET and len(value) == 8:
                offset = struct.unpack(self._order + "q", value)[0]
            place += 4 + length + -length % 4
        self._interfaces.append((link, snap, units, offset))

    def frame(self, kind: int, buffer: bytes, at: int, size: int) -> CapturedFrame | None:
        """The frame of a block; None where it has none, is too short, or its interface is not there."""
        if kind in (_PACKET, _OLD) and size >= 32:
            if kind == _PACKET:
                number, high, low, captured, length = self._words(buffer, at + 8)
            else:  # of the draft's first versions
                number, _, high, low, captured, length = struct.unpack_from(self._order + "HHIIII", buffer, at + 8)
            data = buffer[at + 28 : min(at + 28 + captured, at + size - 4)]
            return self._frame(number, high << 32 | low, data, length)
        if kind == _SIMPLE and size >= 16 and self._interfaces:  # without a stamp
            length = struct.unpack_from(self._order + "I", buffer, at + 8)[0]
            snap = self._interfaces[0][1] or length
            return self._frame(0, None, buffer[at + 12 : min(at + 12 + min(length, snap), at + size - 4)], length)
        if kind == _INTERFACE:
            self._interface(buffer, at, size)
        return None

    def _frame(self, number: int, stamp: int | None, data: bytes, length: int) -> CapturedFrame | None:
        if number >= len(self._interfaces):
            return None
        link, _, units, offset = self._interfaces[number]
        if stamp is not None:
            self._at = stamp * _NS // units + offset * _NS
        self._reading.frames += 1
        return CapturedFrame(self._reading.frames, self._at, link, data, length)
