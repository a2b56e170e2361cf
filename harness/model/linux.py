"""What Linux answers where RFC 9293 asks for something else, as functions beside ``rfc9293``. Pure.

By design, the answer's clause is a scenario with the same deviation in scenarios/baselines/linux.toml, whose reason
names the clause of the RFC and the kernel's function. Else it is one of ``NEWS``: what 7.2 was seen to do, which no
scenario has yet and nobody has judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from harness.model.connection import Answer, ControlBlock
from harness.model.numbers import acceptable
from harness.model.rfc9293 import answers
from harness.tcp.segment import ACK, FIN, RST, SYN, Segment, add, distance

_TABLE = "scenarios/states/test_table.py::test_answer"
_IN_STATES = "scenarios/states/test_segments_in_states.py::test_"
_ORDERS = "scenarios/closing/test_permutations.py::test_last_segments_in_any_order"
_OVERRUN = (
    "scenarios/windows/test_receiving.py::test_of_data_that_overrun_the_window_the_part_inside_is_taken[unread-IPv4]"
)
_TIMESTAMPS = "scenarios/options/test_timestamps.py::test_"
_AFTER_THE_FIN = ("CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT")

OLD_ACK_WITH_AN_OLD_TIMESTAMP = f"{_TIMESTAMPS}old_ack_with_a_stale_timestamp_is_answered[IPv4]"
ECHO_NEVER_SENT = f"{_TIMESTAMPS}ack_that_echoes_what_was_never_sent_opens_the_connection[IPv4]"
ABORT_IN_TIME_WAIT = (
    "scenarios/states/test_aborts_in_states.py::"
    "test_abort_in_time_wait_forgets_the_connection[TIME-WAIT-owned-disconnect-IPv4]"
)
UNPROVEN_IN_TIME_WAIT = (
    "scenarios/authentication/test_signed.py::test_time_wait_does_not_answer_another[MD5-unsigned-IPv4]"
)
ELSEWHERE = (UNPROVEN_IN_TIME_WAIT, OLD_ACK_WITH_AN_OLD_TIMESTAMP, ECHO_NEVER_SENT, ABORT_IN_TIME_WAIT)
"""Clauses of what ``designed`` does not have: a segment there has no options, and is no call."""

OPENED_BY_AN_OLD_ACK = "an ACK of nothing opens what was opened by crossed SYNs"
RESET_AROUND_THE_FIN = "what begins before the peer's FIN and goes on behind it resets the connection"
RST_WITH_AN_OLD_TIMESTAMP = "a RST with an old timestamp is ignored by mini-sockets"
LARGER_THAN_THE_FIELD = "a window that the field cannot hold is offered as 65,535 and counts as it is"
SYN_ACK_TAKEN_FOR_AN_ACK = "a SYN,ACK at the number of the peer's SYN is taken for an ACK, and then challenged"
NUMBERED_BY_THE_WINDOW = "to a peer that has shrunk its window an ACK is numbered by the window's end"
DROPPED_WITHOUT_MEMORY = "what has no room in a buffer that was made smaller is dropped, though it was offered"
COUNTED_TWICE = "a second FIN behind the first counts in CLOSING, whatever it acknowledges"
GIVEN_UP_FOR_NOTHING = "TIME-WAIT gives way to a SYN that then opens nothing"
EARLY_RESET = "a SYN that comes before a Fast Open's handshake ends is answered with a RST, and ends nothing"
EARLY_CLOSED = "an old ACK of a Fast Open that was closed before its handshake ends is challenged"
EARLY_AGAIN = "a SYN that comes before a Fast Open's handshake ends has the SYN,ACK sent again"
FIN_AFTER_THE_HANDSHAKE = "shutdown(2) before a Fast Open's handshake ends lets the FIN wait for that end"
AROUND_THE_WINDOW = "what begins before the window and ends beyond it is taken"
ECHO_IN_SYN_SENT = "an ACK that echoes what was never sent is answered with a RST in SYN-SENT"
ECHO_OF_A_CHALLENGE = "an ACK that echoes the timestamp of a challenge ACK is refused in SYN-RECEIVED"
ROUNDED = "a window counts as it is before `tcp_shrink_window` rounds it down to its scale"
SIGNED_FOR_NOBODY = "what is signed, and for no connection, is not answered"
NEWS = {
    AROUND_THE_WINDOW: "tcp_sequence; RFC 9293 3.10.7.4 first asks for the first octet or the last in the window",
    ECHO_IN_SYN_SENT: "tcp_rcv_synsent_state_process, PAWSACTIVEREJECTED; RFC 9293 3.10.7.3 fifth drops it",
    ECHO_OF_A_CHALLENGE: "tcp_check_req, snt_tsval_last; RFC 7323 5.3 has it acceptable",
    ROUNDED: "tcp_select_window; RFC 9293 3.10.7.4 first has RCV.WND as it was offered",
    GIVEN_UP_FOR_NOTHING: "tcp_v4_rcv, TCP_TW_SYN, before the listener looks at it; RFC 9293 MUST-13 lingers",
    EARLY_RESET: "tcp_check_req, embryonic_reset; RFC 9293 3.10.7.4 fourth returns to LISTEN",
    EARLY_CLOSED: "tcp_rcv_state_process knows SYN-RECEIVED alone; RFC 9293 3.10.7.4 fifth has a RST",
    EARLY_AGAIN: "tcp_check_req; RFC 9293 3.10.7.4 first has an ACK",
    FIN_AFTER_THE_HANDSHAKE: "tcp_shutdown; RFC 9293 3.10.4 sends it where nothing waits to be sent",
    SIGNED_FOR_NOBODY: "tcp_v4_send_reset looks for a listener that has the key; RFC 9293 3.10.7.1 has a RST",
    COUNTED_TWICE: "tcp_rcv_state_process, CLOSING; RFC 9293 3.10.7.4 fifth ignores what does not acknowledge the FIN",
    DROPPED_WITHOUT_MEMORY: "tcp_data_queue, tcp_data_queue_ofo; RFC 9293 3.8.6, SHLD-14, shrinks no window",
    OPENED_BY_AN_OLD_ACK: "tcp_ack takes SEG.ACK = SND.UNA; RFC 9293 3.10.7.4 fifth asks for SND.UNA < SEG.ACK",
    RESET_AROUND_THE_FIN: "tcp_rcv_state_process, CLOSE-WAIT and on; RFC 9293 3.10.7.4 seventh ignores it",
    RST_WITH_AN_OLD_TIMESTAMP: "tcp_timewait_state_process and tcp_check_req; RFC 7323 5.2 exempts a RST (MUST NOT)",
    LARGER_THAN_THE_FIELD: "tcp_select_window limits what it tells, not rcv_wnd; RFC 9293 3.10.7.4 first has RCV.WND",
    SYN_ACK_TAKEN_FOR_AN_ACK: "tcp_check_req; RFC 9293 3.10.7.4 fourth returns to LISTEN",
    NUMBERED_BY_THE_WINDOW: "tcp_acceptable_seq; RFC 9293 3.10.7.4 first has <SEQ=SND.NXT>",
}
"""What 7.2 was seen to do and no scenario has yet, with the kernel's function and the clause that it deviates from."""

