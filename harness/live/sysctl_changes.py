"""The sysctls that one session changed in a namespace, in order, so that they are put back in reverse."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.errors import Unsupported
from harness.live.syscalls import CallFailed, errno_name
from harness.trace.events import Called, Timeline, call_text
from netns import sysctls
from netns.enter import Namespace


class SysctlChanges:
    """What was changed in one namespace.

    Args:
        namespace: whose.
        timeline: where changes are recorded.
        after_step: called after each change, so that probes can look.
        side: ``client`` or ``server`` where both ends are kernels.
    """

    def __init__(
        self, namespace: Namespace, timeline: Timeline, after_step: Callable[[], None], side: str = ""
    ) -> None:
        self._namespace = namespace
        self._timeline = timeline
        self._after_step = after_step
        self._side = side
        self._before: list[tuple[str, str]] = []

    def value(self, name: str, new: int | str | None = None) -> str:
        """The value of a sysctl such as net/ipv4/tcp_fin_timeout, white space folded; after ``write`` of a new one.

        Raises:
            FinwaitError: it is not one of a network namespace, or a folder.
            Unsupported: this kernel does not have it.
            CallFailed: the kernel does not let it be read, or see ``write``.
        """
        name = sysctls.canonical(name)
        if new is not None:
            self.write(name, new)
        with self._namespace.entered():
            try:
                value = sysctls.read(name)
            except OSError as error:
                raise CallFailed.of(call_text("sysctl", (name,)), error) from error
            if value is None:
                raise _lacking(name)
        return value

    def write(self, name: str, value: int | str) -> None:
        """Set a sysctl until ``undo``.

        Raises:
            FinwaitError: it is not one of a network namespace, or a folder.
            Unsupported: this kernel does not have it.
            CallFailed: it forbids it here (EPERM, EACCES) or refuses the value (EINVAL).
        """
        name = sysctls.canonical(name)
        at, arguments = time.time_ns(), (name, value)
        with self._namespace.entered():
            try:
                before = sysctls.write(name, str(value))
            except OSError as error:
                self._record(at, arguments, errno_name(error))
                if isinstance(error, FileNotFoundError | NotADirectoryError):
                    raise _lacking(name) from error
                raise CallFailed.of(call_text("sysctl", arguments), error) from error
        self._before.append((name, before or ""))
        self._record(at, arguments)

    def _record(self, at: int, arguments: tuple[str, int | str], error: str = "") -> None:
        step = self._timeline.step(call_text("sysctl", arguments))
        called = Called(at, time.time_ns(), "sysctl", arguments, error=error, step=step, side=self._side)
        self._timeline.add(called)
        self._after_step()

    def undo(self) -> None:
        """Put back what each was before it was changed, the last change first."""
        if not self._before:
            return
        with self._namespace.entered():
            while self._before:
                sysctls.write(*self._before.pop())


def _lacking(name: str) -> Unsupported:
    """No mistake, since another kernel may have it; of a misspelt name, those that this one has tell as much."""
    near = sysctls.nearest(name)
    return Unsupported(f"this kernel has no sysctl {name}", why=f"it has {', '.join(near)}" if near else "")
