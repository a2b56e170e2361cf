"""System calls of a script that move data, with what stands for their buffers."""

from __future__ import annotations

import ctypes
import os

from harness.errors import Unsupported
from harness.packetdrill.call_state import Calls, CallState, Prepared, only
from harness.packetdrill.constants import Value
from harness.packetdrill.echoes import ECHO_REQUESTS
from harness.packetdrill.libc import LIBC, buffer, s32
from harness.packetdrill.messages import Message, vectors
from harness.packetdrill.socket_calls import target
from harness.wire import icmp
from harness.wire.msghdr import IoVector


def _from(state: CallState, data: Value, count: Value) -> ctypes.Array[ctypes.c_char] | None:
    """A buffer to send from."""
    state.sent.append(made := buffer(data, count))
    return made


def _read(state: CallState, script: Value, into: Value, count: Value) -> Prepared:
    live, room = state.fd(script), buffer(into, count)
    return Prepared(lambda: LIBC.read(live, room, ctypes.c_size_t(s32(count))))


def _write(state: CallState, script: Value, data: Value, count: Value) -> Prepared:
    live, room = state.fd(script), _from(state, data, count)
    return Prepared(lambda: LIBC.write(live, room, ctypes.c_size_t(s32(count))))


def _recv(state: CallState, script: Value, into: Value, count: Value, flags: Value) -> Prepared:
    live, room = state.fd(script), buffer(into, count)
    return Prepared(lambda: LIBC.recv(live, room, ctypes.c_size_t(s32(count)), s32(flags)))


def _send(state: CallState, script: Value, data: Value, count: Value, flags: Value) -> Prepared:
    live, room = state.fd(script), _from(state, data, count)
    return Prepared(lambda: LIBC.send(live, room, ctypes.c_size_t(s32(count)), s32(flags)))


def _recvfrom(
    state: CallState, script: Value, into: Value, count: Value, flags: Value, _where: Value, _length: Value
) -> Prepared:
    live, room, size = state.fd(script), buffer(into, count), ctypes.c_uint(128)
    source = ctypes.create_string_buffer(128)
    numbers = ctypes.c_size_t(s32(count)), s32(flags)
    return Prepared(lambda: LIBC.recvfrom(live, room, *numbers, source, ctypes.byref(size)))


def _sendto(
    state: CallState, script: Value, data: Value, count: Value, flags: Value, where: Value, _length: Value
) -> Prepared:
    live, room = state.fd(script), _from(state, data, count)
    to = target(state, script, where if isinstance(where, int) else None)
    tested = state.sockets.of(s32(script))
    if room and tested is not None and tested.protocol in icmp.PROTOCOLS.values():
        room[0] = bytes((ECHO_REQUESTS[state.options.version],))
    numbers = ctypes.c_size_t(s32(count)), s32(flags)
    return Prepared(lambda: LIBC.sendto(live, room, *numbers, to.octets, to.size))


def _vectors(given: Value, count: Value) -> ctypes.Array[IoVector]:
    made = vectors(given)
    if len(made) != s32(count):
        raise ValueError(f"{s32(count)} buffers are announced and {len(made)} are there")
    return made


def _readv(state: CallState, script: Value, into: Value, count: Value) -> Prepared:
    live, made = state.fd(script), _vectors(into, count)
    return Prepared(lambda: LIBC.readv(live, made, len(made)))


def _writev(state: CallState, script: Value, data: Value, count: Value) -> Prepared:
    live, made = state.fd(script), _vectors(data, count)
    state.sent.append(made)
    return Prepared(lambda: LIBC.writev(live, made, len(made)))


def _sendmsg(state: CallState, script: Value, message: Value, flags: Value) -> Prepared:
    live, made = state.fd(script), Message(message)
    state.sent.append(made)
    if made.named:
        made.name(target(state, script, None))
    if made.flags:
        raise Unsupported("msg_flags in a sendmsg is not taken", why="the kernel ignores it (sendmsg(2))")
    return Prepared(lambda: LIBC.sendmsg(live, made.reference, s32(flags)))


def _recvmsg(state: CallState, script: Value, message: Value, flags: Value) -> Prepared:
    live, made = state.fd(script), Message(message)

    def check() -> str:
        return made.complaint(state.clock.begun, state.options.tolerance_ns)

    return Prepared(lambda: LIBC.recvmsg(live, made.reference, s32(flags)), check=check)


def _open(state: CallState, name: Value, flags: Value) -> Prepared:
    if not isinstance(name, bytes):
        raise TypeError("a file is a text")
    path = os.fsencode(state.find(os.fsdecode(name)))
    return state.giving(lambda: LIBC.open(path, s32(flags)))


def _pipe(state: CallState, ends: Value) -> Prepared:
    if not isinstance(ends, list) or len(ends) != 2:
        raise TypeError("a pipe has two ends")
    made = (ctypes.c_int * 2)()

    def check() -> str:
        state.live.update(zip(map(s32, ends), made, strict=True))
        return ""

    return Prepared(lambda: LIBC.pipe(made), check=check)


def _sendfile(state: CallState, out: Value, source: Value, offset: Value, count: Value) -> Prepared:
    live, of = state.fd(out), state.fd(source)
    begin = ctypes.c_int64(s32(only(offset)))
    return Prepared(lambda: LIBC.sendfile(live, of, ctypes.byref(begin), ctypes.c_size_t(s32(count))))


def _splice(state: CallState, source: Value, at: Value, out: Value, to: Value, count: Value, flags: Value) -> Prepared:
    live, target = state.fd(source), state.fd(out)
    places = [ctypes.c_void_p(s32(place)) for place in (at, to)]
    size = ctypes.c_size_t(s32(count))
    return Prepared(lambda: LIBC.splice(live, places[0], target, places[1], size, ctypes.c_uint(s32(flags))))


CALLS: Calls = {
    "read": _read,
    "write": _write,
    "recv": _recv,
    "send": _send,
    "recvfrom": _recvfrom,
    "sendto": _sendto,
    "readv": _readv,
    "writev": _writev,
    "sendmsg": _sendmsg,
    "recvmsg": _recvmsg,
    "open": _open,
    "pipe": _pipe,
    "sendfile": _sendfile,
    "splice": _splice,
}
"""By name."""