Rule = Iterator[Answer]
_LARGER = 1 << 16
_HALF = 1 << 31  # as far ahead as behind


def designed(at: ControlBlock, segment: Segment) -> Rule:
    """What Linux may answer besides ``answers``, each with where the connection then is."""
    if at.state == "LISTEN":
        if segment.flags & (SYN | FIN | RST | ACK) == SYN | FIN:
            yield Answer("syn_with_fin", f"{_TABLE}[LISTEN-SYN+FIN-inside]", at)
    elif at.state == "TIME-WAIT":
        yield from _time_wait(at, segment)
    elif at.state not in ("CLOSED", "SYN-SENT"):
        yield from _around(at, segment)
        yield from _in_window(at, segment)
        yield from _closing(at, segment)
        if at.state == "SYN-RECEIVED" and not at.actively:
            yield from _request(at, segment)
        if at.early and at.snd_una == at.iss:
            yield from _early(at, segment)
        if at.state == "SYN-RECEIVED" and at.actively and segment.flags & ACK and segment.ack == at.snd_una:
            opened = replace(at, state="ESTABLISHED")
            several = (*answers(opened, segment), *designed(opened, segment))
            yield from (replace(one, clause=OPENED_BY_AN_OLD_ACK) for one in several)
        if at.state == "FIN-WAIT-2" and not at.reads:
            yield from _mini_socket(at, segment)


def _gone(at: ControlBlock) -> ControlBlock:
    return replace(at, state="CLOSED")


def _ack(clause: str, at: ControlBlock) -> Answer:
    return Answer("acknowledged", clause, replace(at, owed=0), ACK, at.snd_nxt, at.rcv_nxt)


def _reset(clause: str, at: ControlBlock, segment: Segment) -> Answer:
    """As what belongs to no connection is answered."""
    (answer,) = answers(replace(at, state="CLOSED"), segment)
    return replace(answer, clause=clause)


def _as(clause: str, at: ControlBlock, segment: Segment) -> Rule:
    yield from (replace(answer, clause=clause) for answer in answers(at, segment))


