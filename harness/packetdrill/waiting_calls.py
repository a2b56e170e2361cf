"""System calls of a script that wait for events: poll and epoll."""

from __future__ import annotations

import ctypes
import os
import struct

from harness.packetdrill.call_state import Calls, CallState, Prepared
from harness.packetdrill.constants import Value, number_of
from harness.packetdrill.expressions import Structure
from harness.packetdrill.libc import LIBC, PollDescriptor, s32
from harness.packetdrill.tested import Differs

_EVENT = struct.Struct("=IQ" if os.uname().machine == "x86_64" else "@IQ")  # EPOLL_PACKED, linux/eventpoll.h
_DATA_BITS = {"ptr": 2**64 - 1, "fd": 2**32 - 1, "u32": 2**32 - 1, "u64": 2**64 - 1}


def _poll(state: CallState, given: Value, count: Value, timeout: Value) -> Prepared:
    wanted = [one for one in given if isinstance(one, Structure)] if isinstance(given, list) else []
    if len(wanted) != s32(count):
        raise ValueError(f"{s32(count)} descriptors are announced and {len(wanted)} are there")
    rows = [(state.fd(number_of(one.fields["fd"])), number_of(one.fields["events"]), 0) for one in wanted]
    made = (PollDescriptor * len(rows))(*(PollDescriptor(*row) for row in rows))
    due = [number_of(one.fields["revents"]) if "revents" in one.fields else 0 for one in wanted]

    def check() -> str:
        came = [one.revents for one in made]
        return "" if came == due else f"revents are {list(map(hex, came))}, not {list(map(hex, due))}"

    return Prepared(lambda: LIBC.poll(made, ctypes.c_ulong(len(rows)), s32(timeout)), check=check)


def _epoll_create(state: CallState, size: Value) -> Prepared:
    return state.giving(lambda: LIBC.epoll_create(s32(size)))


def _epoll_event(state: CallState, given: Value) -> tuple[int, int, int]:
    """Events and data, and the bits of the data that count."""
    if not isinstance(given, Structure):
        raise TypeError("an epoll_event is a structure")
    name = next(name for name in _DATA_BITS if name in given.fields)
    number, bits = number_of(given.fields[name]), _DATA_BITS[name]
    return number_of(given.fields["events"]), state.fd(number) if name == "fd" else number % (bits + 1), bits


def _epoll_ctl(state: CallState, epoll: Value, operation: Value, script: Value, given: Value) -> Prepared:
    live, of = state.fd(epoll), state.fd(script)
    events, data, _ = _epoll_event(state, given)
    if isinstance(given, Structure) and "fd" in given.fields and data != of:
        raise Differs("the event has another descriptor than the call")
    event = ctypes.create_string_buffer(_EVENT.pack(events, data))
    return Prepared(lambda: LIBC.epoll_ctl(live, s32(operation), of, event))


def _epoll_wait(state: CallState, epoll: Value, given: Value, most: Value, timeout: Value) -> Prepared:
    live, (events, data, bits) = state.fd(epoll), _epoll_event(state, given)
    room = ctypes.create_string_buffer(_EVENT.size * max(1, s32(most)))

    def check() -> str:
        came, told = _EVENT.unpack_from(room)
        return "" if (came, told & bits) == (events, data) else f"the event is {(came, told)}, not {(events, data)}"

    return Prepared(lambda: LIBC.epoll_wait(live, room, s32(most), s32(timeout)), check=check)


CALLS: Calls = {
    "poll": _poll,
    "epoll_create": _epoll_create,
    "epoll_ctl": _epoll_ctl,
    "epoll_wait": _epoll_wait,
}
"""By name."""
