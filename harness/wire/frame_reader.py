"""Takes what waits in a packet socket by one system call, with the kernel's stamps: recvmmsg(2).

recvmsg of Python takes two a frame, the second to look up the name of a device (SIOCGIFNAME) that nobody asks for; in
User Mode Linux system calls are most of what a scenario costs.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import threading
from typing import NamedTuple

from harness.wire.msghdr import IoVector, MessageHeader

_FRAMES = 8  # at once: more than a scenario's step puts on the wire
_LONGEST = 1 << 16
_TIMESPEC = struct.Struct("@ll")
_COUNT = struct.Struct("@I")
_ADDRESS = 20  # bytes of a struct sockaddr_ll
_PACKET_TYPE = 10  # where sll_pkttype stands in it

_libc = ctypes.CDLL(None, use_errno=True)


class Passed(NamedTuple):
    """A frame that passed a packet socket: when (ns since the epoch), whether it left there, its bytes."""

    at: int
    outgoing: bool
    data: bytes


class _Message(ctypes.Structure):
    _fields_ = (("header", MessageHeader), ("came", ctypes.c_uint))


_CAME = _Message.came.offset
_STAMP = socket.CMSG_LEN(0)  # where a control message's content begins
_CONTROL = socket.CMSG_SPACE(_TIMESPEC.size)


class _Room(threading.local):
    """Where frames arrive; one for each thread, since they are copied before the next come."""

    def __init__(self) -> None:
        self.data, self.addresses = bytearray(_FRAMES * _LONGEST), bytearray(_FRAMES * _ADDRESS)
        self.controls = bytearray(_FRAMES * _CONTROL)
        data, names, controls = map(_address, (self.data, self.addresses, self.controls))
        self._vectors = [IoVector(data + n * _LONGEST, _LONGEST) for n in range(_FRAMES)]  # the messages point at them
        messages = (_Message * _FRAMES)(
            *(
                _Message(
                    MessageHeader(
                        *(names + n * _ADDRESS, _ADDRESS, ctypes.pointer(vector), 1),
                        *(controls + n * _CONTROL, _CONTROL),
                    )
                )
                for n, vector in enumerate(self._vectors)
            )
        )
        self.empty = bytes(messages)
        self.messages = bytearray(self.empty)
        self.place = ctypes.c_void_p(_address(self.messages))


def _address(room: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(room))


_room = _Room()


def waiting(capture: socket.socket) -> list[Passed]:
    """The frames that wait in a packet socket with SO_TIMESTAMPNS, up to 8 of them, in the order of the wire.

    Raises:
        OSError: as recvmmsg(2), except that nothing waits.
    """
    room = _room
    room.messages[:] = room.empty  # the kernel wrote lengths where it read how much room there is
    count = _libc.recvmmsg(capture.fileno(), room.place, _FRAMES, socket.MSG_DONTWAIT, None)
    if count < 0:
        if (number := ctypes.get_errno()) in {errno.EAGAIN, errno.EINTR}:
            return []
        raise OSError(number, os.strerror(number))
    return [_passed(room, number) for number in range(count)]


def _passed(room: _Room, number: int) -> Passed:
    seconds, nanoseconds = _TIMESPEC.unpack_from(room.controls, number * _CONTROL + _STAMP)
    (length,) = _COUNT.unpack_from(room.messages, number * ctypes.sizeof(_Message) + _CAME)
    outgoing = room.addresses[number * _ADDRESS + _PACKET_TYPE] == socket.PACKET_OUTGOING
    start = number * _LONGEST
    return Passed(seconds * 10**9 + nanoseconds, outgoing, bytes(memoryview(room.data)[start : start + length]))