def _in_window(at: ControlBlock, segment: Segment) -> Rule:
    """What counts as acceptable (tcp_sequence), and what is dropped before that is asked."""
    flags, wider = segment.flags, replace(at, rcv_wnd=at.rcv_wnd + 1)
    if not flags & (SYN | RST | ACK):
        yield Answer("unexamined", f"{_TABLE}[ESTABLISHED-no-flags-left]", at)
    if distance(at.rcv_nxt, segment.seq) == at.rcv_wnd > 0:
        yield from _as(f"{_TABLE}[ESTABLISHED-ACK-right-equal]", wider, segment)
    if segment.seq != segment.next_seq == at.rcv_nxt and flags & ACK and not flags & (SYN | RST):
        bare = msgspec.structs.replace(segment, seq=at.rcv_nxt, data=b"", flags=flags & ~FIN)
        for answer in _as(f"{_TABLE}[CLOSING-data-left-equal]", at, bare):
            yield answer
            if answer.flags is None and answer.after.state not in ("CLOSED", "LISTEN"):
                yield _ack(answer.clause, answer.after)
    overruns = distance(add(at.rcv_nxt, at.rcv_wnd), segment.next_seq) > 0
    if flags & RST:
        if acceptable(wider, segment) or segment.next_seq == at.rcv_nxt:
            yield _ack(f"{_TABLE}[ESTABLISHED-all-flags-left-equal]", at)
        if any(segment.seq == kept.next_seq for kept in at.kept):
            yield Answer("ended", f"{_ORDERS}[FIN-WAIT-2-owned-newack-fin-rst-data-ack-dup]", _gone(at))
        if overruns:
            yield Answer("refused", _OVERRUN, at)
    elif overruns:
        yield _ack(_OVERRUN, at)
    if at.rcv_wnd == 0 and segment.seq == at.rcv_nxt and flags & (SYN | RST | FIN) == FIN and not segment.data:
        yield from _as(f"{_TABLE}_with_a_zero_window[ESTABLISHED-FIN+ACK-at-equal]", wider, segment)
    if at.state != "SYN-RECEIVED" and flags & ACK and not flags & RST and distance(add(at.iss, 1), segment.ack) < 0:
        yield _ack(f"{_TABLE}[ESTABLISHED-ACK-at-left-edge-older]", at)


def in_a_larger_window(at: ControlBlock, segment: Segment, clause: str = LARGER_THAN_THE_FIELD) -> Rule:
    """What Linux answers to what lies beyond the window as it was offered, since it has a larger one."""
    beyond = distance(add(at.rcv_nxt, at.rcv_wnd), segment.next_seq)
    if 0 <= beyond <= _LARGER:
        wider = replace(at, rcv_wnd=at.rcv_wnd + beyond + 1)
        yield from (replace(one, clause=clause) for one in (*answers(wider, segment), *designed(wider, segment)))


def _around(at: ControlBlock, segment: Segment) -> Rule:
    """Old octets, all that the window has room for, and more (tcp_sequence, tcp_in_window)."""
    before, beyond = (
        distance(one, other) for one, other in ((segment.seq, at.rcv_nxt), (at.rcv_nxt, segment.next_seq))
    )
    if before > 0 and at.rcv_wnd < beyond <= at.rcv_wnd + _LARGER and not acceptable(at, segment):
        wider = replace(at, rcv_wnd=beyond)
        several = (*answers(wider, segment), *_mini_socket(wider, segment)) if not at.reads else answers(wider, segment)
        yield from (replace(one, clause=AROUND_THE_WINDOW) for one in several)


def _closing(at: ControlBlock, segment: Segment) -> Rule:
    flags = segment.flags
    if at.state in _AFTER_THE_FIN:
        if flags & RST and add(segment.seq, 1) == at.rcv_nxt:
            yield Answer("ended", f"{_TABLE}[CLOSE-WAIT-RST-left]", _gone(at))
        if segment.next_seq != segment.seq and not flags & (SYN | RST):
            begins = at.rcv_nxt if distance(segment.seq, at.rcv_nxt) > 0 and acceptable(at, segment) else segment.seq
            bare = msgspec.structs.replace(segment, seq=begins, data=b"", flags=flags & ~FIN)
            yield from _as(f"{_TABLE}[CLOSE-WAIT-FIN+ACK-at-left-edge-equal]", at, bare)
        end = add(segment.seq, len(segment.data))
        if not flags & (SYN | RST) and distance(segment.seq, at.rcv_nxt) > 0 and distance(at.rcv_nxt, end) > 0:
            yield _reset(RESET_AROUND_THE_FIN, at, segment)
        if at.state == "CLOSING" and flags & FIN and distance(segment.seq, at.rcv_nxt) > 0 and end == at.rcv_nxt:
            yield _ack(COUNTED_TWICE, replace(at, rcv_nxt=segment.next_seq))
    ahead = distance(at.rcv_nxt, add(segment.seq, len(segment.data))) > 0
    if not at.reads and flags & FIN and ahead and acceptable(replace(at, rcv_wnd=at.rcv_wnd + 1), segment):
        yield _reset(f"{_ORDERS}[FIN-WAIT-1-orphaned-newack-fin-data-ack-dup-rst]", at, segment)


