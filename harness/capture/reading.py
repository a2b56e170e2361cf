"""The frames of a pcap or pcapng file, one at a time, by scapy's reader: it takes both, in any byte order."""

from __future__ import annotations

import gzip
import io
import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import msgspec
from scapy.error import Scapy_Exception
from scapy.utils import RawPcapNgReader

from harness.errors import FinwaitError

_NS = 1_000_000_000
_GZIP = b"\x1f\x8b"
_WHAT_IS_TAKEN = "a pcap or pcapng file, as tcpdump -w, dumpcap, tshark and Wireshark write them; gzip is fine"
_MOST_OCTETS = 1 << 24
"""What is read at once; a block that claims more is none, and would take memory."""

# scapy warns in several lines of what is told here in one
logging.getLogger("scapy.runtime").setLevel(logging.CRITICAL)


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
        cut: why it ended before the file's end; empty where it did not.
    """

    frames: int = 0
    cut: str = ""


class _Watched(io.RawIOBase):
    """A stream that notes where a file ends within something, which scapy takes for its end."""

    def __init__(self, stream: IO[bytes], reading: Reading) -> None:
        self._stream = stream
        self._reading = reading

    def read(self, size: int = -1) -> bytes:
        behind = f"behind frame {self._reading.frames}"
        if not 0 <= size <= _MOST_OCTETS:
            self._reading.cut = f"{behind} stands a length that no frame has"
            raise EOFError
        try:
            got = self._stream.read(size)
        except (OSError, EOFError, zlib.error) as error:
            self._reading.cut = f"{behind} it cannot be decompressed: {error}"
            raise EOFError from error
        if 0 < len(got) < size:
            self._reading.cut = f"it breaks off {behind}"
        return got


def read(path: Path, reading: Reading | None = None) -> Iterator[CapturedFrame]:
    """The frames in the order of the file; memory does not grow with their number.

    Args:
        path: of the file.
        reading: is kept up to date.

    Raises:
        FinwaitError: it cannot be read, or no frame can be read from it. One that breaks off ends there, and
            ``reading`` says so.
    """
    reading = reading or Reading()
    with _opened(path, reading) as stream:
        try:
            reader = RawPcapNgReader(stream)
            at = 0
            for number, (data, about) in enumerate(reader, 1):
                at = _stamp(about, nano=getattr(reader, "nano", False), before=at)
                reading.frames = number
                link = about.linktype if hasattr(about, "linktype") else reader.linktype
                yield CapturedFrame(number, at, link & 0xFFFF, bytes(data), about.wirelen)
        except (Scapy_Exception, EOFError) as error:
            reading.cut = reading.cut or str(error)
    if not reading.frames:
        raise FinwaitError(f"{path} holds no frame", why=reading.cut or "it is empty", hint=_WHAT_IS_TAKEN)


def _stamp(about: Any, *, nano: bool, before: int) -> int:  # noqa: ANN401  (scapy's two kinds of tuple)
    """A frame's time; that of the frame before where it has none (simple packet blocks of pcapng)."""
    if hasattr(about, "sec"):
        return int(about.sec * _NS + about.usec * (1 if nano else 1000))
    if about.tshigh is None:
        return before
    return int(((about.tshigh << 32) + about.tslow) * _NS // about.tsresol)


@contextmanager
def _opened(path: Path, reading: Reading) -> Iterator[_Watched]:
    try:
        file = path.open("rb")
        with file:
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield _Watched(cast(IO[bytes], unpacked), reading)
            else:
                yield _Watched(file, reading)
    except OSError as error:
        raise FinwaitError(f"{path} cannot be read ({error.strerror})", hint=_WHAT_IS_TAKEN) from error
