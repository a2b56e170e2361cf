"""The connections of a capture: whose frames are whose, and each side's relative numbers."""

from __future__ import annotations

import ipaddress
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from harness.capture.files import CapturedFrame
from harness.capture.fragments import Fragments
from harness.capture.packets import FRAGMENT, Packet, SocketName, packet_of
from harness.capture.usual import blank, names_of, usual
from harness.tcp.relative import FirstNumbers, to_relative
from harness.tcp.segment import ACK, FIN, RST, SPACE, SYN, Segment, add, distance
from harness.tcp.timing import MS

_TWICE_NS = 2 * MS
"""How far apart the two copies of a frame may be that was captured on two interfaces."""

# plain numbers: they are asked of every frame, and an enumeration takes six times as long
_SYN, _ACK, _RST, _FIN = int(SYN), int(ACK), int(RST), int(FIN)
_SYN_ACK = _SYN | _ACK
_PORTS = struct.Struct("!HH")


class Sighting(msgspec.Struct, frozen=True):
    """A segment of a connection, in relative numbers.

    Args:
        frame: its number in the file.
        at: ns since the epoch.
        side: who sent it: 0 for the side that opened the connection, or was seen first, 1 for the other.
        segment: its numbers count from each side's first one; a timestamp stands as it is. Of its data the length is
            right, and the octets may be zeros: nobody asks for them.
        cut: octets of its data that the capture does not hold.
    """

    frame: int
    at: int
    side: int
    segment: Segment
    cut: int = 0

    @property
    def length(self) -> int:
        """How many sequence numbers it takes."""
        return distance(self.segment.seq, self.segment.next_seq)


@dataclass(slots=True)
class Conversation:
    """A connection as far as a capture holds it.

    Args:
        number: from 1 on, in the order of the first frames.
        ends: the side that opened it, or was seen first, and the other.
        opened: whether the SYN is there.
        twice: frames that are others again, captured on a second interface.
    """

    number: int
    ends: tuple[SocketName, SocketName]
    opened: bool = False
    twice: int = 0
    frames: int = 0
    first: tuple[FirstNumbers, FirstNumbers] = field(default_factory=lambda: (FirstNumbers(), FirstNumbers()))
    over: set[int] = field(default_factory=set)
    _synchronized: set[int] = field(default_factory=set)
    _reset: bool = False
    _latest: list[Packet] = field(default_factory=list)
    _doubled: list[bool | None] = field(default_factory=lambda: [None, None])
    _begun: int = 0  # a bit for each side

    def take(self, packet: Packet) -> Sighting | None:
        """A segment in relative numbers; None where the frame is another's copy."""
        side = int(packet.source != self.ends[0])
        if self._doubled[side] is not False and self._copied(packet, side):
            self.twice += 1
            return None
        own, other = self.first[side], self.first[1 - side]
        segment = packet.segment
        if segment.flags & _SYN:
            # on a connection that is open, it has a number of that
            if side not in self._synchronized or other.isn is None or self._reset:
                own.isn = segment.seq
            self._synchronized.add(side)
            self.opened = True
        elif own.isn is None:
            # of a connection that was open before the capture began: the first octet that is seen has the number 1
            own.isn = add(segment.seq, -1)
        if other.isn is None and segment.flags & _ACK:
            other.isn = add(segment.ack, -1)
        self.frames += 1
        if segment.flags & _RST:
            self.over = {0, 1}
            self._reset = True
        elif segment.flags & _FIN:
            self.over.add(side)
        if self._latest and self._doubled == [False, False]:
            self._latest = []
        if segment.data:  # of many connections, their data would take the most memory
            segment = msgspec.structs.replace(segment, data=blank(len(segment.data)))
        return Sighting(packet.number, packet.at, side, to_relative(segment, own, other), packet.cut)

    def take_usual(self, frame: CapturedFrame, side: int) -> Sighting | None:
        """A segment of a side as ``take`` gives it; None where that has to be asked."""
        own, other = self.first[side].isn, self.first[1 - side].isn
        if own is None or other is None or self._doubled[side] is not False or (found := usual(frame)) is None:
            return None
        self.frames += 1
        segment = Segment(
            flags=found.flags,
            seq=(found.seq - own) % SPACE,
            ack=(found.ack - other) % SPACE,
            window=found.window,
            data=found.data,
            options=found.options,
            checksum=found.wrong_sum,
        )
        return Sighting(frame.number, frame.at, side, segment, found.cut)

    def _copied(self, packet: Packet, side: int) -> bool:
        """Whether this is the frame of a moment ago again; not asked any more where a side's first was not doubled.

        Of one side alone they may be: what leaves a bridge is seen on its port, and on itself what comes for it.
        """
        self._latest = [one for one in self._latest if packet.at - one.at < _TWICE_NS]
        original = next((one for one in self._latest if one[2:] == packet[2:]), None)
        if self._doubled[side] is None and self._begun & 1 << side:
            # not behind an answer: who sends it again so soon is no second interface
            self._doubled[side] = original is not None and original is self._latest[-1]
        self._begun |= 1 << side
        if original is None or self._doubled[side] is False:
            self._latest.append(packet)
            return False
        self._latest.remove(original)
        return True

    def begins_anew(self, packet: Packet) -> bool:
        """Whether a SYN opens another connection between the same two sockets."""
        if packet.segment.flags & _SYN_ACK != _SYN:
            return False
        known = self.first[int(packet.source != self.ends[0])].isn
        return self.frames > 0 and known != packet.segment.seq and (bool(self.over) or not self.opened)

    def name(self, side: int) -> str:
        """Address and port of a side."""
        return named(self.ends[side])


