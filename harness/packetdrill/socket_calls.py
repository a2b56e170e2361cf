"""System calls of a script that make, open, end and set up sockets."""

from __future__ import annotations

import ctypes
import socket
import struct

from harness.packetdrill.call_state import Calls, CallState, Prepared
from harness.packetdrill.constants import Value, number_of
from harness.packetdrill.expressions import Anything, InternetAddress, Structure
from harness.packetdrill.libc import LIBC, Address, address, s32
from harness.packetdrill.tested import Stage, TestedSocket


def _socket(state: CallState, domain: Value, kind: Value, protocol: Value) -> Prepared:
    usual = socket.AF_INET6 if state.options.socket_version == 6 else socket.AF_INET
    family = usual if isinstance(domain, Anything) else s32(domain)
    numbers = s32(kind), s32(protocol)
    tested = TestedSocket(-1, numbers[1])

    def make() -> int:
        with state.lab.kernel.entered():
            return int(LIBC.socket(family, *numbers))

    return state.giving(make, tested)


def _own_address(state: CallState) -> Address:
    return address(state.options.socket_address(state.options.local[0]), state.options.bind_port)


def _bind(state: CallState, script: Value, where: Value, _length: Value) -> Prepared:
    live, to = state.fd(script), _own_address(state)
    if isinstance(where, Structure):
        to = _address_of(state, where)
    return Prepared(lambda: LIBC.bind(live, to.octets, to.size))


def _address_of(state: CallState, given: Structure) -> Address:
    fields = given.fields
    family, place = number_of(fields["sa_family"]), fields.get("sin_addr")
    port = number_of(fields["sin_port"]) if "sin_port" in fields else 0
    if isinstance(place, InternetAddress):
        return address(place.value, port)
    return address("::" if family == socket.AF_INET6 else state.options.local[0], port)


def _listen(state: CallState, script: Value, backlog: Value) -> Prepared:
    live, number = state.fd(script), s32(backlog)

    def check() -> str:
        if tested := state.sockets.of(s32(script)):
            tested.stage = Stage.LISTENING
        return ""

    return Prepared(lambda: LIBC.listen(live, number), check=check)


def _accept(state: CallState, script: Value, _where: Value, _length: Value) -> Prepared:
    live, given, expected = state.fd(script), list[int](), state.expected
    room, size = ctypes.create_string_buffer(128), ctypes.c_uint(128)

    def make() -> int:
        given.append(LIBC.accept(live, room, ctypes.byref(size)))
        return given[0]

    def check() -> str:
        stages = (Stage.ANSWERED, Stage.ESTABLISHED)
        tested = next((one for one in reversed(state.sockets.all) if one.stage in stages), None)
        if given[0] >= 0 and tested is None:
            LIBC.close(given[0])
            return "a connection that the script has no packets of"
        return state.adopt(expected, given[0], tested=tested)

    return Prepared(make, gives_descriptor=True, check=check)


def target(state: CallState, script: Value, family: int | None) -> Address:
    """Where a socket connects to, which is then under way; AF_UNSPEC makes it new again."""
    to = address(state.options.socket_address(state.options.remote[0]), state.options.connect_port)
    tested = state.sockets.of(s32(script))
    if family is not None:
        to = Address(struct.pack("@H", family % 65536).ljust(to.size, b"\0"))
    if tested is not None and family == socket.AF_UNSPEC:
        tested.stage = Stage.NEW
    elif tested is not None and tested.stage is Stage.NEW:
        tested.stage, tested.remote_port = Stage.CONNECTING, state.options.connect_port
        tested.local_port = 0
    return to


def _connect(state: CallState, script: Value, where: Value, _length: Value) -> Prepared:
    live, to = state.fd(script), target(state, script, where if isinstance(where, int) else None)
    return Prepared(lambda: LIBC.connect(live, to.octets, to.size))


def _shutdown(state: CallState, script: Value, how: Value) -> Prepared:
    live, number = state.fd(script), s32(how)
    return Prepared(lambda: LIBC.shutdown(live, number))


def _close(state: CallState, script: Value) -> Prepared:
    live = state.fd(script)

    def check() -> str:
        state.sockets.closed(s32(script))
        state.live.pop(s32(script), None)
        return ""

    return Prepared(lambda: LIBC.close(live), check=check)


CALLS: Calls = {
    "socket": _socket,
    "bind": _bind,
    "listen": _listen,
    "accept": _accept,
    "connect": _connect,
    "shutdown": _shutdown,
    "close": _close,
}
"""By name."""
