"""A program that is being written after a script: its steps, the names in it, and what no step says. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from harness.packetdrill.settings import RunOptions
from harness.program.steps import AnyStep, Call, Open, Ref, Unsaid, Wait

SCENARIO = "scenario"


@dataclass(slots=True)
class NamedSocket:
    """A socket of the script by its name in the program.

    Args:
        name: of the endpoint.
        peer: of what it is connected to, or is about to be; empty for none.
    """

    name: str
    peer: str = ""


@dataclass(slots=True)
class Draft:
    """What was written so far.

    Args:
        options: of the script.
        steps: in order.
        sockets: by the script's descriptor.
        peer: the other end of what the script's packets belong to; empty while that is nothing.
        now: the script's time, in ns since its start.
        cause: when what the kernel may answer to happened last.
        event_start: when the event at hand begins, as its line has it.
        listener: the socket that connections come to; empty for none.
        lacking: what no step says, and whether the program is another one without it.
        echoes: what stands for the script's timestamps of the kernel, by their value.
        choice: the congestion control that the script's commands set; empty for none.
    """

    options: RunOptions
    steps: list[AnyStep] = field(default_factory=list)
    sockets: dict[int, NamedSocket] = field(default_factory=dict)
    peer: str = ""
    now: int = 0
    cause: int = 0
    event_start: int = 0
    listener: str = ""
    lacking: dict[str, bool] = field(default_factory=dict)
    echoes: dict[int, str] = field(default_factory=dict)
    choice: str = ""
    _used: Counter[str] = field(default_factory=Counter)

    def name(self, base: str) -> str:
        """A name that nothing has."""
        self._used[base] += 1
        return base if self._used[base] == 1 else f"{base}{self._used[base]}"

    def unsaid(self, what: str, text: str = "", *, needed: bool = True) -> None:
        """Something that no step says; ``needed``: the program is another one without it."""
        self.steps.append(Unsaid(on=SCENARIO, name=what, result=text or None))
        self.lacking[what] = self.lacking.get(what, False) or needed

    def new_peer(self, *port: Ref) -> str:
        """The other end of a new connection, to which packets belong from now on."""
        self.peer = self.name("peer")
        self.echoes.clear()
        self.steps.append(Open(on="session", name="new_peer", args=port, gives=(self.peer,)))
        return self.peer

    def choose(self, name: str) -> None:
        """A socket takes the congestion control of the script's commands: that of a lab's route comes before theirs."""
        if self.choice:
            self.steps.append(Call(on=name, name="set_option", args=("TCP_CONGESTION", self.choice)))

    def echo(self, value: int) -> Ref | None:
        """What an inbound echo of the script's timestamp refers to; None where the kernel sent none such."""
        path = self.echoes.get(value, "")
        if not path:
            return None
        latest = list(self.echoes)[-1] == value
        return Ref(f"{self.peer}.echo" if latest else path)

    def wait(self, length: int) -> None:
        """A time passes, in ns; before there is a peer nothing happens that it would matter to."""
        if self.peer and length > 0:
            self.steps.append(Wait(on=self.peer, name="wait", args=(length / 1e9,)))
