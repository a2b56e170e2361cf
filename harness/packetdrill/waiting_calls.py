"""System calls of a script that wait for events: poll and epoll."""

from __future__ import annotations

import ctypes
import struct

from harness.packetdrill.call_state import Calls, CallState, Prepared
from harness.packetdrill.constants import Value, number_of
from harness.packetdrill.expressions import Structure
from harness.packetdrill.libc import LIBC, PollDescriptor, s32


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


def _epoll_event(state: CallState, given: Value) -> tuple[int, int]:
    if not isinstance(given, Structure):
        raise TypeError("an epoll_event is a structure")
    name = next(name for name in ("ptr", "fd", "u32", "u64") if name in given.fields)
    number = number_of(given.fields[name])
    return number_of(given.fields["events"]), state.fd(number) if name == "fd" else number


def _epoll_ctl(state: CallState, epoll: Value, operation: Value, script: Value, given: Value) -> Prepared:
    live, of = state.fd(epoll), state.fd(script)
    event = ctypes.create_string_buffer(struct.pack("=Iq", *_epoll_event(state, given)))
    return Prepared(lambda: LIBC.epoll_ctl(live, s32(operation), of, event))


def _epoll_wait(state: CallState, epoll: Value, given: Value, most: Value, timeout: Value) -> Prepared:
    live, due = state.fd(epoll), _epoll_event(state, given)
    room = ctypes.create_string_buffer(12 * max(1, s32(most)))

    def check() -> str:
        came = struct.unpack_from("=Iq", room)
        return "" if came == due or (not any(came) and not any(due)) else f"the event is {came}, not {due}"

    return Prepared(lambda: LIBC.epoll_wait(live, room, s32(most), s32(timeout)), check=check)


CALLS: Calls = {
    "poll": _poll,
    "epoll_create": _epoll_create,
    "epoll_ctl": _epoll_ctl,
    "epoll_wait": _epoll_wait,
}
"""By name."""
