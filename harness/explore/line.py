"""One connection of a program, as its peer has it."""

from __future__ import annotations

import socket

from msgspec.structs import replace

from harness.explore.attempt import IP_HEADER, SIGNED, CameBack
from harness.explore.credentials import cookie_of, dressed, without_chance
from harness.explore.lab import ProgramLab, Sighted
from harness.explore.numbers import Identifications, Numbering
from harness.tcp.ip import header_of
from harness.tcp.segment import Segment
from harness.wire.frames import Encoder, Flow


class Line:
    """One connection of a program, as its peer has it, and the socket of the process that holds it.

    Args:
        number: 1 to 3.
        flow: its ports.
        lab: where it is.
        cookies: of Fast Open by IP version, as the kernel has given them to the peer.
    """

    def __init__(self, number: int, flow: Flow, lab: ProgramLab, cookies: dict[int, bytes]) -> None:
        self.number = number
        self.connection: socket.socket | None = None
        self.numbers = Numbering(shows_timestamps="timestamp values" not in lab.ignored, ip_version=flow.version)
        self._identifications = Identifications()
        self._lab = lab
        self._cookies = cookies
        self.signs = False
        self.is_known = False  # to the kernel, which may have a socket of it that no process holds
        self.set_out(flow)

    def set_out(self, flow: Flow) -> None:
        """Have these ports."""
        self.flow = flow
        self.encoder = Encoder(self._lab.plan, flow)

    def put(self, segment: Segment, options: str) -> None:
        """Send a segment with wire numbers."""
        self.signs = self.signs or options == SIGNED
        cookie = self._cookies.get(self.flow.version, b"")
        self._lab.put(self.encoder.encode(dressed(segment, options, self._lab.plan, self.flow, cookie)))

    def end(self) -> None:
        """Have the kernel leave off, which goes on with it by itself."""
        self.put(*self.numbers.reset(signed=self.signs))

    def seen(self, one: Sighted, at_ms: int) -> CameBack:
        """What is noted of a segment of the kernel's."""
        if cookie := cookie_of(one.segment):
            self._cookies[self.flow.version] = cookie
        back = self.numbers.relative(without_chance(one.segment, self._lab.plan, self.flow), at_ms)
        if IP_HEADER not in self._lab.ignored:
            back = replace(back, ip=self._identifications.told(header_of(one.frame)))
        return self._lab.seen(replace(back, connection=self.number) if self.number > 1 else back)
