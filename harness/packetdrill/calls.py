"""The system calls of a script, made by the C library on live descriptors, so that wrong arguments reach the kernel."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from harness.errors import FinwaitError, Unsupported
from harness.packetdrill import data_calls, option_calls, socket_calls, waiting_calls
from harness.packetdrill.call_state import Calls, CallState, Prepared
from harness.packetdrill.constants import Value, number_of, value_of
from harness.packetdrill.expressions import Anything
from harness.packetdrill.script import SystemCall

CALLS: Calls = {
    **socket_calls.CALLS,
    **data_calls.CALLS,
    **waiting_calls.CALLS,
    **option_calls.CALLS,
}
"""What is taken, by name."""


class ReadCall(NamedTuple):
    """A system call with what its arguments stand for, which takes longer to find out than to make the call."""

    call: SystemCall
    made_by: Callable[..., Prepared]
    arguments: tuple[Value, ...]
    expected: int | None


def read(call: SystemCall) -> ReadCall:
    """Read the arguments of a call.

    Raises:
        Unsupported: a call, or a constant, that is not taken.
        FinwaitError: a result that is no number.
    """
    made_by = CALLS.get(call.name)
    if made_by is None:
        what = f"line {call.line}: the system call {call.name} is not taken"
        raise Unsupported(what, why=f"there are {', '.join(CALLS)}")
    expected = None if isinstance(call.result, Anything) else number_of(call.result)
    return ReadCall(call, made_by, tuple(map(value_of, call.arguments)), expected)


def prepare(given: ReadCall, state: CallState) -> Prepared:
    """Make a call ready.

    Raises:
        Differs: a descriptor that the script does not have.
        Unsupported: a kind of argument that is not taken.
        FinwaitError: arguments that the call does not take.
    """
    state.expected = given.expected
    try:
        return given.made_by(state, *given.arguments)
    except (TypeError, ValueError, KeyError, struct.error) as error:
        what = f"line {given.call.line}: {given.call.name} does not take these arguments"
        raise FinwaitError(what, why=str(error)) from error
