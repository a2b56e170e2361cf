"""System calls of a script that set or tell a number or a structure: options of sockets, fcntl, ioctl."""

from __future__ import annotations

import ctypes

from harness.packetdrill.call_state import Calls, CallState, Prepared, only
from harness.packetdrill.constants import Value
from harness.packetdrill.expressions import GreHeader
from harness.packetdrill.libc import LIBC, s32
from harness.packetdrill.messages import option_octets


def _setsockopt(state: CallState, script: Value, level: Value, name: Value, given: Value, length: Value) -> Prepared:
    live, numbers = state.fd(script), (s32(level), s32(name))
    octets = option_octets(given)
    room = None if octets is None else ctypes.create_string_buffer(octets, max(len(octets), s32(length), 1))
    return Prepared(lambda: LIBC.setsockopt(live, *numbers, room, ctypes.c_uint(s32(length))))


def _getsockopt(state: CallState, script: Value, level: Value, name: Value, given: Value, length: Value) -> Prepared:
    live, numbers, wanted = state.fd(script), (s32(level), s32(name)), s32(only(length))
    size = ctypes.c_uint(wanted)
    room = ctypes.create_string_buffer(max(wanted, 0) + 1)

    def check() -> str:
        if size.value != wanted:
            return f"the value has {size.value} octets, not {wanted}"
        came = room.raw[:wanted]
        if isinstance(given, bytes):
            due = given
        elif isinstance(given, GreHeader):  # the kernel gives no protocol, and a script none either
            due, came = option_octets(given) or b"", came[:2] + bytes(2) + came[4:]
        elif (octets := option_octets(given)) is None:
            return ""
        else:
            due = octets
        if len(due) != wanted:
            return f"a value of {len(due)} octets stands in the script beside a length of {wanted}"
        return "" if came == due else f"the value is {came.hex()}, not {due.hex()}"

    get = LIBC.getsockopt
    return Prepared(lambda: get(live, *numbers, room, ctypes.byref(size)), check=check, checked_on_error=True)


def _fcntl(state: CallState, script: Value, command: Value, *rest: Value) -> Prepared:
    live, numbers = state.fd(script), [s32(one) for one in (command, *rest)]
    return Prepared(lambda: LIBC.fcntl(live, *numbers))


def _ioctl(state: CallState, script: Value, command: Value, *rest: Value) -> Prepared:
    live, number = state.fd(script), ctypes.c_ulong(s32(command))
    if not rest:
        return Prepared(lambda: LIBC.ioctl(live, number))
    wanted, came = s32(only(rest[0])), ctypes.c_int()
    return Prepared(
        lambda: LIBC.ioctl(live, number, ctypes.byref(came)),
        check=lambda: "" if came.value == wanted else f"the value is {came.value}, not {wanted}",
    )


CALLS: Calls = {
    "setsockopt": _setsockopt,
    "getsockopt": _getsockopt,
    "fcntl": _fcntl,
    "ioctl": _ioctl,
}
"""By name."""
