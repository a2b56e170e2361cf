"""How often a kernel's own code was reached, where it was built to count that (Documentation/dev-tools/gcov.rst)."""

from __future__ import annotations

import os

from harness.probes.tracefs import detached

_ALL = 1 << 20


class CodeCounts:
    """gcov's counts in debugfs; a held descriptor.

    They are the whole kernel's: whoever counts a scenario lets nothing else run beside it.

    Args:
        beginning: of the names of the objects to read.

    Raises:
        OSError: the kernel does not count, or this user may not look.
    """

    def __init__(self, beginning: str = "net/ipv") -> None:
        self._debugfs = detached(b"debugfs")
        try:
            self._reset = os.open("gcov/reset", os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._debugfs)
        except OSError:
            os.close(self._debugfs)
            raise
        self._paths = sorted(
            f"{folder}/{name}"
            for folder, _, names, _ in os.fwalk("gcov", dir_fd=self._debugfs)
            for name in names
            # of MPTCP there is an object of the same name
            if name.endswith(".gcda") and f"/{beginning}" in f"{folder}/{name}" and "/net/ipv" in folder
        )

    def close(self) -> None:
        """Let go."""
        os.close(self._reset)
        os.close(self._debugfs)

    @property
    def objects(self) -> tuple[str, ...]:
        """What is counted, in the order of ``read``: ``net/ipv4/tcp_input``."""
        return tuple("net/" + path.rpartition("/net/")[2].removesuffix(".gcda") for path in self._paths)

    def reset(self) -> None:
        """Begin anew."""
        os.write(self._reset, b"0")

    def read(self) -> list[bytes]:
        """What gcov's data files would hold now, one an object: as long each time, mostly zeros."""
        return [self._content(path) for path in self._paths]

    def _content(self, path: str) -> bytes:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._debugfs)
        try:
            return b"".join(iter(lambda: os.read(descriptor, _ALL), b""))
        finally:
            os.close(descriptor)