def _request(at: ControlBlock, segment: Segment) -> Rule:
    """A half-open connection (tcp_check_req)."""
    flags = segment.flags
    if not flags & SYN or flags & RST:
        return
    if add(segment.seq, 1) == at.rcv_nxt and not flags & ACK:
        yield Answer("again", f"{_TABLE}[SYN-RECEIVED-SYN-left]", at, SYN | ACK, at.iss, at.rcv_nxt)
    if add(segment.seq, 1) == at.rcv_nxt and flags & ACK and segment.ack == at.snd_nxt:
        yield _ack(SYN_ACK_TAKEN_FOR_AN_ACK, replace(at, actively=True))  # from here on it is a socket of its own
    if acceptable(replace(at, rcv_wnd=at.rcv_wnd + 1), segment):
        yield replace(_reset(f"{_TABLE}[SYN-RECEIVED-SYN-inside]", at, segment), after=_gone(at))


def _early(at: ControlBlock, segment: Segment) -> Rule:
    """A Fast Open whose handshake goes on: "we try not to reset the local connection" (tcp_check_req)."""
    flags = segment.flags
    if at.state == "SYN-RECEIVED" and not at.reads and flags & (SYN | RST | ACK) == ACK:
        yield _ack(EARLY_CLOSED, at)
    if not flags & SYN or flags & RST:
        return
    if not flags & ACK and distance(segment.seq, at.rcv_nxt) > 0:
        yield Answer("again", EARLY_AGAIN, at, SYN | ACK, at.iss, at.rcv_nxt)
    if acceptable(replace(at, rcv_wnd=at.rcv_wnd + 1), segment):
        yield replace(_reset(EARLY_RESET, at, segment), after=at)


def given_up(at: ControlBlock, segment: Segment) -> Rule:
    """TIME-WAIT gives way to a SYN, which the listener then drops for an option or a signature."""
    ahead = distance(at.rcv_nxt, segment.seq)
    opens = segment.flags & (SYN | RST | ACK) == SYN and (ahead >= 0 or ahead == -_HALF)
    if opens and at.state in ("TIME-WAIT", "FIN-WAIT-2"):
        yield Answer("given_up", GIVEN_UP_FOR_NOTHING, _gone(at))


def _time_wait(at: ControlBlock, segment: Segment) -> Rule:
    """The mini-socket of TIME-WAIT (tcp_timewait_state_process)."""
    flags, there = segment.flags, segment.seq == at.rcv_nxt
    if flags & RST:
        if not there:
            yield Answer("ignored", f"{_TABLE}[TIME-WAIT-RST-inside]", at)
    elif there and segment.next_seq == segment.seq:
        yield Answer("ignored", f"{_TABLE}[TIME-WAIT-ACK-at-left-edge-newer]", at)
    else:
        yield _ack(f"{_TABLE}[TIME-WAIT-FIN-inside]", at)
    if flags & (SYN | FIN | RST | ACK) == SYN | FIN and distance(at.rcv_nxt, segment.seq) >= 0:
        yield Answer("syn_with_fin", f"{_TABLE}[TIME-WAIT-SYN+FIN-inside]", _gone(at))


def _mini_socket(at: ControlBlock, segment: Segment) -> Rule:
    """The mini-socket that an orphan has in FIN-WAIT-2 (tcp_timewait_state_process)."""
    flags = segment.flags
    if flags & RST:
        if acceptable(replace(at, rcv_wnd=at.rcv_wnd + 1), segment):
            yield Answer(
                "ended", f"{_IN_STATES}rst_inside_the_window_is_challenged[FIN-WAIT-2-orphaned-IPv4]", _gone(at)
            )
        yield _ack(f"{_IN_STATES}rst_outside_the_window_is_dropped[FIN-WAIT-2-orphaned-right_of_window]", at)
    elif not acceptable(replace(at, rcv_wnd=at.rcv_wnd + 1), segment):
        return
    elif flags & SYN and distance(at.rcv_nxt, segment.seq) >= 0:
        yield _reset(f"{_IN_STATES}syn_inside_the_window_is_challenged[FIN-WAIT-2-orphaned-IPv4]", at, segment)
    else:
        clause = f"{_IN_STATES}ack_of_what_was_never_sent_is_answered_with_an_ack[FIN-WAIT-2-orphaned-IPv4]"
        if not flags & ACK or distance(at.rcv_nxt, segment.next_seq) <= 0 or segment.next_seq == segment.seq:
            yield Answer("ignored", clause, at)
        elif flags & FIN and segment.next_seq == add(at.rcv_nxt, 1):
            yield _ack(clause, replace(at, state="TIME-WAIT", rcv_nxt=segment.next_seq))
        else:
            yield _reset(clause, at, segment)
