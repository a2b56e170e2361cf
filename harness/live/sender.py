"""The sending half of a peer: segments in any order and any IP header, and ICMP errors, in relative numbers."""

from __future__ import annotations

import ipaddress
from collections import deque
from typing import TypedDict, Unpack

import msgspec

from harness.live.closed_names import ClosedNames
from harness.live.dispatcher import Dispatcher
from harness.program.recording import step
from harness.program.steps import Assign, Open, Send
from harness.tcp.authentication import Direction, Key, flaws, signed
from harness.tcp.ip import Envelope
from harness.tcp.options import Option, parse_options
from harness.tcp.pattern import Difference
from harness.tcp.relative import FirstNumbers, to_relative, to_wire
from harness.tcp.segment import ACK, SPACE, SYN, Flags, Segment, before, check_data, check_range
from harness.tcp.timing import MS
from harness.trace.events import OtherPacket, Sent
from harness.trace.inbox import Inbox
from harness.wire import icmp
from harness.wire.frames import Encoder, Flow

INITIAL_SEQUENCE_NUMBER = 1_000_000_000
"""Where a peer's sequence numbers start unless a scenario says otherwise."""


class HeaderFields(TypedDict, total=False):
    """What else a segment to be sent may be given; see ``Segment``. Options in packetdrill's notation."""

    data: bytes
    window: int
    options: str
    urgent: int
    checksum: int
    data_offset: int
    reserved: int
    raw_options: bytes
    flow_label: int


