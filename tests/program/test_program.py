"""A program that is recorded, kept as JSON, printed and run again is the same program."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness
from harness.errors import FinwaitError, Unsupported
from harness.program.interpreter import run
from harness.program.python import FACE, function_name, python
from harness.program.steps import (
    Call,
    Fail,
    Octets,
    Open,
    Program,
    Ref,
    Value,
    referred,
)
from harness.program.values import KINDS, decoded, encoded
from harness.tcp import timing
from harness.tcp.segment import FIN
from harness.tcp.timing import Span
from harness.tcp.verdict import Mismatch
from tests.program.fakes import ID, FakeSession, again, printed_again
from tests.program.programs import flags, patterns, plain, recorded, segments, spans


@given(st.one_of(plain, spans, flags, patterns, segments, st.tuples(plain, patterns)))
def test_a_value_comes_back_from_its_record(value: object) -> None:
    kept = msgspec.json.decode(msgspec.json.encode(encoded(value)), type=Any)
    record = msgspec.convert(kept, type=Value)
    assert decoded(record, str) == value


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


def test_what_the_lab_chose_is_named_inside_of_a_text_too() -> None:
    session = FakeSession()
    listener = session.listen()
    listener.tell(f"to {session.address}, not {session.address}7 {{1}}")
    (text,) = session.program().steps[-1].args
    assert decoded(text, str) == "to session.address, not 198.18.0.17 {1}"
    assert again(session.program()) == printed_again(session.program()) == session.program()


def test_text_that_a_step_made_is_named_inside_of_others() -> None:
    session = FakeSession()
    server, peer = session.establish(session.listen())
    server.tell(f"it is {peer.describe(server.port)}")
    assert python(session.program(), ID).splitlines()[-1] == '    listener.tell(f"it is {text}")'
    assert again(session.program()) == printed_again(session.program()) == session.program()


def test_number_that_happens_to_be_a_port_is_a_number_where_no_port_is_meant() -> None:
    session = FakeSession()
    listener = session.listen()
    listener.receive(listener.port)
    assert session.program().steps[-1].args == (9001,)


@pytest.mark.parametrize("command", ["ss -K dport = 9001", ("ss", "-K", "dport", "=", "9001")])
def test_port_inside_of_a_command_is_named(command: str | tuple[str, ...]) -> None:
    session = FakeSession()
    session.run(command)
    listener = session.listen()
    assert listener.port == 9001
    session.run(command)
    first, last = (step for step in session.program().steps if step.name == "run")
    assert "9001" in python(Program(steps=(first,)), ID)
    assert "{listener.port}" in python(Program(steps=(last,)), ID)
    assert again(session.program()) == printed_again(session.program()) == session.program()


def test_flow_label_that_the_kernel_chose_is_named_and_one_that_the_scenario_chose_is_not() -> None:
    session = FakeSession()
    _, peer = session.establish(session.listen())
    peer.label = 0xABCDE
    first = peer.expect(FIN)
    peer.expect(FIN, flow_label=first.flow_label)
    peer.expect(FIN, flow_label=7)
    peer.send(FIN, flow_label=7, seq=0xABCDE)
    assert python(session.program(), ID).splitlines()[-4:] == [
        "    segment = peer.expect(FIN)",
        "    peer.expect(FIN, flow_label=segment.flow_label)",
        "    peer.expect(FIN, flow_label=7)",
        "    peer.send(FIN, flow_label=7, seq=703710)",
    ]


def test_what_is_known_later_is_named_after_what_it_is_then() -> None:
    session = FakeSession()
    first, second = session.listen(), session.listen()
    for one in (first, second):  # the kernel gave a port again
        session.connect((session.address, one.port))
    paths = [decoded(one.args[0], str)[1] for one in session.program().steps[-2:]]
    assert paths == ["listener.port", "listener2.port"]


def test_an_error_that_the_scenario_took_last_has_not_ended_it() -> None:
    session = FakeSession()
    listener = session.listen()
    with pytest.raises(OSError, match="would wait"):
        listener.receive(1)
    session.finish()
    assert 'assert errno_of(lambda: listener.receive(1)) == "EAGAIN"' in python(session.program(), ID)
    assert again(session.program()) == printed_again(session.program()) == session.program()


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
    with pytest.raises(FinwaitError, match="not the whole scenario"):
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
