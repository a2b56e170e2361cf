"""A peer, a socket and a session that do nothing but be recorded, and a program's run in them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.program.interpreter import run
from harness.program.python import python
from harness.program.recording import Recording, step
from harness.program.steps import Allow, Assign, Call, Enter, Expect, Open, Program, Send
from harness.tcp.pattern import Pattern
from harness.tcp.segment import SYN, Flags, Segment
from harness.tcp.verdict import Due, Evidence, Expectation, Mismatch, Reply

ID = "scenarios/closing/test_x.py::test_a_fin[IPv4]"


class FakePeer:
    """Sends and expects nothing at all."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.silent = False
        self.label = 0
        self._timestamps = True

    @property
    def timestamps(self) -> bool:
        """Set by a step."""
        return self._timestamps

    @timestamps.setter
    @step(Assign)
    def timestamps(self, value: bool) -> None:
        self._timestamps = value

    @step(Send, "sent")
    def send(self, flags: Flags, **fields: Any) -> Segment:  # noqa: ANN401
        """Make a segment."""
        return Segment(flags=flags, **fields)

    @step(Send)
    def send_together(self, *segments: Segment) -> None:
        """Take segments."""

    @step(Open, "text")
    def describe(self, port: int) -> str:
        """Something that is made of the lab's numbers."""
        return f"made of {port}"

    @step(Expect, "segment")
    def expect(self, flags: Flags, **fields: Any) -> Segment:  # noqa: ANN401
        """See what is expected, unless nothing comes."""
        if self.silent:
            raise Mismatch(Evidence(expected=(Due("> F."),), observed="nothing"))
        pattern = Pattern(flags, **{name: one for name, one in fields.items() if name != "within"})
        return Segment(flags=pattern.flags, flow_label=self.label)

    @step(Expect, "reply")
    def expect_one_of(self, **alternatives: Pattern) -> Reply:
        """See the first."""
        first = next(iter(alternatives))
        return Reply(first, Segment(flags=alternatives[first].flags), 0, Expectation(alternatives, None))

    @step(Allow)
    def allow(self, flags: Flags, **fields: Any) -> None:  # noqa: ANN401
        """Nothing is allowed beyond."""


class FakeServer:
    """A socket that gives what it was told to."""

    def __init__(self, recording: Recording, number: int) -> None:
        self.recording = recording
        self._port = number

    @property
    def port(self) -> int:
        """A number of the lab's."""
        self.recording.knows(self._port, self, "port")
        return self._port

    @step(Call)
    def receive(self, size: int = 65536) -> bytes:
        """Bytes, or an error."""
        if size == 1:
            raise OSError(errno.EAGAIN, "would wait")
        return b"x" * size

    @step(Call)
    def tell(self, text: str) -> None:
        """Nothing."""

    @step(Call)
    def shutdown(self, how: int) -> None:
        """Nothing."""

    @step(Enter)
    @contextmanager
    def without_waiting(self) -> Iterator[None]:
        """Nothing."""
        yield


class FakeSession:
    """Opens the two."""

    def __init__(self, port: int = 9001) -> None:
        self.recording = Recording()
        self.port = port
        self.address = f"198.18.0.{port % 100}"
        self.recording.knows(self.address, self, "address")

    @step(Open, "listener")
    def listen(self) -> FakeServer:
        """A port that the lab chose."""
        return FakeServer(self.recording, self.port)

    @step(Open, "peer")
    def new_peer(self, port: int) -> FakePeer:  # noqa: ARG002
        """A peer; it looks at the port."""
        return FakePeer(self.recording)

    @step(Open, "server", "peer")
    def establish(self, listener: FakeServer) -> tuple[FakeServer, FakePeer]:
        """Uses the others, which is not written down."""
        peer = self.new_peer(listener.port)
        peer.send(SYN)
        return listener, peer

    @step(Call)
    def connect(self, address: tuple[str, int]) -> None:
        """Nothing."""

    @step(Call)
    def run(self, command: str | tuple[str, ...]) -> None:
        """Nothing."""

    @step(Expect)
    def finish(self) -> None:
        """Nothing is left."""

    def program(self, failure: BaseException | None = None, outcome: str = "") -> Program:
        """What was done."""
        return self.recording.program({"session": self}, Program(), failure, outcome)


def again(program: Program) -> Program:
    """The program that running it records."""
    session = FakeSession(9055)
    run(program, {"session": session})
    return session.program()


def printed_again(program: Program) -> Program:
    """The program that running its Python records."""
    session, names = FakeSession(9077), dict[str, Any]()
    text = python(program, ID)
    exec(compile(text, "printed.py", "exec", dont_inherit=True), names)  # noqa: S102  (what is printed is there to be run)
    names["test_a_fin_IPv4"](session)
    return session.program()
