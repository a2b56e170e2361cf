"""The sysctls that one session changed in a namespace, in order, so that they are put back in reverse."""

from __future__ import annotations

from harness.errors import Unsupported
from netns import sysctls
from netns.enter import Namespace


class SysctlChanges:
    """What was changed in one namespace."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._before: list[tuple[str, str]] = []

    def read(self, name: str) -> str:
        """The value of a sysctl such as net/ipv4/tcp_fin_timeout, white space folded.

        Raises:
            Unsupported: this kernel has it not.
        """
        with self._namespace.entered():
            value = sysctls.read(name)
        if value is None:
            raise Unsupported(f"this kernel has no sysctl {name}")
        return value

    def write(self, name: str, value: int | str) -> None:
        """Set a sysctl.

        Raises:
            OSError: the kernel has it not (ENOENT), forbids it here (EPERM, EACCES) or refuses the value (EINVAL).
        """
        with self._namespace.entered():
            before = sysctls.write(name, str(value))
        self._before.append((name, before or ""))

    def undo(self) -> None:
        """Put back what each was before it was changed, the last change first."""
        with self._namespace.entered():
            while self._before:
                sysctls.write(*self._before.pop())
