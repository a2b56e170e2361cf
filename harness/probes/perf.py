"""The machine's tracepoints as perf_event_open(2) delivers them: one ring a processor, gone with its descriptor.

An own tracefs instance would do as well, but it outlives a process that is killed; a perf event cannot.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import re
import resource
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

_CALLS = {"x86_64": 298, "i686": 336, "aarch64": 241, "riscv64": 241, "loongarch64": 241, "ppc64le": 319, "s390x": 331}
_PERF_TYPE_TRACEPOINT = 2
_SAMPLE_TID, _SAMPLE_TIME, _SAMPLE_RAW = 1 << 1, 1 << 2, 1 << 10
_WATERMARK, _USE_CLOCKID = 1 << 14, 1 << 25
_FLAG_CLOEXEC = 8
_SET_OUTPUT, _SET_FILTER = 0x2405, 0x40082406  # _IO('$', 5), _IOW('$', 6, char *)
_CLOCK_MONOTONIC = 1  # the only one of the clocks that are known outside that tracepoints may use
_RECORD_SAMPLE = 9

# perf_event_attr up to the clock, which is its third version, of Linux 4.1
_ATTRIBUTES = struct.Struct("=IIQQQQQIIQQQQIi")
_HEADER = struct.Struct("=IHH")
_SAMPLE = struct.Struct("=IHHIIQI")  # behind the header pid, tid, time, length of what follows
_LARGEST = 1024  # bytes; the largest record of the tracepoints in use has below 300

PAGES = 64
"""Pages of a processor's ring, a power of two: 256 KiB, about 1500 records."""

_libc = ctypes.CDLL(None, use_errno=True)


class Sample(NamedTuple):
    """One record. ``at`` is ns of CLOCK_MONOTONIC; ``process`` is 0 when an interrupt found the processor idle.

    After an ``overrun`` sample, which has no content, records may be missing up to the time it was drained.
    """

    at: int
    process: int
    content: bytes
    overrun: bool = False


def processors(text: str) -> list[int]:
    """The numbers in a list as /sys/devices/system/cpu/online has it: ``0-2,5``."""
    found: list[int] = []
    for part in text.strip().split(","):
        if span := re.fullmatch(r"(\d+)(?:-(\d+))?", part):
            found.extend(range(int(span[1]), int(span[2] or span[1]) + 1))
    return found


class Recorder:
    """Records tracepoints on every processor until it is closed.

    Args:
        filters: by tracepoint number, the filter in the kernel's language (Documentation/trace/events.rst), or "".

    Raises:
        OSError: ENOSYS without CONFIG_PERF_EVENTS or on a machine whose call number is not known, EACCES and EPERM
            without CAP_PERFMON, EMFILE above the limit of open files.
    """

    def __init__(self, filters: Mapping[int, str]) -> None:
        online = processors(Path("/sys/devices/system/cpu/online").read_text())
        self._stack = ExitStack()
        with self._stack:
            _make_room(len(online) * len(filters))
            self._rings = [self._record(processor, filters) for processor in online]
            self._stack = self._stack.pop_all()

    def _record(self, processor: int, filters: Mapping[int, str]) -> Ring:
        first = -1
        for number, text in filters.items():
            descriptor = _open(number, processor)
            self._stack.callback(os.close, descriptor)
            if text:
                _control(descriptor, _SET_FILTER, ctypes.c_char_p(text.encode()))
            if first < 0:
                first = descriptor
                ring = Ring(first)
                self._stack.callback(ring.close)
            else:
                _control(descriptor, _SET_OUTPUT, ctypes.c_long(first))
        return ring

    def drain(self) -> list[Sample]:
        """What was recorded since the last time, in the order of its time."""
        return sorted((sample for ring in self._rings for sample in ring.drain()), key=lambda sample: sample.at)

    def skip(self) -> None:
        """Forget what was recorded up to now."""
        for ring in self._rings:
            ring.skip()

    def close(self) -> None:
        """Stop; takes tens of milliseconds, in which the kernel waits for its readers."""
        self._stack.close()


class Ring:
    """One processor's ring, mapped (include/uapi/linux/perf_event.h, perf_event_mmap_page)."""

    def __init__(self, descriptor: int) -> None:
        page = mmap.PAGESIZE
        self._size = PAGES * page
        self._map = mmap.mmap(descriptor, page + self._size)
        self._data = memoryview(self._map)[page:]
        # whole words, so that the kernel never sees half a position: data_head, data_tail
        self._ends = memoryview(self._map)[1024:1040].cast("Q")

    def drain(self) -> Iterator[Sample]:
        """Take out what is there now; what comes while reading waits for the next time."""
        head, tail = self._ends
        content = self._between(tail, head)
        self._ends[1] = head
        last = 0
        for sample in parse(content):
            last = sample.at
            yield sample
        # The kernel's own record of a loss is written with the first record that finds room again, too late to be
        # told with what it hides. A loss always leaves the ring as full as this.
        if head - tail > self._size - _LARGEST:
            yield Sample(last, 0, b"", overrun=True)

    def skip(self) -> None:
        """Leave out what is there now."""
        self._ends[1] = self._ends[0]

    def _between(self, tail: int, head: int) -> bytes:
        start, length = tail % self._size, head - tail
        first = bytes(self._data[start : start + length])
        return first + bytes(self._data[: length - len(first)])

    def close(self) -> None:
        """Unmap."""
        self._data.release()
        self._ends.release()
        self._map.close()


def parse(content: bytes) -> Iterator[Sample]:
    """Take records apart; of a kind that was not asked for, nothing is said.

    Raises:
        ValueError: a record has an impossible length.
    """
    offset = 0
    while offset + _HEADER.size <= len(content):
        kind, _, size = _HEADER.unpack_from(content, offset)
        if size < _HEADER.size or offset + size > len(content):
            raise ValueError(f"a perf record of {size} bytes where {len(content) - offset} are left")
        if kind == _RECORD_SAMPLE:
            *_, process, _, at, length = _SAMPLE.unpack_from(content, offset)
            begin = offset + _SAMPLE.size
            yield Sample(at, process, content[begin : begin + length])
        offset += size


def _open(number: int, processor: int) -> int:
    call = _CALLS.get(platform.machine())
    if call is None:
        raise OSError(38, f"perf_event_open's number on {platform.machine()} is not known here")
    attributes = _ATTRIBUTES.pack(
        _PERF_TYPE_TRACEPOINT,
        _ATTRIBUTES.size,
        number,
        1,  # every one
        _SAMPLE_TID | _SAMPLE_TIME | _SAMPLE_RAW,
        0,
        _WATERMARK | _USE_CLOCKID,
        0xFFFFFFFF,  # never wake anybody: the interrupt that does it costs more than the record, and nobody polls
        *(0,) * 6,
        _CLOCK_MONOTONIC,
    )
    longs = [ctypes.c_long(each) for each in (-1, processor, -1, _FLAG_CLOEXEC)]
    return _checked(_libc.syscall(ctypes.c_long(call), attributes, *longs))


def _control(descriptor: int, request: int, argument: ctypes.c_char_p | ctypes.c_long) -> None:
    _checked(_libc.ioctl(descriptor, ctypes.c_ulong(request), argument))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _make_room(count: int) -> None:
    """Raise the soft limit of open files as far as is needed and allowed: a large machine needs some hundred."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = sum(1 for _ in Path("/proc/self/fd").iterdir()) + 2 * count + 64
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))
