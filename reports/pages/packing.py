"""Text packed so that a page opened from a file can have it: inside a script, for nothing else may be fetched there."""

from __future__ import annotations

import base64
import zlib

import msgspec

_LEVEL = 6


def packed(content: object) -> str:
    """JSON, deflated (zlib's format, which browsers call deflate) and in base64: nothing in it can end a script."""
    return base64.b64encode(zlib.compress(msgspec.json.encode(content), _LEVEL)).decode()


def unpacked(text: str) -> object:
    """What ``packed`` was given, as JSON has it."""
    return msgspec.json.decode(zlib.decompress(base64.b64decode(text)))
