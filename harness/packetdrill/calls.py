"""The system calls of a script, made by the C library on live descriptors, so that wrong arguments reach the kernel."""

from __future__ import annotations

import struct

from harness.errors import FinwaitError, Unsupported
from harness.packetdrill import data_calls, option_calls, socket_calls, waiting_calls
from harness.packetdrill.call_state import Calls, CallState, Prepared
from harness.packetdrill.constants import number_of, value_of
from harness.packetdrill.expressions import Anything
from harness.packetdrill.script import SystemCall

CALLS: Calls = {
    **socket_calls.CALLS,
    **data_calls.CALLS,
    **waiting_calls.CALLS,
    **option_calls.CALLS,
}
"""What is taken, by name."""


def prepare(call: SystemCall, state: CallState) -> Prepared:
    """Read the arguments of a call.

    Raises:
        Differs: a descriptor that the script does not have.
        Unsupported: a call, or a kind of argument, that is not taken.
        FinwaitError: arguments that the call does not take.
    """
    prepared = CALLS.get(call.name)
    if prepared is None:
        raise Unsupported(
            f"line {call.line}: the system call {call.name} is not taken", why=f"there are {', '.join(CALLS)}"
        )
    state.expected = None if isinstance(call.result, Anything) else number_of(call.result)
    try:
        return prepared(state, *map(value_of, call.arguments))
    except (TypeError, ValueError, KeyError, struct.error) as error:
        what = f"line {call.line}: {call.name} does not take these arguments"
        raise FinwaitError(what, why=str(error)) from error
