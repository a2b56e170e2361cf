"""The path of a scenario: takes its rules, and holds what passes against its expectations. Relative numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Self, Unpack

from harness.errors import FinwaitError
from harness.path import process
from harness.path.impairing import Impairing
from harness.path.messages import Came, Left, Told
from harness.path.passages import Passage, Passages
from harness.path.rules import AnyRule, BadRules, Side
from harness.path.ruling import MatchFields, pattern_of
from harness.program.recording import step
from harness.program.steps import Allow, Expect, Wait
from harness.tcp.mutation import Mutation
from harness.tcp.pattern import Pattern
from harness.tcp.segment import SYN, Flags, Segment
from harness.tcp.timing import PROMPT, QUIET, UNSAID, Time, TimingProfile, bounds, refuse_wait, span_of
from harness.tcp.verdict import Due, Evidence, Expectation, Mismatch, Reply
from harness.trace.events import Timeline
from harness.trace.inbox import Arrival, Inbox
from harness.wire.capture import ETH_P_ALL, packet_socket
from harness.wire.marker import neighbour_request
from harness.wire.overflow import lost
from netns import processor
from netns.conditions import holds_what_waits
from netns.lab import PathLab, closer
from netns.link import PATH_ENDS

_BUFFER = 64 << 20
_MOST_ROUNDS = 64


class Path(Impairing):
    """The path between two kernels: forwards segments by the scenario's rules, and judges those that pass.

    Args:
        lab: an entered one.
        timeline: where it goes.
        profile: the tolerances.
        mutation: how segments are mutated before they are judged, or None.
        on: the processor to forward on; None for this thread's.
    """

    def __init__(
        self,
        lab: PathLab,
        timeline: Timeline,
        profile: TimingProfile,
        mutation: Mutation | None = None,
        *,
        on: int | None = None,
    ) -> None:
        super().__init__(self._state, self._let_go, timeline.recording)
        self.passages = Passages()
        self.mutated = False
        self._received = 0
        self._mutation = mutation
        self._inboxes = {side: Inbox(timeline, str(side)) for side in Side}
        self._rest_allowed = False
        self.after_step: Callable[[], None] = lambda: None
        self.last_reply: Reply | None = None
        self.complaints: list[str] | None = None
        self._lab = lab
        self._timeline = timeline
        self._profile = profile
        self._processor = on
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            with self._lab.path.entered():
                sockets = tuple(
                    packet_socket(device, protocol, _BUFFER) for protocol in (ETH_P_ALL, 0) for device in PATH_ENDS
                )
            for each in sockets:
                opening.callback(closer.close, each.close)
            self._senders = dict(zip(Side, sockets[2:], strict=True))
            client, server = self._lab.plan.peer, self._lab.plan.kernel
            markers = neighbour_request(client, server), neighbour_request(server, client)
            self.forwarder = process.borrow()
            with processor.kept() as current:
                self.forwarder.begin(sockets, markers, current if self._processor is None else self._processor)
            opening.callback(self._end)
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _end(self) -> None:
        # a forwarder that does not answer any more must not serve another lab; it has said so where it mattered
        with suppress(FinwaitError):
            self.conclude()

    def _state(self, number: int, rule: AnyRule) -> None:
        self._timeline.step(f"path: {rule}")
        self.forwarder.state(number, rule)

    def _let_go(self, number: int) -> None:
        self._timeline.step(f"path: release what rule {number} holds")
        self.forwarder.release(number)

    def send(self, side: Side, frame: bytes) -> None:
        """Send a frame to a side, as if it came from the other."""
        self._senders[side].send(frame)

    # -- what happened

    def _absorb(self, told: Told) -> bool:
        """Take over what the forwarder tells; whether a segment came. A capture that overflowed raises FinwaitError."""
        before = self._received
        for entry in told.entries:
            if isinstance(entry, Came):
                self._came(self.passages.came(entry))
                continue
            passage = self.passages.more(entry)
            if isinstance(entry, Left) and passage.tracked is not None:
                self._inboxes[passage.side.other].reached(passage.tracked.ports[::-1], entry.at)
        if told.lost:  # only now: what is told later refers to what came
            raise lost(told.lost)
        return self._received > before

    def _came(self, passage: Passage) -> None:
        """A frame came; what holds no segment is passed over."""
        if passage.tracked is None:
            return
        self._received += 1
        connection, segment, ports = passage.tracked
        arrival = Arrival(passage.at, segment, ports, connection, self._received, passage.explain)
        inbox, mutation = self._inboxes[passage.side], self._mutation
        seen = [(arrival.at, segment)]
        # two applications may split their bytes differently in each run: one that is allowed may then have this number
        if mutation and not self.mutated and arrival.number >= mutation.number and not inbox.allows(arrival):
            self.mutated = True
            # patience only tells a late segment from a missing one, and which of the two a mutation makes is known
            self._profile = self._profile.impatient()
            seen = mutation.apply(mutation.number, *seen[0])
        for at, one in seen:
            inbox.add(arrival._replace(at=at, segment=one))

    @property
    def judged(self) -> int:
        """The number of the last segment that an expectation took, counted over both sides from 1."""
        return max(inbox.judged for inbox in self._inboxes.values())

    def watch(self, wait_ns: int) -> bool:
        """Take what happened, waiting up to ``wait_ns`` for something to; whether anything did."""
        self._absorb(told := self.forwarder.collect(wait_ns))
        return bool(told.entries)

    @step(Wait)
    def settle(self) -> None:
        """Wait until both kernels have processed everything and answer nothing more."""
        for _ in range(_MOST_ROUNDS):
            if not self._absorb(self.forwarder.settle()):
                return

    # -- expecting

    @step(Expect, "answer")
    def expect(
        self,
        flags: Flags,
        *,
        from_: str,
        within: Time | None = UNSAID,
        at_least: Time | None = None,
        after: Time | None = None,
        connection: int = 0,
        **fields: Unpack[MatchFields],
    ) -> Segment:
        """Wait for the next segment that a side sends, and judge it as it reaches the path; see ``Peer.expect``.

        Its time counts from what could have caused it on its connection: the last segment that reached that side, a
        call there, or the segment that was expected before. Rules may still hold or drop it.

        Raises:
            Mismatch: another segment, none, or one at the wrong time.
        """
        pattern, side = pattern_of(flags, fields), Side(from_)
        due = Expectation({"": pattern}, *bounds(within, at_least, after), side.arrow)
        return self._await(due, side, connection).segment

    @step(Expect, "reply")
    def expect_one_of(
        self, *, from_: str, within: Time | None = UNSAID, connection: int = 0, **alternatives: Pattern
    ) -> Reply:
        """Wait for the next segment that a side sends, which must match one of the alternatives.

        Raises:
            Mismatch: none of them, none at all, or too late.
        """
        side = Side(from_)
        return self._await(Expectation(alternatives, *bounds(within, None), side.arrow), side, connection)

    @step(Expect)
    def expect_handshake(self, connection: int = 0, within: Time = PROMPT) -> None:
        """Expect the three segments of a handshake that the client opens (RFC 9293 3.5, figure 6)."""
        self.expect(SYN, from_="client", seq=0, connection=connection, within=within)
        self.expect(SYN, from_="server", seq=0, ack=1, connection=connection)
        self.expect(Flags.ACK, from_="client", seq=1, ack=1, connection=connection)

    @step(Expect)
    def expect_silence(self, for_: Time = QUIET) -> None:
        """Wait, and fail if either side sends anything in that time that was not allowed.

        Args:
            for_: how long, in seconds or as a span.

        Raises:
            Mismatch: one does.
            FinwaitError: ``for_`` is not a time, or longer than REAL_WAIT without ``@waits``.
        """
        for_ = span_of(for_, "for_")
        refuse_wait(for_, unsaid=holds_what_waits(self._lab.conditions))
        step = self._timeline.step(f"expect silence for {for_}")
        end, stamped_end = time.monotonic_ns() + for_.ns, time.time_ns() + for_.ns
        while (left := end - time.monotonic_ns()) > 0 and not self._unexpected():
            self.watch(left)
        self.settle()  # what was sent in that time may have yet to be told
        if seen := self._unexpected(stamped_end):
            raise Mismatch(Evidence(expected=(Due(f"silence for {for_}"),), observed=seen, step=step))
        self.after_step()

    @step(Allow)
    def allow(self, flags: Flags, *, from_: str, **fields: Unpack[MatchFields]) -> None:
        """Accept matching segments that a side sends from now on without an expectation; see ``Pattern``."""
        self._inboxes[Side(from_)].allow(pattern_of(flags, fields))

    @step(Allow)
    def allow_nothing(self) -> None:
        """Undo ``allow`` and ``allow_rest``: every segment that comes from now on has to be expected again."""
        self._rest_allowed = False
        for inbox in self._inboxes.values():
            inbox.allow_nothing()

    @step(Allow)
    def allow_rest(self) -> None:
        """Accept every segment that no expectation mentions, as where applications decide how data are split."""
        self._rest_allowed = True

    def _await(self, expectation: Expectation, side: Side, connection: int) -> Reply:
        texts = " or ".join(map(str, expectation.alternatives.values()))
        step = self._timeline.step(f"expect {texts} from the {side}")
        wait = self._profile.deadline(expectation.within or expectation.at_least or PROMPT)
        end = time.monotonic_ns() + wait
        while (arrival := self._inboxes[side].next(expectation, connection)) is None:
            if not self.watch(end - time.monotonic_ns()) and time.monotonic_ns() >= end:
                raise expectation.missing(wait, self._profile.patience_ns)
        reply = self._inboxes[side].judge(expectation, arrival, self._profile, step)
        if reply.name or self.last_reply is None or not self.last_reply.name:
            self.last_reply = reply
        self.after_step()
        return reply

    # -- the end

    @step(Expect)
    def finish(self) -> None:
        """Fail if a segment came that no expectation mentioned, or a rule never took effect.

        Raises:
            Mismatch: something came.
            BadRules: a rule did not.
        """
        step = self._timeline.step("nothing more")
        self.conclude()
        if self.complaints:
            raise BadRules("; ".join(self.complaints))
        if seen := self._unexpected():
            raise Mismatch(Evidence(expected=(Due("nothing more"),), observed=seen, step=step))

    def _unexpected(self, until: int | None = None) -> str:
        """What came by a stamp that no expectation took and nothing allows, as it came; empty where nothing did."""
        left = [(one, side) for side, inbox in self._inboxes.items() for one in inbox.leftover()]
        left = [(one, side) for one, side in left if until is None or one.at <= until]
        in_order = [] if self._rest_allowed else sorted(left, key=lambda pair: pair[0].at)
        return "; ".join(f"{side.arrow} {one.segment}" for one, side in in_order)

    def conclude(self) -> None:
        """Take all that happened, stop forwarding, and let the rules say what they still wait for; once only."""
        if self.complaints is not None:
            return
        self.complaints = []
        if self.forwarder.gone:
            return
        self.settle()
        self._absorb(told := self.forwarder.end())
        self.complaints = told.complaints
        process.give_back(self.forwarder)
        self.place()

    def place(self) -> None:
        """Put what happened so far onto the timeline; what is still held stays open until the path is concluded."""
        self.passages.place(self._timeline, self.rules, done=self.complaints is not None)
