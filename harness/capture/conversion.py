"""A captured connection as a program: the far side is the peer, the near one a kernel and inferred calls. Pure."""

from __future__ import annotations

import math
import socket
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from harness.capture.completing import ASSUMED
from harness.capture.conversation import Sighting
from harness.capture.draft import ProgramDraft, flags_of
from harness.capture.endings import EndingGuess, calls_on
from harness.capture.facts import Facts, in_parts
from harness.capture.far import FarSide
from harness.capture.opening import accept, open_up
from harness.capture.timers import TimerView, deferred
from harness.capture.writing import Writing
from harness.program.steps import AnyStep, Call, Expect, Made, Octets, Program, Send, Value, Wait
from harness.tcp.segment import ACK, FIN, RST, SYN, Segment, distance
from harness.tcp.timing import REAL_WAIT, RTO_INIT, SECOND, Span, format_ms

_READ_AT_LEAST = 32_000
"""Octets that a process reads before anything else is called; fewer have room in any buffer."""


class Inferred(NamedTuple):
    """A program of a connection, and what of it no frame shows.

    Args:
        program: with its steps.
        comments: of steps, by their place: the frames that they stand for.
        said: what was inferred, a line each.
        waited: ns that it waits in all, as the capture did.
    """

    program: Program
    comments: dict[int, str]
    said: tuple[str, ...]
    waited: int = 0


def converted(facts: Facts, ending: EndingGuess, patience: Span = REAL_WAIT) -> Inferred:
    """The program of a connection.

    Args:
        facts: of it.
        ending: how its process ends it.
        patience: how long the program may wait in all.
    """
    writer = _Writer(facts, ending, patience, TimerView(facts.near))
    writer.write()
    version = 6 if len(facts.conversation.ends[0][0]) == 16 else 4
    settings: dict[str, bool | int] = {"ip_version": 6} if version == 6 else {}
    if writer.timers:
        settings["hold_timers"] = False
    waits = math.ceil(writer.waited / SECOND.ns) if writer.waited > REAL_WAIT.ns else 0
    program = Program(settings=settings, waits=waits, steps=tuple(writer.draft.steps))
    return Inferred(program, writer.draft.comments, tuple(writer.draft.said), writer.waited)


