"""A program that is recorded, kept as JSON, printed and run again is the same program."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness
from harness.errors import FinwaitError, Unsupported
from harness.program.interpreter import run
from harness.program.packetdrill import packetdrill
from harness.program.python import FACE, function_name, python
from harness.program.recording import Recording, step
from harness.program.steps import (
    Allow,
    Assign,
    Call,
    Enter,
    Expect,
    Fail,
    Octets,
    Open,
    Program,
    Ref,
    Send,
    Value,
    referred,
)
from harness.program.values import KINDS, decoded, encoded
from harness.tcp import timing
from harness.tcp.options import Option
from harness.tcp.pattern import ANY, Between, Pattern
from harness.tcp.segment import ACK, FIN, SYN, WRONG_CHECKSUM, Flags, Segment
from harness.tcp.timing import PROMPT, RTO_MIN, Span
from harness.tcp.verdict import Due, Evidence, Expectation, Mismatch, Reply

ID = "scenarios/closing/test_x.py::test_a_fin[IPv4]"


class FakePeer:
    """Sends and expects nothing at all."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.silent = False
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

    @step(Expect, "segment")
    def expect(self, flags: Flags, **fields: Any) -> Segment:  # noqa: ANN401
        """See what is expected, unless nothing comes."""
        if self.silent:
            raise Mismatch(Evidence(expected=(Due("> F."),), observed="nothing"))
        pattern = Pattern(flags, **{name: one for name, one in fields.items() if name != "within"})
        return Segment(flags=pattern.flags)

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


spans = st.sampled_from([PROMPT, RTO_MIN, 3 * RTO_MIN, Span(1_234, "OWN"), RTO_MIN + PROMPT])
numbers = st.integers(0, 2**32 - 1)
flags = st.integers(0, 255).map(Flags)
options = st.sampled_from(["", "mss 1460", "TS", "sack 1:2,nop"])
ranges = st.tuples(numbers, numbers).map(lambda two: Between(min(two), max(two)))
patterns = st.builds(
    Pattern,
    flags,
    seq=st.none() | numbers | ranges,
    ack=st.none() | numbers,
    length=st.just(ANY) | st.integers(0, 1500),
    options=options,
) | st.builds(Pattern, flags, data=st.binary(max_size=20))
segments = st.builds(
    Segment,
    flags=flags,
    seq=numbers,
    window=st.integers(0, 65535),
    data=st.binary(max_size=20) | st.just(bytes(1460)),
    options=st.just(()) | st.just((Option("nop"), Option("opt 253", raw=b"\xab"))),
    checksum=st.none() | st.just(WRONG_CHECKSUM),
    raw_options=st.none() | st.binary(max_size=8),
)
finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.one_of(st.none(), st.booleans(), st.integers(), finite, st.text(max_size=20), st.binary(max_size=20))


@given(st.one_of(plain, spans, flags, patterns, segments, st.tuples(plain, patterns)))
def test_a_value_comes_back_from_its_record(value: object) -> None:
    kept = msgspec.json.decode(msgspec.json.encode(encoded(value, lambda _: "")), type=Any)
    record = msgspec.convert(kept, type=Value)
    assert decoded(record, str) == value


@st.composite
def recorded(draw: st.DrawFn) -> Program:
    """The program of a scenario that does this and that."""
    session = FakeSession()
    listener = session.listen()
    server, peer = session.establish(listener)
    for what in draw(st.lists(st.integers(0, 8), max_size=9)):
        match what:
            case 0:
                peer.send(draw(flags), seq=draw(numbers), data=draw(st.binary(max_size=9)))
            case 1:
                peer.send_together(*draw(st.lists(segments, min_size=1, max_size=3)))
            case 2:
                peer.expect(draw(flags), seq=draw(st.none() | ranges), within=draw(st.none() | spans))
            case 3:
                peer.expect_one_of(first=draw(patterns), second=draw(patterns))
            case 4:
                peer.allow(draw(flags), length=ANY)
            case 5:
                server.receive(draw(st.integers(2, 3000)))
            case 6:
                session.connect((session.address, server.port))
            case 7:
                with server.without_waiting():
                    server.shutdown(socket.SHUT_WR)
            case 8:
                peer.timestamps = draw(st.booleans())
                peer.send_together(peer.send(FIN))
    return session.program()


@settings(max_examples=40)
@given(recorded())
def test_a_program_is_the_same_after_json_and_after_a_run(program: Program) -> None:
    assert program.gaps == ()
    assert msgspec.json.decode(msgspec.json.encode(program), type=Program) == program
    assert again(program) == program


@settings(max_examples=40)
@given(recorded())
def test_printed_python_does_the_same(program: Program) -> None:
    assert printed_again(program) == program


@settings(max_examples=40)
@given(recorded())
def test_every_program_has_a_script(program: Program) -> None:
    lines = packetdrill(program, ID).splitlines()
    assert all(line.startswith(("//", "+", "*", "`", "--")) for line in lines if line)


def test_what_a_step_calls_is_not_written_down() -> None:
    session = FakeSession()
    session.establish(session.listen())
    assert [one.name for one in session.program().steps] == ["listen", "establish"]


