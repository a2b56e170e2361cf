"""Opens a pcap or pcapng file, packed or not, and reads its frames one at a time."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

from harness.capture.files import CapturedFrame, Reading, Records
from harness.errors import FinwaitError

_GZIP = b"\x1f\x8b"
_WHAT_IS_TAKEN = "a pcap or pcapng file, as tcpdump -w, dumpcap, tshark and Wireshark write them; gzip is fine"


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
    try:
        with path.open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield from Records(unpacked, file, reading).frames()
            else:
                yield from Records(file, file, reading).frames()
    except OSError as error:
        raise FinwaitError(f"{path} cannot be read ({error.strerror})", hint=_WHAT_IS_TAKEN) from error
    if not reading.frames:
        raise FinwaitError(f"{path} holds no frame", why=reading.cut or "it is empty", hint=_WHAT_IS_TAKEN)