def named(end: SocketName) -> str:
    """Address and port in one text; that of IPv6 in brackets."""
    address, port = end
    text = str(ipaddress.ip_address(address))
    return f"[{text}]:{port}" if len(address) == 16 else f"{text}:{port}"


@dataclass(slots=True)
class Conversations:
    """Sorts the frames of a file: ``numbered`` has the connections, ``others`` counts what no TCP segment is in.

    A segment that came in fragments is that of the frame with which it was whole.
    """

    numbered: list[Conversation] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    fragments: Fragments = field(default_factory=Fragments)
    _current: dict[tuple[SocketName, SocketName], Conversation] = field(default_factory=dict)
    _by_names: dict[bytes, tuple[Conversation, int]] = field(default_factory=dict)

    def sort(self, frames: Iterable[CapturedFrame]) -> Iterator[tuple[Conversation, Sighting]]:
        """Each segment with its connection, in the order of the file."""
        by_names = self._by_names
        for frame in frames:
            known = by_names.get(names_of(frame))
            if known and (sighting := known[0].take_usual(frame, known[1])):
                yield known[0], sighting
                continue
            packet = packet_of(frame)
            if packet == FRAGMENT and (whole := self.fragments.whole(frame)):
                # its other fragments were counted as they came
                self.others[FRAGMENT] -= whole[1] - 1
                packet = packet_of(whole[0])
            if isinstance(packet, str):
                self.others[packet] += 1
                continue
            conversation = self._of(packet)
            if taken := conversation.take(packet):
                yield conversation, taken

    def _of(self, packet: Packet) -> Conversation:
        known = self._current.get((packet.source, packet.target))
        if known is None or (packet.segment.flags & _SYN and known.begins_anew(packet)):
            answers = packet.segment.flags & _SYN_ACK == _SYN_ACK
            ends = (packet.target, packet.source) if answers else (packet.source, packet.target)
            known = Conversation(len(self.numbered) + 1, ends)
            self.numbered.append(known)
            self._current[ends] = self._current[ends[::-1]] = known
            for side, (source, target) in enumerate((ends, ends[::-1])):
                self._by_names[source[0] + target[0] + _PORTS.pack(source[1], target[1])] = known, side
        return known
