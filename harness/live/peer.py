"""The crafted end of a connection: sends segments in any order, and judges what comes back, in relative numbers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Unpack

import msgspec

from harness.errors import FinwaitError
from harness.live.dispatcher import Dispatcher
from harness.live.pinned import came_before, refuse_held, refuse_unknowable, told_by
from harness.live.sender import INITIAL_SEQUENCE_NUMBER
from harness.live.watcher import Watcher
from harness.program.recording import step
from harness.program.steps import Allow, Expect
from harness.tcp.ip import IpHeader, header_of
from harness.tcp.pattern import Between, Number, Pattern, PatternFields
from harness.tcp.relative import to_relative
from harness.tcp.segment import ACK, FIN, NONE, PSH, RST, SYN, Flags, Segment
from harness.tcp.timing import PROMPT, UNSAID, Span, Time, bounds
from harness.tcp.verdict import Due, Evidence, Expectation, Mismatch, Reply
from harness.tcp.window import OfferedWindow
from harness.trace.events import Received
from harness.trace.inbox import Arrival
from harness.wire.frames import Flow

_FAST_OPEN = "opt 34"
"""The option's name in an unparsed segment (RFC 7413 2)."""
_SENT_AGAIN = "the same was sent before, so a timer sent this: after= says how long that is, @waits that it is meant"


