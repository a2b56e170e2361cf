"""The pictures that lectures about TCP draw, taken from what a kernel did: which scenario each is a part of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from harness.trace.events import Called, Event, Forwarded, Probed, Received, Sent
from harness.trace.runs import LoadedRun
from reports.ladder import ladder
from reports.picture import picture


@dataclass(frozen=True, slots=True)
class Lecture:
    """One picture.

    Args:
        file: its name, without ``.svg``.
        title: what it shows.
        scenario: whose run it is drawn from, without the folder of all scenarios.
        since: the first call of this name begins it; empty for the beginning.
        until: the first call of this name after that is left out, with all that follows; empty for the end.
    """

    file: str
    title: str
    scenario: str
    since: str = ""
    until: str = ""


HANDSHAKE = "handshake"
"""What begins with the first segment, where a part of a timeline is asked for."""

_REOPENED = "lectures/test_opening.py::test_new_connection_over_the_ports_of_one_in_time_wait[IPv4-noTS]"

LECTURES = (
    Lecture("handshake", "The handshake: three segments (RFC 9293 3.5, figure 6)", _REOPENED, until="close"),
    Lecture(
        "simultaneous-open",
        "Both sides open at the same moment: four segments (RFC 9293 3.5, figure 7)",
        "lectures/test_opening.py::test_simultaneous_open_takes_four_segments[IPv4-noTS]",
    ),
    Lecture(
        "teardown-four-segments",
        "The server closes, then the client: four segments (RFC 9293 3.6, figure 12)",
        _REOPENED,
        since="close",
        until="connect",
    ),
    Lecture(
        "teardown-three-segments",
        "The peer's FIN carries the acknowledgment of the server's: three segments",
        "closing/test_orders.py::test_fin_that_carries_the_ack_of_the_servers_is_acknowledged[close-IPv4-noTS]",
        since="close",
    ),
    Lecture(
        "simultaneous-close",
        "Both sides close at the same moment, and both go through CLOSING (RFC 9293 3.6, figure 13)",
        "lectures/test_closing.py::test_simultaneous_close_goes_through_closing_on_both_sides[IPv4-noTS]",
        since="close",
    ),
    Lecture(
        "time-wait",
        "What TIME-WAIT is for: the last ACK is lost three times, and the other side's FIN is answered each time",
        "lectures/test_closing.py::test_time_wait_answers_a_retransmitted_fin_and_begins_anew[IPv4]",
        since="close",
    ),
)


def draw(run: LoadedRun, lecture: Lecture) -> str:
    """The picture as an SVG file, without windows and options.

    Raises:
        FinwaitError: the run's timeline cannot be read.
    """
    (result,) = [one for name, one in run.results.items() if name.endswith(lecture.scenario)]
    events = part(run.timeline(result), lecture.since, lecture.until)
    return picture(ladder(events, kernel="server", brief=True), name=lecture.title)


def part(events: Iterable[Event], since: str, until: str) -> tuple[Event, ...]:
    """The events from one call up to another; each socket begins in the state that it is in by then.

    Args:
        events: in the order of their time.
        since: the name of the call that begins it; ``handshake`` for the first segment, empty for the first event.
        until: that of the first call which is left out; empty for none.
    """
    states: dict[tuple[str, int], Probed] = {}
    taken: list[Event] = []
    for event in events:
        called = event.name if isinstance(event, Called) else ""
        if taken and until and called == until:
            break
        begins = called or (HANDSHAKE if isinstance(event, Sent | Received | Forwarded) else "")
        if taken or not since or begins == since:
            taken.append(event)
        elif isinstance(event, Probed) and event.state:
            states[event.side, event.connection] = event
    return (*_at(taken, states.values()), *taken)


def _at(taken: list[Event], states: Iterable[Probed]) -> Iterator[Event]:
    """The states that sockets had when the first of the events came."""
    if taken:
        yield from (msgspec.structs.replace(state, at=taken[0].at, was="", holder="") for state in states)


def page(kernel: str) -> str:
    """docs/lectures/README.md: the pictures with what each shows.

    Args:
        kernel: what they were taken from, by its name.
    """
    pictures = "".join(
        f"\n## {one.title}\n\n![{one.title}]({one.file}.svg)\n\n`scenarios/{one.scenario}`\n" for one in LECTURES
    )
    return f"""\
# Pictures for lectures

What a real kernel ({kernel}) did, drawn by `make pictures` from a run of finwait; no segment is made up. Time runs
downwards, a pause is folded, and a lane's colour is the state of the socket. Rest the pointer on a segment to see its
window and its options. Take them, under the licence of finwait.

Any other case is drawn by `finwait show RUN -k NAME --brief --svg FILE`.
{pictures}"""