def test_what_the_lab_chose_is_named() -> None:
    session = FakeSession()
    listener = session.listen()
    session.connect((session.address, listener.port))
    (where,) = session.program().steps[-1].args
    assert decoded(where, str) == ("session.address", "listener.port")


def test_an_error_that_the_scenario_took_is_asserted() -> None:
    session = FakeSession()
    listener = session.listen()
    with pytest.raises(OSError, match="would wait"):
        listener.receive(1)
    listener.receive(2)
    text = python(session.program(), ID)
    assert 'assert errno_of(lambda: listener.receive(1)) == "EAGAIN"' in text
    assert 'assert listener.receive(2) == b"xx"' in text
    assert again(session.program()) == session.program()


def test_another_result_ends_the_run() -> None:
    steps = (Open(on="session", name="listen", gives=("listener",)),)
    other = (*steps, Call(on="listener", name="receive", args=(3,), result=Octets(b"abc")))
    with pytest.raises(Mismatch, match="receive gives"):
        run(Program(steps=other), {"session": FakeSession()})


def test_a_missing_error_ends_the_run() -> None:
    steps = (Open(on="session", name="listen", gives=("listener",)),)
    other = (*steps, Call(on="listener", name="receive", args=(3,), error="EAGAIN"))
    with pytest.raises(Mismatch, match="EAGAIN"):
        run(Program(steps=other), {"session": FakeSession()})


def test_a_step_that_ended_the_scenario_ends_the_program() -> None:
    session = FakeSession()
    _, peer = session.establish(session.listen())
    peer.silent = True
    with pytest.raises(Mismatch) as raised:
        peer.expect(FIN, seq=1, ack=1)
    program = session.program(raised.value, "deviates")
    assert program.steps[-1].error == "Mismatch"
    assert python(program, ID).splitlines()[-1] == "    peer.expect(FIN, seq=1, ack=1)"


@pytest.mark.parametrize(
    ("outcome", "kind", "line"),
    [
        ("deviates", AssertionError, 'pytest.fail("said so")'),
        ("unsupported", Unsupported, 'raise Unsupported("said so")'),
        ("lost", FinwaitError, 'raise FinwaitError("said so")'),
    ],
)
def test_what_the_scenario_decided_itself_is_kept(outcome: str, kind: type[BaseException], line: str) -> None:
    session = FakeSession()
    session.listen()
    program = session.program(ValueError("said so"), outcome)
    assert program.steps[-1] == Fail(on="scenario", name=outcome, result="said so")
    assert python(program, ID).splitlines()[-1].strip() == line
    with pytest.raises(kind, match="said so"):
        again(program)


def test_what_no_step_says_is_a_gap_and_not_passed_over() -> None:
    session = FakeSession()
    session.connect(("here", object()))  # type: ignore[arg-type]
    program = session.program()
    assert "is not data" in program.gaps[0]
    assert "raise FinwaitError" in python(program, ID)
    with pytest.raises(FinwaitError, match="not all of the scenario"):
        again(program)


def test_no_private_name_is_reached() -> None:
    with pytest.raises(FinwaitError, match="the program has no"):
        run(Program(steps=(Call(on="session.__class__", name="x"),)), {"session": FakeSession()})
    with pytest.raises(FinwaitError, match="is not a step"):
        run(Program(steps=(Call(on="session", name="__init__"),)), {"session": FakeSession()})


def test_what_is_printed_as_the_face_of_the_harness_is_there() -> None:
    spans = {value.name for value in vars(timing).values() if isinstance(value, Span) and hasattr(timing, value.name)}
    assert set(harness.__all__) >= FACE | spans | set(KINDS) - {"MsgFlag"}
    assert all(hasattr(harness, name) for name in harness.__all__)


def test_every_kind_of_value_has_its_own_name() -> None:
    assert {one.__name__ for one in KINDS.values()} == set(KINDS)


def test_a_script_reads_like_packetdrill_and_says_what_it_cannot() -> None:
    session = FakeSession()
    server, peer = session.establish(session.listen())
    server.shutdown(socket.SHUT_WR)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(FIN | ACK, seq=1, ack=2)
    peer.send(ACK, seq=2, ack=2, checksum=WRONG_CHECKSUM)
    lines = packetdrill(session.program(), ID).splitlines()
    assert lines[-4:] == [
        "+0 shutdown(3, SHUT_WR) = 0",
        "+0~+0.04 > F. 1:1(0) ack 1 <...>",
        "+0 < F. 1:1(0) ack 2 win 65535",
        "// cannot be said: a checksum of one's own: < . 2:2(0) ack 2 win 65535 checksum wrong (peer.send)",
    ]


def test_two_kernels_have_no_script() -> None:
    assert "cannot be said: two kernels" in packetdrill(Program(topology="path_session"), ID)


def test_references_are_found_in_values() -> None:
    assert list(referred(Ref("server.port"))) == ["server"]


@pytest.mark.parametrize(
    ("scenario", "name"),
    [
        ("scenarios/a/test_b.py::test_c", "test_c"),
        ("scenarios/a/test_b.py::test_c[IPv4-TS]", "test_c_IPv4_TS"),
        ("scenarios/a/test_b.py::test_c[6-::1]", "test_c_6_1"),
    ],
)
def test_printed_scenario_is_called_as_its_original_whatever_its_parameters_are(scenario: str, name: str) -> None:
    assert function_name(scenario) == name
