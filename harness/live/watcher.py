"""What the kernel sends a peer over a span of time: nothing, so many segments of a kind, or whatever it is."""

from __future__ import annotations

import msgspec

from harness.errors import FinwaitError
from harness.live.sender import Sender
from harness.program.recording import step
from harness.program.steps import Expect, Wait
from harness.tcp.pattern import Pattern
from harness.tcp.segment import Segment
from harness.tcp.timing import QUIET, Span, Time, refuse_wait, span_of
from harness.tcp.verdict import Due, Evidence, Expectation, Mismatch
from harness.trace.inbox import Arrival
from netns.conditions import holds_what_waits


class Watcher(Sender):
    """A peer that waits for a span of time to be over; see ``Sender``."""

    @step(Expect)
    def expect_silence(self, for_: Time = QUIET) -> None:
        """Wait, and fail if the kernel sends anything on this connection in that time.

        Args:
            for_: how long, in seconds or as a span.

        Raises:
            Mismatch: it does.
            FinwaitError: ``for_`` is not a time, or longer than REAL_WAIT without ``@waits``.
        """
        for_ = span_of(for_, "for_")
        self._refuse_unsaid(for_)
        step = self._dispatcher.timeline.step(f"expect silence for {for_}")
        end, stamped_end = self._dispatcher.clock.monotonic_ns() + for_.ns, self._dispatcher.clock.time_ns() + for_.ns
        self._sleep(for_)
        # what is allowed neither breaks the silence nor ends it
        while (arrival := self.inbox.next(Expectation({}, None))) is None and self._dispatcher.pump(
            end - self._dispatcher.clock.monotonic_ns()
        ):
            pass
        if arrival is not None and arrival.at > stamped_end:
            self.inbox.put_back(arrival)
        elif arrival is not None:
            cause = self.inbox.cause(arrival).end
            self.inbox.take(arrival, step, "broken")
            due = (Due(f"> silence for {for_}"),)
            seen, elapsed = f"> {arrival.segment}", max(0, arrival.at - cause)
            evidence = Evidence(expected=due, observed=seen, elapsed_ns=elapsed, step=step, cause_ns=cause)
            raise Mismatch(msgspec.structs.replace(evidence, connection=self.connection))
        self._dispatcher.after_step()

    @step(Wait)
    def wait(self, span: Time) -> None:
        """Let a time pass, in seconds or as a span; what the kernel sends in it stays to be expected.

        Raises:
            FinwaitError: ``span`` is not a time, or longer than REAL_WAIT without ``@waits``.
        """
        span = span_of(span, "span")
        self._refuse_unsaid(span)
        clock = self._dispatcher.clock
        end = clock.monotonic_ns() + span.ns
        self._sleep(span)
        while clock.monotonic_ns() < end:
            self._dispatcher.pump(end - clock.monotonic_ns())
        self._dispatcher.after_step()

    @step(Wait, "collected")
    def collect(self, span: Time) -> list[Segment]:
        """Wait for a time, in seconds or as a span, and return every segment that the kernel has sent by its end.

        That includes segments from before that were not expected, and those that the scenario allowed.

        Raises:
            FinwaitError: ``span`` is not a time, or longer than REAL_WAIT without ``@waits``.
        """
        span = span_of(span, "span")
        self._refuse_unsaid(span)
        step = self._dispatcher.timeline.step(f"collect for {span}")
        return [arrival.segment for arrival in self._take_for(span, None, step)]

    @step(Expect, "counted")
    def expect_count(
        self, pattern: Pattern, *, at_least: int = 0, at_most: int | None = None, within: Time
    ) -> list[Segment]:
        """Wait for the whole of ``within``, then count the matching segments that the kernel has sent by then.

        Segments from before that were not expected count too. Segments that do not match stay to be expected.

        Args:
            pattern: which segments to count.
            at_least: the least number that is right.
            at_most: the greatest number that is right; None for no limit.
            within: how long to wait, in seconds or as a span.

        Returns:
            The counted segments, in the order in which they came.

        Raises:
            Mismatch: there were too few or too many.
            FinwaitError: ``within`` is no time, or longer than REAL_WAIT without ``@waits``; the pattern is none; or
                the two numbers leave none that is right or none that is wrong.
        """
        span = span_of(within, "within")
        self._refuse_unsaid(span)
        if not isinstance(pattern, Pattern):
            raise FinwaitError(f"{pattern!r} is not a pattern", hint="Pattern(ACK, ack=1)")
        if not 0 <= at_least <= (at_least if at_most is None else at_most) or (not at_least and at_most is None):
            raise FinwaitError(
                f"at_least={at_least}, at_most={at_most} leave nothing to judge", hint="at_most=3, at_least=1, or both"
            )
        most = "" if at_most is None else f"at most {at_most}"
        wanted = " and ".join([f"at least {at_least}"] * bool(at_least) + [most] * bool(most))
        due = Due(f"> {pattern}   {wanted} in {span}")
        step = self._dispatcher.timeline.step(f"expect {pattern} {wanted} in {span}")
        found = [arrival.segment for arrival in self._take_for(span, pattern, step)]
        if at_least <= len(found) <= (len(found) if at_most is None else at_most):
            return found
        self._dispatcher.wire.check()
        seen = f"{len(found)} in {span}"
        raise Mismatch(Evidence(expected=(due,), observed=seen, step=step, connection=self.connection))

    def _take_for(self, span: Span, pattern: Pattern | None, step: str) -> list[Arrival]:
        """Wait so long, then take what fits, in the order in which it came."""
        clock = self._dispatcher.clock
        end, stamped_end = clock.monotonic_ns() + span.ns, clock.time_ns() + span.ns
        self._sleep(span)
        while self._dispatcher.pump(end - clock.monotonic_ns()) and self._dispatcher.wire.frames[-1].at <= stamped_end:
            pass
        taken = self.inbox.take_until(stamped_end, pattern)
        for arrival in taken:
            self.inbox.take(arrival, step)
        self._dispatcher.after_step()
        return taken

    def _refuse_unsaid(self, span: Span) -> None:
        refuse_wait(span, unsaid=holds_what_waits(self._dispatcher.conditions))

    def _sleep(self, span: Span) -> None:
        """Have a time pass where it is free; select(2) oversleeps by 1/1000 (select_estimate_accuracy, fs/select.c)."""
        if self._dispatcher.profile.virtual:
            self._dispatcher.clock.sleep(span.ns / 1e9)