class Peer(Watcher):
    """The scripted end of one connection: sends segments, and judges what the kernel sends.

    Args:
        dispatcher: the lab's wire and what hangs on it.
        flow: IP version and ports.
        connection: its number on the timeline.
        isn: initial sequence number, 0 to 2**32 - 1.
    """

    def __init__(
        self, dispatcher: Dispatcher, flow: Flow, connection: int = 1, isn: int = INITIAL_SEQUENCE_NUMBER
    ) -> None:
        super().__init__(dispatcher, flow, connection, isn)
        self._offered = OfferedWindow()
        self.last_elapsed = 0  # ns, of the last answer
        self.choices: list[str] = []  # what the kernel chose between alternatives, in order
        self.last_reply: Reply | None = None  # the last choice between alternatives, else the last answer
        self._judged_frame: int | None = None
        self._last_ack: int | None = None
        self._cookie = ""
        self.opening: Segment | None = None  # the kernel's first SYN
        self._closed = True
        dispatcher.register(flow, self)

    # -- what the dispatcher hands over

    def note_received(self, at: int, segment: Segment, frame: int) -> None:
        """A segment of the kernel's arrived, with wire numbers."""
        if segment.flags & SYN:
            self.kernel.isn = segment.seq
        stamp = segment.option("TS")
        if stamp is not None:
            if self.kernel.timestamp is None:
                self.kernel.timestamp = stamp.values[0]
            self.echo = (stamp.values[0] - self.kernel.timestamp) % 2**32
        if segment.flags & ACK:
            self._last_ack = segment.ack
        relative = to_relative(segment, self.kernel, self.own)
        if segment.flags & SYN and self.opening is None:
            self.opening = relative
        for option in segment.options:
            if option.name == _FAST_OPEN and option.raw:
                self._cookie = option.raw.hex()
                self.recording.knows(self._cookie, self, "cookie")
        self._offered.note(relative)
        for seen_at, seen in self._dispatcher.mutate(at, relative):
            event = Received(seen_at, seen, "", self.connection)
            self._dispatcher.timeline.add(event)
            explain = partial(self._explain, event, frame)
            numbered = self._ports, self.connection, self._dispatcher.answers
            self.inbox.add(Arrival(seen_at, seen, *numbered, explain, self._flaws(segment)))

    def _explain(self, event: Received, frame: int, step: str, judged: str) -> None:
        self._judged_frame = frame
        self._dispatcher.timeline.replace(event, msgspec.structs.replace(event, step=step, judged=judged))
        self._dispatcher.wire.explain(frame, f"{step}: {judged}" if judged else step)

    def offered_window(self, number: int) -> int:
        """How many bytes from the relative sequence number on the kernel lets the peer send; 0 before it offers any."""
        return self._offered.window(number)

    @property
    def cookie(self) -> str:
        """The Fast Open cookie that the kernel gave to this peer, in hexadecimal; empty before (RFC 7413 4.1.1)."""
        return self._cookie

    # -- expecting

    @step(Expect, "answer")
    def expect(
        self,
        flags: Flags,
        *,
        seq: Number | None = None,
        ack: Number | None = None,
        within: Time | None = UNSAID,
        at_least: Time | None = None,
        after: Time | None = None,
        **fields: Unpack[PatternFields],
    ) -> Segment:
        """Wait for the kernel's next segment and judge it; see ``Pattern`` for the fields.

        Its time counts from what could have caused it on its connection: the last segment that reached the kernel, a
        call on its socket that does more than ask, or its segment that was expected before. A failure names that behind
        ``since``.

        Args:
            flags: exactly these control bits. Passing ``ack`` adds ACK; PSH counts only where it is named.
            seq: relative sequence number or a range; None for any.
            ack: relative acknowledgment number or a range; None for any.
            within: upper bound of its time, in seconds or as a span; None for none. By default PROMPT, or four times
                ``at_least`` where that is longer.
            at_least: lower bound.
            after: the length of the timer that sends the segment; sets both bounds.
            fields: window, data, length, options, without.

        Raises:
            Mismatch: another segment, none, or one at the wrong time.
            FinwaitError: a bound is not a time, or ``within`` is below ``at_least``.
        """
        pattern = Pattern(flags, seq=seq, ack=ack, **fields)
        return self._keep(self._await(Expectation({"": pattern}, *bounds(within, at_least, after)))).segment

    @step(Expect, "answer")
    def expect_pieces(
        self,
        flags: Flags,
        *,
        seq: int,
        length: int,
        ack: int | None = None,
        window: Number | None = None,
        options: str = "",
        without: str = "",
        within: Time | None = UNSAID,
        at_least: Time | None = None,
    ) -> Segment:
        """Expect data in one or several segments, as the kernel likes; ``expect`` has the arguments.

        Time is that of the first; FIN and PSH are those of the last, which is returned.
        """
        due, taken, begun = bounds(within, at_least), 0, Flags(flags & ~(FIN | PSH))
        same = partial(Pattern, ack=ack, window=window, options=options, without=without)
        while True:
            left, at = length - taken, seq + taken
            part = {"piece": same(begun, seq=at, length=Between(1, left - 1))} if left > 1 else {}
            reply = self._await(Expectation({"last": same(flags, seq=at, length=left), **part}, *due))
            if reply.name == "last":
                return self._keep(replace(reply, name="")).segment
            due, taken = bounds(UNSAID, None), taken + len(reply.segment.data)

    @property
    def elapsed(self) -> Span:
        """How long after its cause the last expected segment came."""
        return Span(self.last_elapsed, "MEASURED", "what this kernel took before")

    @step(Expect, "reply")
    def expect_one_of(
        self, *, within: Time | None = UNSAID, at_least: Time | None = None, **alternatives: Pattern
    ) -> Reply:
        """Wait for the kernel's next segment, which must match one of the alternatives; the reply says which.

        ``within`` and ``at_least`` are those of ``expect``.

        Raises:
            Mismatch: none of them, none at all, or at the wrong time.
            FinwaitError: none was declared; for a bound see ``expect``.
        """
        if not alternatives:
            raise FinwaitError("no alternative is given", hint="expect_one_of(name=Pattern(...)), or expect_silence()")
        return self._keep(self._await(Expectation(alternatives, *bounds(within, at_least))))

    @step(Expect)
    def expect_at_once(self, *, silence: str = "", **alternatives: Pattern) -> str:
        """Judge what the kernel has sent once it has processed everything sent to it. Nothing waits for a timer.

        Args:
            silence: name of the alternative that the kernel sends nothing; empty if it must send something.
            alternatives: as for ``expect_one_of``.

        Returns:
            The name of the alternative; ``last_reply`` has the segment.

        Raises:
            Mismatch: none of them.
            FinwaitError: none was declared.
        """
        if not alternatives and not silence:
            hint = "expect_at_once(name=Pattern(...)), or silence=NAME where the kernel may send nothing"
            raise FinwaitError("no alternative is given", hint=hint)
        expectation = Expectation(alternatives or {"": Pattern(NONE)}, PROMPT)
        offered = [*map(str, alternatives.values())] + [f"silence ({silence})"] * bool(silence)
        step = self._dispatcher.timeline.step("expect at once " + " or ".join(offered))
        with self._dispatcher.stopwatch.part("kernel"):
            self._dispatcher.flush()
        if (arrival := self.inbox.next(expectation)) is None and not silence:
            missing = expectation.mismatch("nothing, and the kernel has taken in all it was sent")
            missing.add(step=step, connection=self.connection)
            raise missing
        if arrival is None:
            self._dispatcher.after_step()
            reply = Reply(silence, Segment(flags=NONE), 0, expectation, self.recording.judged)
        elif not alternatives:
            self.inbox.take(arrival, step, "broken")
            expected = (Due("> nothing", silence),)
            seen = f"> {arrival.segment}"
            raise Mismatch(Evidence(expected=expected, observed=seen, step=step, connection=self.connection))
        else:
            reply = self._judge(expectation, arrival, step)
        return self._keep(reply).name

    def _keep(self, reply: Reply) -> Reply:
        """Note what the kernel chose; where it has chosen nothing yet, what it answered."""
        if reply.name:
            self.choices.append(reply.name)
        if reply.name or self.last_reply is None or not self.last_reply.name:
            self.last_reply = reply
        return reply

    def _await(self, expectation: Expectation) -> Reply:
        refuse_held(self._dispatcher.conditions, expectation)
        step = self._dispatcher.timeline.step("expect " + " or ".join(map(str, expectation.alternatives.values())))
        due = expectation.within or expectation.at_least or PROMPT
        began: int | None = None
        with self._dispatcher.stopwatch.part("kernel"):
            while (arrival := self.inbox.next(expectation)) is None:
                now, wait = self._dispatcher.clock.monotonic_ns(), self._dispatcher.profile.deadline(due)
                began = now if began is None else began
                arrived = self._dispatcher.pump(began + wait - now)
                if not arrived and not self.inbox:
                    self._dispatcher.wire.check()
                    raise self._missing(expectation, wait, step)
        return self._judge(expectation, arrival, step)

    def _missing(self, expectation: Expectation, waited_ns: int, step: str) -> Mismatch:
        refuse_unknowable(self._dispatcher.conditions, expectation, waited_ns)
        missing = expectation.missing(waited_ns, self._dispatcher.profile.patience_ns)
        missing.add(step=step, connection=self.connection)
        if came_before(expectation, self._dispatcher.timeline, self.connection, self._dispatcher.clock.time_ns()):
            missing.add(lab=told_by(self._dispatcher.conditions, ["again"]))
        return missing

    def _judge(self, expectation: Expectation, arrival: Arrival, step: str) -> Reply:
        with self._dispatcher.stopwatch.part("match"):
            try:
                reply = self.inbox.judge(expectation, arrival, self._dispatcher.profile, step)
            except Mismatch as mismatch:
                self._dispatcher.wire.check()
                again = came_before(expectation, self._dispatcher.timeline, self.connection, arrival.at)
                if mismatch.evidence.late and again:
                    mismatch.add(notes=(_SENT_AGAIN,))
                raise
        if arrival.at >= self._dispatcher.looked_at:  # else the look after the send or the call has shown all there is
            self._dispatcher.after_step()
        self.last_elapsed = reply.elapsed_ns
        return reply

    @property
    def judged_header(self) -> IpHeader:
        """The IP header of the last segment that was expected.

        Raises:
            FinwaitError: no segment was expected yet.
        """
        if self._judged_frame is None:
            raise FinwaitError("no segment was expected yet", hint="expect one first")
        return header_of(self._dispatcher.wire.frames[self._judged_frame].data)

    @step(Allow)
    def allow(
        self, flags: Flags, *, seq: Number | None = None, ack: Number | None = None, **fields: Unpack[PatternFields]
    ) -> None:
        """Accept segments that come from now on and match this pattern without an expectation; see ``Pattern``.

        A later ``expect`` judges the oldest segment that matches it or is not allowed; allowed ones before that are
        passed over.
        """
        self.inbox.allow(Pattern(flags, seq=seq, ack=ack, **fields))

    # -- the end

    def abandon(self) -> None:
        """Make the kernel forget the connection, so that no orphan outlives the lab: a RST where it waits for one."""
        if self._last_ack is not None:
            segment = self._signed(Segment(flags=RST, seq=self._last_ack))
            self._dispatcher.wire.send([self._encoder.encode(segment)])