@dataclass
class _Writer:
    """Writes the steps down, frame by frame."""

    facts: Facts
    ending: EndingGuess
    patience: Span
    view: TimerView
    draft: ProgramDraft = field(default_factory=ProgramDraft)
    timers: bool = False
    waited: int = 0
    _written: int = 0  # and behind what its calls have
    _acked: int = -1
    _window: int | None = None  # the near side's last one
    _opened: bool = False
    _ended: bool = False
    _closed: bool = False

    @cached_property
    def writing(self) -> Writing:
        """What the near side's process writes."""
        return Writing(self.facts)

    @cached_property
    def far(self) -> FarSide:
        """What the peer sends."""
        return FarSide(self.facts, self.draft)

    def write(self) -> None:
        """All steps."""
        if open_up(self.draft, self.facts):
            self.view.sent = self._acked = 1
            self._accept()
        sightings = self.facts.sightings
        if any(one.frame == ASSUMED for one in sightings):
            self.draft.say("the capture lacks how the far side opens the connection, or acknowledges: that is assumed")
        if any(one.segment.flags & SYN and one.cut for one in sightings):
            self.draft.say("the options of a SYN are cut off: a window scale of 7 and SACK are assumed")
        for place, sighting in enumerate(sightings):
            if not self._wait(sighting):
                left = f"the last {len(sightings) - place} frames, from {sighting.frame} on, are left out"
                pause, most = format_ms(self.view.pause(sighting)), format_ms(self.patience.ns)
                self.draft.say(f"{left}: {pause} pass before it, and it may wait for {most} in all (--real-wait)")
                break
            if sighting.side == self.facts.near:
                self._answer(place, sighting)
            else:
                self._far(place, sighting)
            self.view.tell(sighting)

    def _wait(self, sighting: Sighting) -> bool:
        """Let the pause before a frame pass; whether there is time for it."""
        pause = self.view.pause(sighting)
        if self.waited + pause > self.patience.ns:
            if self.view.idle and not self.view.by_a_timer(sighting):
                self.draft.say("pauses in which nothing is due are left out")
                return True
            return False
        self.waited += pause
        if self.view.by_a_timer(sighting):
            self.timers = True
        elif pause:
            # a held timer of retransmission lengthens FIN-WAIT-2, which lasts for a second at least
            self.timers = self.timers or (self.view.over and pause > SECOND.ns)
            self.draft.add(Wait(on="peer", name="wait", args=(round(pause / SECOND.ns, 3),)))
        return True

    def _accept(self) -> None:
        self._opened = True
        accept(self.draft, self.facts, self._socket, self.ending.before)

    @property
    def _half_open(self) -> bool:
        return self.view.sent == 1 and not self.facts.refused

    @property
    def _socket(self) -> str:
        return "client" if self.facts.active else "server"

    def _far(self, place: int, sighting: Sighting) -> None:
        self.far.send(sighting)
        if self.far.unread > _READ_AT_LEAST and not self.facts.receive_buffer and self.facts.takes_more(place):
            self._read()  # as it came: the near side's window would be full
        segment = sighting.segment
        opens = segment.flags & (SYN | RST | ACK) == ACK and (segment.seq, segment.ack) == (1, 1)
        opens = opens and not self.facts.damaged(sighting) and not self.facts.forgotten(place)
        waits_for_data = not segment.data and deferred(self.facts.sightings, self.facts.near)
        if opens and not self._opened and not self.facts.active and self.view.sent and not waits_for_data:
            self._accept()

    # -- what the kernel answers, and what is called for it

    def _answer(self, place: int, sighting: Sighting) -> None:
        segment = sighting.segment
        if self._opened:
            self.far.fill(segment, self.view.sent)
        if self.view.again(segment):
            self._expect(sighting, late=self.view.by_a_timer(sighting))
        elif segment.flags & SYN:
            self._expect(sighting)
            if self.facts.fast_open and not self._opened:
                self._accept()
        elif segment.flags & RST:
            given_up = self.view.by_a_timer(sighting)
            if self._ended and not given_up:
                self._abort(segment)
            elif not given_up:
                self._end("RST")
            self._expect(sighting, late=given_up)
        elif segment.data and self._opened:
            self._data(place, sighting)
        elif segment.flags & FIN:
            self._end("FIN")
            self._expect(sighting)
        elif not segment.data:
            self._pure_ack(place, sighting)

    def _pure_ack(self, place: int, sighting: Sighting) -> None:
        segment, facts = sighting.segment, self.facts
        new = self._acked < 0 or distance(self._acked, segment.ack) > 0
        if facts.active and not self._opened:
            self._expect(sighting)
            self._accept()
        elif self.view.probes(sighting):
            self._probe(place, sighting)
        elif not new and self._window not in (None, segment.window):
            self.draft.say("updates of the window are not judged")
        elif not new or facts.acknowledges_a_fin(segment):
            self._expect(sighting, late=self.view.by_a_timer(sighting))
        self._acked = segment.ack if new else self._acked
        self._window = segment.window

    def _probe(self, place: int, sighting: Sighting) -> None:
        if self.view.shut and self._written <= self.view.sent:
            later = enumerate(self.facts.sightings[place:], place)
            data = next((at for at, one in later if one.side == self.facts.near and one.segment.data), None)
            size = 1 if data is None else self.writing.written(data).octets
            self.draft.add(Call(on=self._socket, name="send", args=(Octets(b"." * size),), result=size))
            self.draft.say("data wait for the window that is closed: it is probed")
            self._written = self.view.sent + size
        self._expect(sighting, late=True)

    def _expect(self, sighting: Sighting, *, late: bool = False) -> None:
        for segment in in_parts(sighting.segment, self.facts.room):
            named: dict[str, Value] = {"seq": segment.seq}
            named |= {"ack": segment.ack} if segment.flags & ACK else {}
            named |= {"length": len(segment.data)} if segment.data else {}
            blocks = segment.option("sack")
            named |= {"options": str(blocks)} if blocks and blocks.values else {}
            if late:
                named["within"] = round(2 * (self.view.pause(sighting) + RTO_INIT.ns) / SECOND.ns, 3)
            flags = segment.flags & (SYN | FIN | RST) or segment.flags & ACK
            self.far.sign(segment)
            self.draft.add(
                Expect(on="peer", name="expect", args=(flags_of(flags),), named=named), f"frame {sighting.frame}"
            )
            if segment.flags & ACK:
                self._acked = max(self._acked, segment.ack)
        if not sighting.segment.flags & (SYN | RST):
            self._window = sighting.segment.window

    def _data(self, place: int, sighting: Sighting) -> None:
        segment = sighting.segment
        self._read()
        if self._written <= segment.seq:
            sizes, with_fin = written = self.writing.written(place)
            for number, size in enumerate(sizes, 1):
                last = number == len(sizes) and with_fin
                flag = socket.MSG_MORE if last else socket.MSG_EOR if self.writing.one_each else 0
                more: tuple[Value, ...] = (Made("MsgFlag", {"value": int(flag)}),) if flag else ()
                self.draft.add(Call(on=self._socket, name="send", args=(Octets(b"." * size), *more), result=size))
            self._written = segment.seq + written.octets
            if with_fin:
                self.draft.say("the last data are sent with MSG_MORE: the FIN is in their segment")
        if segment.flags & FIN:
            self._end("FIN")
        self._expect(sighting)

    def _read(self) -> None:
        if self.far.unread and self._opened and not self._closed:
            self.draft.add(Call(on=self._socket, name="receive", args=(self.far.unread,)))
            self.far.unread = 0

    def _end(self, flag: str) -> None:
        if self._ended or not self.ending.calls or not (self._opened or self._half_open):
            return
        self._ended = True
        if not self._opened:
            self._end_half_open(flag)
            return
        if self.ending.reads:
            self._read()
        calls = list(self.ending.steps(self._socket))
        self.draft.put(len(self.draft.steps), calls, f"inferred, for the {flag}: {self.ending.words}")
        self._closed = self.ending.closes

    def _abort(self, reset: Segment) -> None:
        """Abort what had ended; a RST without ACK answers a segment (3.10.7.1), and the call came before that."""
        if self.ending.aborts and not self._closed:
            answers = isinstance(self.draft.steps[-1], Send) and not reset.flags & ACK
            calls = list(calls_on(self._socket, self.ending.aborts))
            self.draft.put(len(self.draft.steps) - answers, calls, f"inferred, for the RST: {self.ending.words}")
            self._closed = True

    def _end_half_open(self, flag: str) -> None:
        """End what is not open yet; a RST that answers a segment was sent since all had been over before that came."""
        how = self.ending.words if self.facts.active else "the listening socket is closed"
        calls: list[AnyStep] = [Call(on="listener", name="close")]
        calls = list(self.ending.steps("client")) if self.facts.active else calls
        answers = isinstance(self.draft.steps[-1], Send)
        self.draft.put(len(self.draft.steps) - answers, calls, f"inferred, for the {flag}: {how}")
