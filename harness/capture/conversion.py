"""A captured connection as a program: the far side is the peer, the near one a kernel and inferred calls. Pure."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.capture.arrivals import Arrivals
from harness.capture.conversation import Conversation, Sighting
from harness.capture.endings import NONE_AT_ALL, WITH_A_FIN, WITH_A_RST, EndingGuess
from harness.capture.facts import Facts
from harness.program.steps import Allow, AnyStep, Call, Expect, Joined, Made, Octets, Open, Program, Ref, Send, Value
from harness.tcp.segment import ACK, FIN, RST, SYN, URG, WRONG_CHECKSUM, Flags, Segment, distance
from harness.tcp.timing import PROMPT, REAL_WAIT, SECOND

_SYSCTLS = {"TS": "net/ipv4/tcp_timestamps", "sackOK": "net/ipv4/tcp_sack", "wscale": "net/ipv4/tcp_window_scaling"}
_ASSUMED = "mss 1460,sackOK,{}nop,wscale 7"


class Inferred(NamedTuple):
    """A program of a connection, and what of it no frame shows.

    Args:
        program: with its steps.
        comments: of steps, by their place: the frames that they stand for.
        said: what was inferred, a line each.
    """

    program: Program
    comments: dict[int, str]
    said: tuple[str, ...]


def guesses(sightings: list[Sighting], near: int) -> tuple[EndingGuess, ...]:
    """The endings that can have made the near side send what ends its direction."""
    own = [one.segment for one in sightings if one.side == near]
    if any(one.flags & FIN for one in own):
        return WITH_A_FIN
    return WITH_A_RST if any(one.flags & RST for one in own) and any(one.flags & ACK for one in own) else NONE_AT_ALL


def converted(conversation: Conversation, arrivals: Arrivals, near: int, ending: EndingGuess) -> Inferred:
    """The program of a connection, of whose segments the near side has seen the others in this order."""
    writer = _Writer(Facts(conversation, list(arrivals.sightings), near), ending)
    writer.write()
    version = 6 if len(conversation.ends[0][0]) == 16 else 4
    settings: dict[str, bool | int] = {"ip_version": 6} if version == 6 else {}
    if writer.timers:
        settings["hold_timers"] = False
    return Inferred(Program(settings=settings, steps=tuple(writer.steps)), writer.comments, tuple(writer.said))


def _made(flags: int) -> Made:
    return Made("Flags", {"value": int(flags)})


@dataclass
class _Writer:
    """Writes the steps down, frame by frame."""

    facts: Facts
    ending: EndingGuess
    steps: list[AnyStep] = field(default_factory=list)
    comments: dict[int, str] = field(default_factory=dict)
    said: dict[str, None] = field(default_factory=dict)
    timers: bool = False
    _sent: int = 0  # the number behind what the near side has sent
    _written: int = 0  # and behind what its calls have
    _acked: int = -1
    _window: int | None = None  # the near side's last one
    _came: int = 1  # the number behind what it got in sequence
    _ahead: list[Segment] = field(default_factory=list)
    _unread: int = 0
    _opened: bool = False
    _ended: bool = False
    _closed: bool = False
    _before: int = 0

    def write(self) -> None:
        """All steps."""
        self._settings()
        self._open()
        sightings = self.facts.sightings
        for place, sighting in enumerate(sightings):
            if sighting.side != self.facts.near:
                self._far(sighting)
            elif self._again(sighting.segment) and sighting.at - self._before > REAL_WAIT.ns:
                left = f"the last {len(sightings) - place} frames, from {sighting.frame} on, are left out"
                self._say(f"{left}: a timer of more than {REAL_WAIT} sends it")
                break
            else:
                self._answer(place, sighting)
            self._before = sighting.at

    def _say(self, text: str) -> None:
        self.said[text] = None

    def _add(self, step: AnyStep, comment: str = "") -> None:
        if comment:
            self.comments[len(self.steps)] = comment
        self.steps.append(step)

    @property
    def _half_open(self) -> bool:
        return self._sent == 1 and not self.facts.active and not self.facts.refused

    @property
    def _socket(self) -> str:
        return "client" if self.facts.active else "server"

    # -- the lab and the handshake

    def _settings(self) -> None:
        facts = self.facts
        own, other = facts.syn(facts.near), facts.syn(1 - facts.near)
        for name, sysctl in _SYSCTLS.items():
            offered = facts.active or (other is not None and other.option(name) is not None)
            if own is not None and offered and own.option(name) is None:
                self._add(Call(on="session", name="sysctl", args=(sysctl, 0)))
                self._say(f"{sysctl} is 0: the near side's SYN is without {name}")

    def _open(self) -> None:
        isn = self.facts.conversation.first[1 - self.facts.near].isn
        named: dict[str, Value] = {} if isn is None else {"isn": isn}
        if self.facts.active:
            self._add(Open(on="session", name="socket", gives=("client",)))
            self._add(Open(on="session", name="new_peer", args=(Ref("client.port"),), named=named, gives=("peer",)))
            self._add(Call(on="client", name="connect", args=(Ref("peer"),), named={"wait": False}))
            return
        if self.facts.refused:
            self._say("no socket listens: the near side sends RSTs alone")
        else:
            self._add(Open(on="session", name="listen", gives=("listener",)))
        self._add(Open(on="session", name="new_peer", named=named, gives=("peer",)))
        if self.facts.syn(1 - self.facts.near) is None and not self.facts.refused:
            self._assume_opening()

    def _assume_opening(self) -> None:
        stamp = next((one.segment.option("TS") for one in self.facts.sightings if one.side != self.facts.near), None)
        stamped = stamp is not None and self.facts.stamped and bool(stamp.values)
        value = stamp.values[0] if stamp and stamped else 0
        options = _ASSUMED.format(f"TS val {value} ecr 0," if stamped else "nop,nop,")
        self._say(f"the handshake is not in the capture: the options {options} are assumed")
        echo: Value = Joined((f"nop,nop,TS val {value} ecr ", Ref("peer.echo"))) if stamped else ""
        self._add(Send(on="peer", name="send", args=(_made(SYN),), named={"seq": 0, "options": options}), "assumed")
        self._add(Expect(on="peer", name="expect", args=(_made(SYN),), named={"seq": 0, "ack": 1}))
        self._add(Send(on="peer", name="send", args=(_made(ACK),), named={"seq": 1, "ack": 1, "options": echo}))
        self._sent = self._acked = 1
        self._accept()

    def _accept(self) -> None:
        self._opened = True
        if self.facts.active:
            self._add(Call(on="client", name="wait_connected"))
        else:
            self._add(Open(on="listener", name="accept", gives=("server",)))
        if self.facts.without_nagle:
            self._add(Call(on=self._socket, name="set_option", args=("TCP_NODELAY", 1)))
            self._say("TCP_NODELAY is set: a short segment is sent while another is not acknowledged")
        if self.facts.far_end:
            between = Made("Between", {"low": 1, "high": self.facts.far_end})
            self._add(Allow(on="peer", name="allow", args=(_made(ACK),), named={"ack": between, "length": 0}))
            self._say("when data are acknowledged is not judged, if nothing else is in the segment")

    # -- what the peer sends

    def _far(self, sighting: Sighting) -> None:
        damaged = self.facts.damaged(sighting)
        for segment in self.facts.in_parts(sighting.segment):
            options, whole = self.facts.options(segment)
            named: dict[str, Value] = {"seq": segment.seq}
            named |= {"ack": segment.ack} if segment.flags & ACK else {}
            named |= {"window": segment.window, "options": options}
            named |= {"data": Octets(b"." * len(segment.data))} if segment.data else {}
            named |= {"checksum": WRONG_CHECKSUM} if damaged else {}
            named |= {"urgent": segment.urgent} if segment.flags & URG else {}
            flags = Flags(segment.flags & ~ACK) or segment.flags & ACK
            self._add(Send(on="peer", name="send", args=(_made(flags),), named=named), f"frame {sighting.frame}")
            if not damaged:
                self._take_in(segment)
            if not whole:
                self._say(f"options of frame {sighting.frame} cannot be read, and are left out")
        segment = sighting.segment
        opens = segment.flags & (SYN | RST | ACK) == ACK and (segment.seq, segment.ack) == (1, 1) and not damaged
        if opens and not self._opened and not self.facts.active and self._sent:
            self._accept()

    def _take_in(self, segment: Segment) -> None:
        """Count what lies in sequence now."""
        if not segment.data or segment.flags & (SYN | RST):
            return
        self._ahead = sorted([*self._ahead, segment], key=lambda one: distance(self._came, one.seq))
        for one in self._ahead:
            new = distance(self._came, one.end)
            if distance(self._came, one.seq) <= 0 < new:
                self._unread += new
                self._came = one.end
        self._ahead = [one for one in self._ahead if distance(self._came, one.end) > 0]

    # -- what the kernel answers, and what is called for it

    def _again(self, segment: Segment) -> bool:
        return segment.next_seq != segment.seq and self._sent > 0 and distance(segment.next_seq, self._sent) >= 0

    def _answer(self, place: int, sighting: Sighting) -> None:
        segment = sighting.segment
        if self._again(segment):
            self.timers = self.timers or sighting.at - self._before > PROMPT.ns
            self._expect(sighting, late=True)
        elif segment.flags & SYN:
            self._expect(sighting)
            self._sent = 1
        elif segment.flags & RST:
            self._end("RST")
            self._expect(sighting)
        elif segment.data and self._opened:
            self._data(place, sighting)
        elif segment.flags & FIN:
            self._end("FIN")
            self._expect(sighting)
            self._sent = segment.next_seq
        elif not segment.data:
            self._pure_ack(sighting)

    def _pure_ack(self, sighting: Sighting) -> None:
        segment, facts = sighting.segment, self.facts
        new = self._acked < 0 or distance(self._acked, segment.ack) > 0
        if facts.active and not self._opened:
            self._expect(sighting)
            self._accept()
        elif not new and self._window not in (None, segment.window):
            self._say("updates of the window are not judged")
        elif not new or facts.acknowledges_a_fin(segment):
            self._expect(sighting)
        self._acked = segment.ack if new else self._acked
        self._window = segment.window

    def _expect(self, sighting: Sighting, *, late: bool = False) -> None:
        for segment in self.facts.in_parts(sighting.segment):
            named: dict[str, Value] = {"seq": segment.seq}
            named |= {"ack": segment.ack} if segment.flags & ACK else {}
            named |= {"length": len(segment.data)} if segment.data else {}
            blocks = segment.option("sack")
            named |= {"options": str(blocks)} if blocks and blocks.values else {}
            if late:
                named["within"] = min(REAL_WAIT.ns, 2 * (sighting.at - self._before) + SECOND.ns) / SECOND.ns
            flags = segment.flags & (SYN | FIN | RST) or segment.flags & ACK
            self._add(Expect(on="peer", name="expect", args=(_made(flags),), named=named), f"frame {sighting.frame}")
            if segment.flags & ACK:
                self._acked = max(self._acked, segment.ack)
        if not sighting.segment.flags & (SYN | RST):
            self._window = sighting.segment.window

    def _data(self, place: int, sighting: Sighting) -> None:
        segment = sighting.segment
        self._read()
        if self._written <= segment.seq:
            size, with_fin = self.facts.written(place)
            more: tuple[Value, ...] = (Made("MsgFlag", {"value": int(socket.MSG_MORE)}),) if with_fin else ()
            self._add(Call(on=self._socket, name="send", args=(Octets(b"." * size), *more), result=size))
            self._written = segment.seq + size
            if with_fin:
                self._say("the last data are sent with MSG_MORE: the FIN is in their segment")
        if segment.flags & FIN:
            self._end("FIN")
        self._expect(sighting)
        self._sent = segment.next_seq

    def _read(self) -> None:
        if self._unread and self._opened and not self._closed:
            self._add(Call(on=self._socket, name="receive", args=(self._unread,)))
            self._unread = 0

    def _end(self, flag: str) -> None:
        if self._ended or not self.ending.calls or not (self._opened or self._half_open):
            return
        self._ended = True
        if not self._opened:
            self._add(Call(on="listener", name="close"), f"inferred, for the {flag}: the listening socket is closed")
            return
        if self.ending.reads:
            self._read()
        self.comments[len(self.steps)] = f"inferred, for the {flag}: {self.ending.words}"
        self.steps += self.ending.steps(self._socket)
        self._closed = self.ending.closes