class Sender(ClosedNames):
    """What a connection of the peer's sends.

    ``window`` (0 to 65535) stands in every segment that is given none, and with ``timestamps`` so do timestamps, which
    echo the kernel's last one, ``echo``.

    Args:
        dispatcher: the lab's wire and what hangs on it.
        flow: IP version and ports.
        connection: its number on the timeline.
        isn: initial sequence number, 0 to 2**32 - 1.
    """

    def __init__(
        self, dispatcher: Dispatcher, flow: Flow, connection: int = 1, isn: int = INITIAL_SEQUENCE_NUMBER
    ) -> None:
        self.flow = flow
        self.connection = connection
        self.own = FirstNumbers(check_range("isn", isn, 32), crafted=True)
        self.kernel = FirstNumbers()
        self._timestamps = False
        self._keys: tuple[Key, ...] = ()
        self._window = 65535
        self.echo = 0
        self._dispatcher = dispatcher
        self._clock_began = dispatcher.clock.monotonic_ns()  # when the timestamp clock stood at 0
        self._clock_runs = False
        self.recording = dispatcher.timeline.recording
        self.recording.knows(flow.peer_port, self, "port")
        self._encoder = Encoder(dispatcher.plan, flow)
        self._waiting: deque[str] = deque()
        self.inbox = Inbox(dispatcher.timeline)  # what is sent is what the answers are counted from
        self._ports = flow.kernel_port, flow.peer_port

    @property
    def port(self) -> int:
        """The peer's port."""
        return self.flow.peer_port

    @property
    def address(self) -> tuple[str, int]:
        """The peer's address and port."""
        return self._dispatcher.plan.peer.address(self.flow.version), self.port

    @property
    def isn(self) -> int:
        """Its initial sequence number, 0 to 2**32 - 1; a peer that begins anew gets another."""
        return self.own.isn or 0

    @isn.setter
    @step(Assign)
    def isn(self, value: int) -> None:
        self.own.isn = check_range("isn", value, 32)

    @property
    def kernel_isn(self) -> int | None:
        """The kernel's initial sequence number as on the wire, 0 to 2**32 - 1; None before its SYN."""
        return self.kernel.isn

    @property
    def timestamps(self) -> bool:
        """Whether the peer's segments carry timestamps (RFC 7323 3.2); can be set.

        True once a handshake of the harness's own has negotiated them; a scenario that exchanges SYNs itself sets it.
        """
        return self._timestamps

    @timestamps.setter
    @step(Assign)
    def timestamps(self, value: bool) -> None:
        self._timestamps = value

    @property
    def window(self) -> int:
        """The window field of the peer's segments, 0 to 65535; can be set."""
        return self._window

    @window.setter
    @step(Assign)
    def window(self, value: int) -> None:
        self._window = value

    @step(Send, "made")
    def make(self, flags: Flags, *, seq: int = 0, ack: int | None = None, **fields: Unpack[HeaderFields]) -> Segment:
        """Build a segment as the peer would send it now, to send it later with ``send_together``.

        Args:
            flags: control bits. Passing ``ack`` adds ACK.
            seq: relative sequence number, -2**31 to 2**32 - 1.
            ack: relative acknowledgment number, likewise.
            fields: other fields of ``Segment``. ``window`` defaults to the peer's; ``options`` is text in packetdrill's
                notation, and defaults to timestamps where they were negotiated.

        Raises:
            FinwaitError: a number does not fit its field, an option is unknown, or IPv4 is given a flow label.
        """
        made = self._made(flags, seq, ack, fields)
        self._encode(made)  # what cannot be sent is told where it is made
        return made

    def _made(self, flags: Flags, seq: int, ack: int | None, fields: HeaderFields) -> Segment:
        given = dict(fields)
        options = given.pop("options", None)
        given.setdefault("window", self.window)
        check_data(given.get("data", b""))
        made = Segment(
            flags=flags | ACK if ack is not None else flags,
            seq=check_range("seq", seq, 32),
            ack=check_range("ack", ack or 0, 32),
            options=self._usual_options() if options is None else parse_options(str(options)),
            **given,  # type: ignore[arg-type]  # the fields of HeaderFields, less the one that is text here
        )
        if not self.keys or made.raw_options is not None:
            return made
        wire = self._signed(to_wire(made, self.own, self.kernel))
        return msgspec.structs.replace(made, options=(*made.options, *wire.options[len(made.options) :]))

    def timestamp(self) -> int:
        """The peer's timestamp clock, in milliseconds from the value in its SYN (RFC 7323 5.4: 1 ms to 1 s a tick)."""
        return (self._dispatcher.clock.monotonic_ns() - self._clock_began) // MS % SPACE

    def _usual_options(self) -> tuple[Option, ...]:
        """What a segment carries unless told otherwise: timestamps, once they were negotiated (RFC 7323 3.2)."""
        if not self.timestamps:
            return ()
        return (Option("nop"), Option("nop"), Option("TS", (self.timestamp(), self.echo)))

    def _go_on_from(self, segments: tuple[Segment, ...]) -> None:
        """Set the timestamp clock by a SYN, never back: what is behind it PAWS would drop (RFC 7323 5.3)."""
        for segment in segments:
            stamp = segment.option("TS")
            if segment.flags & SYN and stamp is not None and stamp.values:
                value = stamp.values[0]
                if not self._clock_runs or before(self.timestamp(), value):
                    self._clock_began, self._clock_runs = self._dispatcher.clock.monotonic_ns() - value * MS, True

    @step(Send, "sent")
    def send(self, flags: Flags, *, seq: int = 0, ack: int | None = None, **fields: Unpack[HeaderFields]) -> Segment:
        """Build a segment and send it; ``make`` describes the arguments."""
        made = self._made(flags, seq, ack, fields)
        self.send_together(made)
        return made

    def _encode(self, segment: Segment) -> bytes:
        return self._encoder.encode(to_wire(segment, self.own, self.kernel))

    @step(Send)
    def send_together(self, *segments: Segment) -> None:
        """Send segments back to back; all are encoded before the first is sent."""
        self._go_on_from(segments)
        with self._dispatcher.stopwatch.part("craft"):
            frames = [self._encode(segment) for segment in segments]
        for segment in segments:
            self._waiting.append(self._dispatcher.timeline.step(f"send {segment}"))
        with self._dispatcher.stopwatch.part("kernel"):
            self._dispatcher.wire.send(frames)
        self._dispatcher.after_step()

    @step(Send)
    def send_as(self, envelope: Envelope, *segments: Segment) -> None:
        """Send segments back to back in an IP header of the scenario's own."""
        self._go_on_from(segments)
        frames = [
            icmp.enveloped(self._dispatcher.plan, self.flow, envelope, to_wire(segment, self.own, self.kernel))
            for segment in segments
        ]
        for segment in segments:
            self._waiting.append(self._dispatcher.timeline.step(f"send {segment} as {envelope}"))
        self._dispatcher.wire.send(frames)
        self._dispatcher.after_step()

    @step(Send)
    def send_icmp(self, kind: str, quoting: Segment, *, mtu: int = 0, quoted: int = icmp.WHOLE_HEADER) -> None:
        """Send an ICMP error about a segment of the kernel's.

        Args:
            kind: such as ``port unreachable``; the error for an unknown one lists them.
            quoting: the segment, in relative numbers.
            mtu: of the next hop, for ``packet too big``.
            quoted: how many bytes of the segment the error quotes after the IP header.
        """
        about = to_wire(quoting, self.kernel, self.own)
        frame = icmp.error(self._dispatcher.plan, self.flow, kind, about, mtu=mtu, quoted=quoted)
        at = self._dispatcher.clock.time_ns()
        self.inbox.reached(self._ports, at)
        step = self._dispatcher.timeline.step(f"send ICMP {kind} about {quoting}")
        what = f"ICMP {kind} mtu {mtu}" if mtu else f"ICMP {kind}"
        self._dispatcher.timeline.add(OtherPacket(at, what, quoting, step=step, connection=self.connection))
        self._dispatcher.wire.send([frame])
        self._dispatcher.after_step()

    # -- segments that are signed

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys that the peer shares with the kernel; can be set.

        The first signs each segment that the peer makes from then on, behind its other options; what the kernel sends
        from then on has to be signed by one of them. With none, nothing is signed or looked at.
        """
        return self._keys

    @keys.setter
    @step(Assign)
    def keys(self, value: tuple[Key, ...]) -> None:
        self._keys = value

    @step(Open, "shared")
    def key_option(self, key: Key, prefix: int | None = None) -> bytes:
        """The value with which an endpoint is told a key that it shares with the peer's address, or with a prefix.

        That of TCP_MD5SIG, with a prefix of TCP_MD5SIG_EXT, or of TCP_AO_ADD_KEY (include/uapi/linux/tcp.h).
        """
        address = self.address[0]
        if prefix is not None:
            address = str(ipaddress.ip_network(f"{address}/{prefix}", strict=False).network_address)
        return key.socket_option(address, prefix)

    def _direction(self, *, of_kernel: bool) -> Direction:
        plan, own, other = self._dispatcher.plan, self.own.isn or 0, self.kernel.isn or 0
        addresses = plan.peer.address(self.flow.version), plan.kernel.address(self.flow.version)
        if of_kernel:
            return Direction(addresses[::-1], self._ports, (other, own))
        return Direction(addresses, self._ports[::-1], (own, other))

    def _signed(self, segment: Segment) -> Segment:
        """A segment of the peer's with wire numbers, signed where there is a key."""
        return signed(segment, self._direction(of_kernel=False), self.keys[0]) if self.keys else segment

    def _flaws(self, segment: Segment) -> tuple[Difference, ...]:
        """What is wrong about the signature of a segment of the kernel's with wire numbers."""
        return flaws(segment, self._direction(of_kernel=True), self.keys) if self.keys else ()

    def note_sent(self, at: int, segment: Segment, frame: int) -> None:
        """An own segment passed the capture: now its time is known."""
        step = self._waiting.popleft() if self._waiting else ""
        self._dispatcher.wire.explain(frame, step)
        self._dispatcher.timeline.add(Sent(at, to_relative(segment, self.own, self.kernel), step, self.connection))
        self.inbox.reached(self._ports, at)
