"""What the system calls of a script share: its descriptors and sockets, and a call that is ready to be made."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.packetdrill.clock import ScriptClock
from harness.packetdrill.constants import Value
from harness.packetdrill.lab import ScriptLab
from harness.packetdrill.libc import LIBC
from harness.packetdrill.settings import RunOptions
from harness.packetdrill.tested import Differs, Sockets, TestedSocket


def _nothing() -> str:
    return ""


@dataclass(slots=True)
class Prepared:
    """A call that is ready to be made.

    Args:
        make: makes it, and gives what the C library does.
        gives_descriptor: any result that is not negative is right where the script's is not.
        check: what is wrong with what it wrote, where its result was right; empty for nothing.
        checked_on_error: so too where it failed as it had to, as packetdrill does.
    """

    make: Callable[[], int]
    gives_descriptor: bool = False
    check: Callable[[], str] = _nothing
    checked_on_error: bool = False


@dataclass(slots=True)
class CallState:
    """The descriptors of one script, and what its calls act on.

    Args:
        lab: where its sockets are.
        options: of the script.
        clock: of the script, for the stamps in control messages.
        sockets: which packets belong to.
        find: where a file of the script is on this machine.
        sent: what data was sent from; the kernel may read it later, after send(2) with MSG_ZEROCOPY.
        expected: the result of the call that is being prepared; None where any is right.
        live: descriptors of this process by the script's.
        replaced: those whose number in the script another has now.
    """

    lab: ScriptLab
    options: RunOptions
    clock: ScriptClock
    sockets: Sockets
    find: Callable[[str], str]
    sent: list[object] = field(default_factory=list)
    expected: int | None = None
    live: dict[int, int] = field(default_factory=dict)
    replaced: list[int] = field(default_factory=list)

    def close_all(self) -> None:
        """Close what is open."""
        for descriptor in (*self.live.values(), *self.replaced):
            LIBC.close(descriptor)
        self.live.clear()
        self.replaced.clear()

    def wake(self) -> None:
        """Have a call that waits for a socket return; what is no socket says so, and is left."""
        for descriptor in tuple(self.live.values()):  # the call may open another meanwhile
            LIBC.shutdown(descriptor, socket.SHUT_RDWR)

    def fd(self, script: Value) -> int:
        """The live descriptor for one of the script's.

        Raises:
            Differs: the script has none of that number.
        """
        if not isinstance(script, int):
            raise TypeError("a descriptor is a number")
        if script not in self.live:
            raise Differs(f"the script has no descriptor {script}")
        return self.live[script]

    def adopt(self, script: int | None, live: int, *, tested: TestedSocket | None = None) -> str:
        """Keep a live descriptor under the script's number for it; what is wrong with that, empty for nothing.

        Args:
            script: the number; None where the script names none.
            live: the descriptor, negative for none.
            tested: the socket that it is.
        """
        if live < 0:
            return ""
        if script is None or (script in self.live and tested is None):
            self.replaced.append(live)
            return "" if script is None else f"descriptor {script} is in use in the script"
        if script in self.live:
            self.replaced.append(self.live[script])
        self.live[script] = live
        if tested:
            tested.descriptor = script
            if tested not in self.sockets.all:
                self.sockets.all.append(tested)
        return ""

    def giving(self, make: Callable[[], int], tested: TestedSocket | None = None) -> Prepared:
        """A call whose result is a new descriptor."""
        given: list[int] = []
        script = self.expected

        def made() -> int:
            given.append(make())
            return given[0]

        return Prepared(made, gives_descriptor=True, check=lambda: self.adopt(script, given[0], tested=tested))


Calls = Mapping[str, Callable[..., Prepared]]
"""What prepares system calls from their arguments, by their names."""


def only(given: Value) -> Value:
    """What stands alone between brackets."""
    if not isinstance(given, list) or len(given) != 1:
        raise TypeError("one value stands between brackets")
    return given[0]
