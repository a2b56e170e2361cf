"""The records by which an emulated guest tells its host of files as they are closed, and of its status.

Only the standard library, and nothing of ours: the guest has this file by itself.
"""

from __future__ import annotations

import struct

# kind, length of the path, length of the content; numbers in network order.
HEAD = struct.Struct("!cIQ")
PUT, MORE, FOLDER, DELETE, BOOTED, ANSWER = b"P", b"M", b"F", b"D", b"B", b"A"


def record(kind: bytes, path: bytes = b"", content: bytes = b"") -> bytes:
    """One record as bytes; ``path`` is relative to the output folder."""
    return HEAD.pack(kind, len(path), len(content)) + path + content
