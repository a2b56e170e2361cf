"""What a session expects of a socket of the kernel under test, beside its segments: an error, a state."""

from __future__ import annotations

import difflib
import errno
import time
from collections.abc import Collection

from harness.errors import FinwaitError
from harness.live.base_session import BaseSession
from harness.live.dispatcher import Dispatcher
from harness.live.endpoint import Endpoint
from harness.live.peer import Peer
from harness.model.requirements import STATES
from harness.probes.observer import Observer
from harness.probes.sockets import SocketState
from harness.program.recording import step
from harness.program.steps import Expect, Look
from harness.tcp.timing import PROMPT, UNSAID, Span, Time, bounds, format_ms, refuse_wait
from harness.tcp.verdict import Due, Evidence, Mismatch
from harness.trace.events import Called, Probed
from netns.conditions import holds_what_waits

OWNERSHIPS = OWNED, ORPHANED, UNACCEPTED = "owned", "orphaned", "unaccepted"
"""Whether a process holds the socket; see ``harness.live.states``."""


class SocketSession(BaseSession):
    """A session with peers; see ``Session``."""

    dispatcher: Dispatcher
    observer: Observer

    @step(Expect)
    def expect_error(
        self,
        endpoint: Endpoint,
        name: str,
        *,
        after: Time | None = None,
        at_least: Time | None = None,
        within: Time = UNSAID,
    ) -> None:
        """Wait until the kernel reports an error on a socket. Times count from the last segment or call.

        Args:
            endpoint: the socket.
            name: of the error, such as ``ETIMEDOUT``.
            after: the length of the timer that ends with the error; sets both bounds.
            at_least: lower bound.
            within: upper bound; by default PROMPT, or four times the lower one where that is longer.

        Raises:
            Mismatch: another error, none, or one at the wrong time.
            FinwaitError: there is no such error, a bound is no time, or ``within`` is over before ``at_least``.
        """
        _check_known("error", name, errno.errorcode.values())
        most, least = bounds(within, at_least, after)
        refuse_wait(least or PROMPT, unsaid=holds_what_waits(self.lab.conditions))
        step = self.timeline.step(f"expect {name}")
        self.dispatcher.flush()  # the last segment may be on its way
        *_, last = (event for event in self.timeline if not isinstance(event, Probed))
        began, over = (last.at, last.end) if isinstance(last, Called) else (last.at, last.at)
        latest = self.profile.upper(most or PROMPT) + self.profile.wakeup_ns
        seen = endpoint.await_error(Span(latest + self.profile.patience_ns, "LIMIT"))
        now = time.time_ns()
        self.dispatcher.flush()
        if seen != name or (least and now - began < least.ns) or now - over > latest:
            due = (Due(f"  {name}   " + (f"not before {least}, " if least else "") + f"by {format_ms(latest)}"),)
            told = f"  {seen or 'no error'}"
            raise Mismatch(Evidence(expected=due, observed=told, elapsed_ns=now - over, step=step, cause_ns=over))

    @step(Expect)
    def expect_state(self, peer: Peer, state: str, ownership: str | None = None) -> None:
        """Check with sock_diag that a connection is in a state, and with this ownership if one is given.

        Args:
            peer: the connection's.
            state: one of ``STATES``.
            ownership: ``owned``, ``orphaned`` or ``unaccepted``; None for any.

        Raises:
            Mismatch: it is in another.
            FinwaitError: there is no such state, or no such ownership.
            Unsupported: sock_diag shows nothing on this machine.
        """
        _check_known("state", state, STATES)
        _check_known("ownership", ownership or OWNED, OWNERSHIPS)
        wanted = f"{state}, {ownership}" if ownership else state
        step = self.timeline.step(f"expect state {wanted}")
        now = self.observer.find(peer.connection, listening=state == "LISTEN")
        if not _is(now, state, ownership):
            self.dispatcher.flush()  # what the peer sent last may not have been taken in yet
            now = self.observer.find(peer.connection, listening=state == "LISTEN")
        if not _is(now, state, ownership):
            due = (Due(f"  the connection from port {peer.port} in {wanted}"),)
            raise Mismatch(Evidence(expected=due, observed=f"  {_shown(now)}, as sock_diag sees it", step=step))

    @step(Look)
    def state_of(self, peer: Peer) -> str:
        """The state of the peer's connection as sock_diag sees it once all that was sent is taken in; CLOSED for none.

        Raises:
            Unsupported: sock_diag shows nothing on this machine.
        """
        self.dispatcher.flush()
        now = self.observer.find(peer.connection)
        return now.state if now else "CLOSED"


def _check_known(what: str, given: str, known: Collection[str]) -> None:
    """Refuse a misspelt name, which the kernel could never live up to."""
    if given not in known:
        near = difflib.get_close_matches(str(given), known, n=3, cutoff=0.4) or sorted(known)[:3]
        raise FinwaitError(f"there is no {what} {given!r}", hint=" or ".join(near))


def _is(now: SocketState | None, state: str, ownership: str | None) -> bool:
    if now is None:
        return state == "CLOSED"
    # the process that owns a connection in TIME-WAIT holds a descriptor, and no longer that socket
    owned = ownership == OWNED and state != "TIME-WAIT"
    return now.state == state and (ownership is None or now.owned == owned)


def _shown(now: SocketState | None) -> str:
    if now is None:
        return "no socket"
    return f"{now.state}, {'owned' if now.owned else 'held by no process'}"
