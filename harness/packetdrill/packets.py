"""The packets of a script: those that go to the kernel under test, and those that it has to send."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TypeVar

import msgspec

from harness.errors import Unsupported
from harness.packetdrill import other_packets
from harness.packetdrill.answers import Answers
from harness.packetdrill.clock import PATIENCE_NS, DueTime, ScriptClock, tolerance
from harness.packetdrill.comparing import SeenPacket, SeenSegment, complaint, joined, joins
from harness.packetdrill.encapsulation import dressed, unwrapped, wrapped
from harness.packetdrill.lab import ScriptLab
from harness.packetdrill.octets import encoded, flags_of, timestamp
from harness.packetdrill.script import IcmpPacket, Packet, TcpPacket, UdpPacket, untaken
from harness.packetdrill.settings import RunOptions
from harness.packetdrill.tested import Differs, Sockets, Stage, TestedSocket, is_opening
from harness.tcp.ip import header_of
from harness.tcp.options import decode_options
from harness.tcp.segment import ACK, RST, SYN, Segment, add, distance
from harness.tcp.timing import format_ms
from harness.trace.events import Frame, OtherPacket, Received, Sent, Timeline
from harness.wire.decode import decode
from harness.wire.frames import Encoder, Flow

P = TypeVar("P", bound=SeenPacket)


def supported(packet: Packet) -> None:
    """Let a packet through of which all is taken.

    Raises:
        Unsupported: something in it is not.
    """
    if what := untaken(packet):
        raise Unsupported(f"line {packet.line}: {what} is not taken yet")


class PacketSide:
    """Sends and awaits the packets of a script.

    Args:
        lab: where they pass.
        options: of the script.
        clock: of the script.
        sockets: whose they are.
        timeline: where they are recorded.
        check: raises what a call that blocks has found meanwhile.
        answers: what becomes of the kernel's segments.
    """

    def __init__(
        self,
        lab: ScriptLab,
        options: RunOptions,
        clock: ScriptClock,
        sockets: Sockets,
        timeline: Timeline,
        check: Callable[[], None],
        answers: Answers,
    ) -> None:
        self._lab = lab
        self._options = options
        self._clock = clock
        self._sockets = sockets
        self._timeline = timeline
        self._check = check
        self._answers = answers
        self._next_port = lab.free_port()
        self._encoders: dict[tuple[int, int], Encoder] = {}
        # the first of a process takes as long as a script's whole handshake
        header_of(self._encoded(Segment(flags=0), 1, 1))

    # -- inbound

    def send(self, packet: Packet, due: DueTime) -> None:
        """Send an inbound packet at its time.

        Raises:
            Differs: it cannot be sent, or not in time.
            Unsupported: something in it is not taken.
        """
        supported(packet)
        tested, segment, version = self._taker(packet), None, self._options.version
        if isinstance(packet, TcpPacket):
            frame, segment = self._inbound_segment(packet, tested)
        else:
            frame = other_packets.encode(packet, tested, self._lab.plan, self._options)
        frame = wrapped(dressed(packet.ip, frame), packet.outer)
        shown = decode_options(segment.raw_options or b"") if segment is not None else ()
        if wrong := self._clock.wait(due):
            raise Differs(f"the inbound packet was sent at another {wrong}")
        at = self._clock.now
        self._clock.happened(at)
        self._lab.send(frame, len(segment.data) if segment is not None else 0)
        self._clock.acted()
        if segment is not None:
            tested.last_sent = segment
            told = msgspec.structs.replace(segment, options=shown, raw_options=None)
            self._timeline.add(Sent(at + self._clock.begun, tested.told(told, inbound=True), ""))
        elif not isinstance(packet, TcpPacket) and (seen := other_packets.seen_in(frame, at, packet, version)):
            self._told(packet, seen)

    def _taker(self, packet: Packet) -> TestedSocket:
        """The socket that a packet belongs to; a first one to a listener makes a new one."""
        tested = self._sockets.current
        if isinstance(packet, TcpPacket) and packet.inbound and (tested is None or tested.stage is Stage.LISTENING):
            remote, self._next_port = self._next_port or self._lab.free_port(), 0
            tested = TestedSocket(-1, socket.IPPROTO_TCP, Stage.SYN_TAKEN, self._options.bind_port, remote)
            tested.remote_isn = packet.start
            self._sockets.all.append(tested)
        fits = tested is not None and tested.protocol in other_packets.protocols(packet, self._options.version)
        if tested is None or not (fits or getattr(packet, "ports", None)):
            raise Differs("no socket is there that the packet could belong to")
        return tested

    def _inbound_segment(self, packet: TcpPacket, tested: TestedSocket) -> tuple[bytes, Segment]:
        flags = flags_of(packet)
        if tested.stage is Stage.ANSWERED and flags & ACK:
            tested.stage = Stage.ESTABLISHED
        elif tested.stage is Stage.SYN_SENT and flags & ACK and flags & SYN:
            tested.stage, tested.remote_isn = Stage.SYN_ACKNOWLEDGED, packet.start
        syn = bool(flags & SYN)
        local = tested.local_offset(syn)
        segment = Segment(
            flags=flags,
            seq=add(packet.start, tested.remote_offset(syn)),
            ack=add(packet.ack or 0, local) if flags & ACK else packet.ack or 0,
            window=packet.window or 0,
            urgent=packet.urgent or 0,
            data=bytes(packet.length),
            raw_options=self._inbound_options(packet, tested, local, echo=bool(flags & ACK)),
            flow_label=(packet.ip.flow_label or 0) if packet.ip else 0,
        )
        source, target = packet.ports or (0, 0)
        frame = self._encoded(segment, source or tested.remote_port, target or tested.local_port)
        return frame, segment

    def _encoded(self, segment: Segment, source: int, target: int) -> bytes:
        if (source, target) not in self._encoders:
            flow = Flow(self._options.version, source, target)
            self._encoders[source, target] = Encoder(self._lab.plan, flow)
        return self._encoders[source, target].encode(segment)

    def _inbound_options(self, packet: TcpPacket, tested: TestedSocket, local: int, *, echo: bool) -> bytes:
        options = []
        for option in packet.options or ():
            numbers = option.numbers
            if option.name == "sack":
                numbers = tuple(add(number, local) for number in numbers)
            elif option.name == "TS" and echo:
                numbers = numbers[0], self._live_echo(numbers[1], tested)
            options.append(msgspec.structs.replace(option, numbers=numbers))
        return encoded(options)

    def _live_echo(self, echo: int, tested: TestedSocket) -> int:
        if echo in tested.echoes:
            return tested.echoes[echo]
        if self._options.scaled_echoes and tested.first_timestamp:
            script, live = tested.first_timestamp
            return add(live, echo - script)
        raise Differs(f"ecr {echo} is the value of no timestamp that the kernel has sent so far")

    # -- outbound

    def expect(self, packet: Packet, due: DueTime) -> None:
        """Wait for an outbound packet.

        Raises:
            Differs: another one came, at another time, or none.
            Unsupported: something in it is not taken.
        """
        supported(packet)
        tested = self._taker(packet)
        if isinstance(packet, TcpPacket):
            self._expect_segment(packet, tested, due)
        else:
            self._expect_other(packet, tested, due)

    def _expect_other(self, packet: UdpPacket | IcmpPacket, tested: TestedSocket, due: DueTime) -> None:
        def taken(frame: Frame) -> SeenPacket | None:
            at = frame.at - self._clock.begun
            return None if frame.outgoing else other_packets.take(frame.data, at, packet, tested, self._options)

        seen = self._next(taken, due)
        self._told(packet, seen, of_kernel=True)
        self._clock.happened(seen.at)
        wrong = other_packets.complaint(packet, seen, tested)
        wrong = wrong or self._clock.off(due, seen.at)
        if wrong:
            raise Differs(f"> {other_packets.text(packet, seen)}   at {format_ms(seen.at)}   ({wrong})")

    def _told(self, packet: UdpPacket | IcmpPacket, seen: SeenPacket, *, of_kernel: bool = False) -> None:
        text, step = other_packets.text(packet, seen), f"line {packet.line}"
        self._timeline.add(OtherPacket(seen.at + self._clock.begun, text, of_kernel=of_kernel, step=step))

    def _expect_segment(self, packet: TcpPacket, tested: TestedSocket, due: DueTime) -> None:
        flags = flags_of(packet)
        if tested.stage is Stage.CONNECTING and flags & SYN and not flags & ACK:
            tested.stage, tested.script_isn = Stage.SYN_SENT, packet.start
        if tested.stage is Stage.SYN_TAKEN and flags & SYN and flags & ACK:
            tested.script_isn = packet.start
        pieces = [self._next_segment(packet, tested, due)]
        gathered, port = len(pieces[0].segment.data), tested.local_port
        while gathered < packet.length and not self._options.strict_segments:
            piece = self._next_segment(packet, tested, due)
            if tested.local_port != port:  # the SYN before was another socket's
                pieces, gathered, port = [], 0, tested.local_port
            elif wrong := joins(pieces[-1], piece, packet.length - gathered):
                raise Differs(f"> {pieces[-1].segment}, then > {piece.segment}   ({wrong})")
            pieces.append(piece)
            gathered += len(piece.segment.data)
        self._judge(packet, joined(pieces), tested, due)

    def _judge(self, packet: TcpPacket, seen: SeenSegment, tested: TestedSocket, due: DueTime) -> None:
        self._clock.happened(seen.at)
        self._answers.judged = self._answers.came
        wrong = complaint(packet, seen, tested)
        wanted, came = timestamp(packet.options or ()), seen.segment.option("TS")
        if not wrong and wanted and came:
            tested.echoes[wanted[0]] = came.values[0]
            first = tested.first_timestamp = tested.first_timestamp or (wanted[0], came.values[0])
            off = distance(add(first[1], wanted[0] - first[0]), came.values[0])
            if abs(off) * self._options.tick_ns > tolerance(self._options.tolerance_ns, due.start):
                wrong = f"timestamp: {wanted[0] + off}, not {wanted[0]}"
        wrong = wrong or self._clock.off(due, seen.at)
        if wrong:
            raise Differs(f"> {seen.segment}   at {format_ms(seen.at)}   ({wrong})")

    def _next_segment(self, packet: TcpPacket, tested: TestedSocket, due: DueTime) -> SeenSegment:
        if self._answers.again:
            return self._answers.again.pop(0)
        return self._next(lambda frame: self._taken(frame, tested, packet), due)

    def _next(self, take: Callable[[Frame], P | None], due: DueTime) -> P:
        """The next packet of the socket under test."""
        patience = max(due.start, due.end or 0) - (due.since or 0)
        patience = (patience // 10**9) * 10**9 + PATIENCE_NS
        began = self._clock.now
        while True:
            wait = 10**9 if due.kind == "any" else began + patience - self._clock.now
            frame = self._lab.wire.receive(max(wait, 0))
            self._check()
            if frame is None:
                if due.kind == "any":
                    continue
                self._lab.wire.check()
                raise Differs(f"nothing within {format_ms(patience)}")
            if (seen := take(frame)) is not None:
                return seen

    def _taken(self, frame: Frame, tested: TestedSocket, packet: TcpPacket) -> SeenSegment | None:
        """A frame as a segment of the socket under test; None where it is none."""
        outer, inner = unwrapped(frame.data)
        decoded = None if frame.outgoing else decode(inner)
        if decoded is None or decoded.version != self._options.version:
            return None
        segment = decoded.segment
        if tested.stage is Stage.SYN_SENT and is_opening(segment) and decoded.target == tested.remote_port:
            tested.local_port, tested.live_isn = decoded.source, segment.seq
        if (decoded.source, decoded.target) != (tested.local_port, tested.remote_port):
            return None
        flags = flags_of(packet)
        if tested.stage is Stage.SYN_TAKEN and flags & SYN and flags & ACK:
            tested.stage, tested.live_isn = Stage.ANSWERED, segment.seq
        tested.last_seen = segment
        told = tested.told(segment, inbound=False)
        self._timeline.add(Received(frame.at, told, f"line {packet.line}"))
        label, at = segment.flow_label, frame.at - self._clock.begun
        seen = SeenSegment(segment=told, header=header_of(inner), flow_label=label, outer=outer, at=at)
        return self._answers.take(seen)

    def left(self, patience_ns: int) -> list[Segment]:
        """What comes of the socket under test in so long, with the script's numbers; nobody has taken it."""
        tested, end = self._sockets.current, self._clock.now + patience_ns
        found: list[Segment] = []
        while tested and (frame := self._lab.wire.receive(max(end - self._clock.now, 0))):
            decoded = None if frame.outgoing else decode(unwrapped(frame.data)[1])
            if decoded and (decoded.source, decoded.target) == (tested.local_port, tested.remote_port):
                found.append(tested.told(decoded.segment, inbound=False))
                self._timeline.add(Received(frame.at, found[-1]))
        return found

    def reset(self) -> None:
        """End every connection, so that the kernel forgets it at once."""
        for tested in self._sockets.all:
            if tested.protocol == socket.IPPROTO_TCP and tested.remote_port and tested.local_port:
                seq, ack, window = tested.closing()
                ending = Segment(flags=RST | ACK, seq=seq, ack=ack, window=window)
                self._lab.send(self._encoded(ending, tested.remote_port, tested.local_port))
