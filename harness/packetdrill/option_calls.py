"""System calls of a script that set or tell a number or a structure: options of sockets, fcntl, ioctl."""

from __future__ import annotations

import ctypes

from harness.packetdrill.call_state import Calls, CallState, Prepared, only
from harness.packetdrill.constants import Value
from harness.packetdrill.libc import LIBC, s32
from harness.packetdrill.messages import option_octets


def _setsockopt(state: CallState, script: Value, level: Value, name: Value, given: Value, length: Value) -> Prepared:
    live, numbers = state.fd(script), (s32(level), s32(name))
    octets = option_octets(given)
    room = None if octets is None else ctypes.create_string_buffer(octets, max(len(octets), s32(length), 1))
    return Prepared(lambda: LIBC.setsockopt(live, *numbers, room, ctypes.c_uint(s32(length))))


def _getsockopt(state: CallState, script: Value, level: Value, name: Value, given: Value, length: Value) -> Prepared:
    live, numbers, wanted = state.fd(script), (s32(level), s32(name)), s32(only(length))
    octets, size = option_octets(given), ctypes.c_uint(wanted)
    room = ctypes.create_string_buffer(max(wanted, 0) + 1)

    def check() -> str:
        if size.value != wanted:
            return f"the value has {size.value} octets, not {wanted}"
        came = room.raw[:wanted]
        if octets is None or came == octets[:wanted].ljust(wanted, b"\0"):
            return ""
        return f"the value is {came.hex()}, not {octets[:wanted].hex()}"

    return Prepared(lambda: LIBC.getsockopt(live, *numbers, room, ctypes.byref(size)), check=check)


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
