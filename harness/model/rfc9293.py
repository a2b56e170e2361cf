"""What RFC 9293 3.10.7 requires a TCP to answer to a segment, in any state: its text as a function. Pure.

Where the text leaves a choice all of it is given: what is recommended first. RFC 5961's protections are taken to be
there, as 3.10.7.4 describes them. A segment has to fit into the window: nothing is trimmed at its right edge. An ACK
may wait for more data, unless the control block says that the lab rules it out.

Each answer says where the connection may then be, with what it keeps for later; so what follows from several segments
is derived one by one. Where one answer leaves that open, all that is possible goes on: see ``harness.live.check``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec

from harness.model.connection import Answer, ControlBlock
from harness.model.numbers import acceptable, acknowledged, acknowledges_what_was_not_sent, in_window, opens, valid_ack
from harness.tcp.segment import ACK, FIN, RST, SYN, Segment, add, distance

_AFTER_THE_PEERS_FIN = {"ESTABLISHED": "CLOSE-WAIT", "FIN-WAIT-1": "CLOSING", "FIN-WAIT-2": "TIME-WAIT"}
"""Where the FIN takes a connection that had not seen it (RFC 9293 3.10.7.4 eighth)."""

_KEPT = "RFC9293-SHLD-31 RFC9293-MAY-13 RFC5681-3.2-1"

_Step = Callable[[ControlBlock, Segment], Iterator[Answer]]


def answers(at: ControlBlock, segment: Segment) -> tuple[Answer, ...]:
    """All that may be answered to a segment (RFC 9293 3.10.7)."""
    if at.state == "CLOSED":
        return (_in_closed(at, segment),)
    if at.state == "LISTEN":
        return (_in_listen(at, segment),)
    return tuple(_in_syn_sent(at, segment) if at.state == "SYN-SENT" else _in_other_states(at, segment))


# -- what is sent, as the RFC writes it


def _silence(name: str, clause: str, after: ControlBlock) -> Answer:
    return Answer(name, clause, after)


def _ack(name: str, clause: str, after: ControlBlock) -> Answer:
    """<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>."""
    return Answer(name, clause, replace(after, owed=0), ACK, after.snd_nxt, after.rcv_nxt)


def _reset(name: str, clause: str, after: ControlBlock, segment: Segment) -> Answer:
    """<SEQ=SEG.ACK><CTL=RST>."""
    return Answer(name, clause, after, RST, segment.ack)


def _syn_ack(name: str, clause: str, after: ControlBlock) -> Answer:
    """<SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>."""
    return Answer(name, clause, after, SYN | ACK, after.iss, after.rcv_nxt)


def _gone(at: ControlBlock) -> ControlBlock:
    """The TCB is deleted; after a passive open the listener is still there (RFC 9293 3.10.7.4, second)."""
    return replace(at, state="LISTEN" if at.state == "SYN-RECEIVED" and not at.actively else "CLOSED")


def _half_open(at: ControlBlock, segment: Segment) -> ControlBlock:
    if at.state != "SYN-SENT":  # of a new incarnation the number is not known: 0 stands for it; nothing is left
        at = replace(at, iss=0, reads=True, kept=(), owed=0, actively=False, early=False)
    opened = replace(at, snd_una=at.iss, snd_nxt=add(at.iss, 1), rcv_nxt=add(segment.seq, 1))
    return replace(opened, state="SYN-RECEIVED", actively=at.state == "SYN-SENT")


def _in_closed(at: ControlBlock, segment: Segment) -> Answer:
    clause = "RFC9293-3.10.7.1"
    if segment.flags & RST:
        return _silence("silent", f"{clause} RFC9293-E-3", at)
    if segment.flags & ACK:
        return _reset("reset", f"{clause} RFC9293-E-2", at, segment)
    # <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>
    return Answer("reset", f"{clause} RFC9293-E-1", at, RST | ACK, 0, segment.next_seq)


def _in_listen(at: ControlBlock, segment: Segment) -> Answer:
    clause = "RFC9293-3.10.7.2"
    if segment.flags & RST:
        return _silence("silent", f"{clause} first RFC9293-E-4", at)
    if segment.flags & ACK:
        return _reset("reset", f"{clause} second RFC9293-E-5", at, segment)
    if segment.flags & SYN:
        return _syn_ack("opened", f"{clause} third", _half_open(at, segment))
    return _silence("silent", f"{clause} fourth RFC9293-E-6", at)


def _in_syn_sent(at: ControlBlock, segment: Segment) -> Iterator[Answer]:
    clause = "RFC9293-3.10.7.3"
    acknowledged = bool(segment.flags & ACK)
    if acknowledged and not 0 < distance(at.iss, segment.ack) <= distance(at.iss, at.snd_nxt):
        first = f"{clause} first RFC9293-E-7"
        yield _silence("silent", first, at) if segment.flags & RST else _reset("reset", first, at, segment)
    elif segment.flags & RST:
        # its sequence number tells nothing: no SYN of the peer's has set RCV.NXT yet
        if acknowledged:
            yield _silence("ended", f"{clause} second RFC5961-3.2-4", replace(at, state="CLOSED"))
        else:
            yield _silence("ignored", f"{clause} second RFC9293-E-8", at)
    elif segment.flags & SYN:
        after = _half_open(at, segment)
        if acknowledged:
            yield _ack("established", f"{clause} fourth", replace(after, state="ESTABLISHED", snd_una=segment.ack))
        else:
            yield _syn_ack("crossed", f"{clause} fourth RFC9293-MUST-10", after)
    else:
        yield _silence("silent", f"{clause} fifth", at)


def _in_other_states(at: ControlBlock, segment: Segment) -> Iterator[Answer]:
    flags = segment.flags
    if at.state == "TIME-WAIT" and flags & (SYN | RST | ACK) == SYN:
        yield from _syn_in_time_wait(at, segment)
    elif not acceptable(at, segment):
        yield from _unacceptable(at, segment)
    elif flags & RST:
        yield from _rst(at, segment)
    elif flags & SYN:
        yield from _syn(at, segment)
    elif not flags & ACK:
        yield _silence("silent", "RFC9293-3.10.7.4 fifth RFC9293-E-12", at)
    elif distance(at.rcv_nxt, segment.seq) > 0:
        yield from _held(at, segment)
    else:
        yield from _ack_field(at, segment, _text)


def _unacceptable(at: ControlBlock, segment: Segment) -> Iterator[Answer]:
    first = "RFC9293-3.10.7.4 first RFC9293-E-9 RFC9293-E-10"
    if segment.flags & RST:
        if at.rcv_wnd == 0 and segment.seq == at.rcv_nxt:
            # the SYN or FIN with it makes it longer than a zero window, and RST counts all the same
            yield _silence("ended", "RFC9293-MUST-66", _gone(at))
        yield _silence("silent", first, at)
        return
    yield _ack("acknowledged", first, at)
    if at.state == "SYN-RECEIVED" and at.actively and opens(at, segment):
        yield _ack("established", "RFC9293-3.5 figure 7", acknowledged(at, segment))
    if at.state == "SYN-RECEIVED" and acknowledges_what_was_not_sent(at, segment):
        yield _reset("reset", "RFC9293-3.5.2 group 2", at, segment)
    if at.rcv_wnd == 0 and segment.seq == at.rcv_nxt and segment.flags & (SYN | ACK) == ACK:
        yield from _ack_at_a_zero_window(at, segment)


def _ack_at_a_zero_window(at: ControlBlock, segment: Segment) -> Iterator[Answer]:
    """What has no room may count for its ACK: "special allowance should be made to accept valid ACKs"."""
    first = "RFC9293-3.10.7.4 first"
    if not valid_ack(at, segment):
        return
    after = acknowledged(at, segment)
    if at.state == "LAST-ACK" and segment.ack == at.snd_nxt:
        yield _silence("ended", first, _gone(at))
        yield _ack("ended_and_acknowledged", first, _gone(at))
    elif after != at:
        # a receiver without a window still has to tell what it expects (3.8.6.1), so silence is no answer here
        yield _ack("ack_taken_and_acknowledged", f"{first} RFC9293-3.8.6.1", after)


def _rst(at: ControlBlock, segment: Segment) -> Iterator[Answer]:
    """The three checks of RFC 5961 3.2."""
    clause = "RFC9293-3.10.7.4 second"
    if segment.seq == at.rcv_nxt:
        yield _silence("ended", f"{clause} RFC9293-U-4 RFC5961-3.2-2", _gone(at))
    elif in_window(at, segment.seq):
        yield _ack("challenged", f"{clause} RFC9293-U-5 RFC9293-U-6 RFC5961-3.2-3", at)
    else:
        yield _silence("silent", f"{clause} RFC5961-3.2-1", at)


def _syn(at: ControlBlock, segment: Segment) -> Iterator[Answer]:
    clause = "RFC9293-3.10.7.4 fourth"
    if at.state == "SYN-RECEIVED" and not at.actively:
        yield _silence("ended", clause, _gone(at))
        if distance(segment.seq, at.rcv_nxt) > 0 and not segment.flags & ACK:
            # trimmed to what lies in the window it has neither SYN nor ACK
            yield _silence("silent", "RFC9293-3.10.7.4 fifth", at)
        if acknowledges_what_was_not_sent(at, segment):
            yield _reset("reset", "RFC9293-3.5.2 group 2", at, segment)
    else:
        yield _ack("challenged", f"{clause} RFC9293-U-7 RFC9293-U-8 RFC5961-4.2-1 RFC5961-4.2-2", at)


def _syn_in_time_wait(at: ControlBlock, segment: Segment) -> Iterator[Answer]:
    yield _ack("challenged", "RFC9293-3.10.7.4 fourth", at)
    if distance(at.rcv_nxt, segment.seq) >= 0:
        yield _syn_ack("reopened", "RFC9293-MAY-2 RFC6191-2-6 RFC6191-2-7", _half_open(at, segment))
    else:
        yield _silence("silent", "RFC6191-2-6", at)


def _held(at: ControlBlock, segment: Segment) -> Iterator[Answer]:
    """In the window and not at its left edge: kept for later, text and FIN at least (RFC 9293 SHLD-31).

    The acknowledgment in it may count at once, or later with the rest. Text or a FIN ahead of its turn is acknowledged
    at once (RFC 5681 3.2).
    """
    if segment.next_seq != segment.seq and at.state in ("SYN-RECEIVED", *_AFTER_THE_PEERS_FIN):
        whole = tuple(_keep(at, segment))
        yield from whole
        yield from (answer for answer in _ack_field(at, segment, _keep_after_ack) if answer.after != whole[0].after)
        if segment.data and not at.reads and valid_ack(at, segment):
            yield from _unread(at, segment)  # new data after CLOSE, though not in sequence
        return
    ahead = msgspec.structs.replace(segment, data=b"", flags=segment.flags & ~FIN)
    now = list(_ack_field(at, ahead, _text))
    yield from now
    seen = {(answer.flags, answer.after.state in ("CLOSED", "LISTEN")) for answer in now}
    later = (
        _silence("held", "RFC9293-SHLD-31", at),
        _ack("held_and_acknowledged", "RFC9293-MAY-13", at),
    )
    yield from (answer for answer in later if (answer.flags, False) not in seen)


def _keep(at: ControlBlock, segment: Segment) -> Iterator[Answer]:
    yield _ack("held_and_acknowledged", _KEPT, replace(at, kept=(*at.kept, segment)))


def _keep_after_ack(at: ControlBlock, segment: Segment) -> Iterator[Answer]:
    yield _ack("ack_taken_rest_held_and_acknowledged", _KEPT, replace(at, kept=(*at.kept, segment)))


def _ack_field(at: ControlBlock, segment: Segment, then: _Step) -> Iterator[Answer]:
    """The fifth step, and what comes after it."""
    fifth = "RFC9293-3.10.7.4 fifth"
    behind, ahead = distance(at.snd_una, segment.ack), distance(at.snd_nxt, segment.ack)
    if ahead > 0 or behind < -at.max_snd_wnd:
        yield _ack("acknowledged", f"{fifth} RFC9293-U-9 RFC9293-U-10 RFC5961-5.2-3", at)
        if at.state == "SYN-RECEIVED":
            yield _reset("reset", f"{fifth} RFC9293-E-13", at, segment)
    elif at.state == "SYN-RECEIVED" and behind <= 0:
        yield _reset("reset", f"{fifth} RFC9293-E-13", at, segment)
    elif at.state == "LAST-ACK" and ahead == 0:
        yield _silence("ended", fifth, _gone(at))
    elif at.state == "CLOSING" and ahead != 0:
        yield _silence("silent", fifth, acknowledged(at, segment))
    else:
        yield from then(acknowledged(at, segment), segment)


def _text(at: ControlBlock, segment: Segment) -> Iterator[Answer]:
    """The seventh and eighth step."""
    fifth, seventh, eighth = (f"RFC9293-3.10.7.4 {step}" for step in ("fifth", "seventh", "eighth RFC9293-E-17"))
    if segment.next_seq == segment.seq:
        yield _silence("silent", fifth, at)
    elif at.state in _AFTER_THE_PEERS_FIN:
        if not at.reads and distance(at.rcv_nxt, add(segment.seq, len(segment.data))) > 0:
            yield from _unread(at, segment)
            return
        taken = _taken(replace(at, kept=(*at.kept, segment)))
        yield _ack("acknowledged", eighth if segment.flags & FIN else seventh, taken)
        owed = at.owed + distance(at.rcv_nxt, segment.next_seq)
        # what fills a gap, or ends the stream, is acknowledged at once (RFC 5681 4.2, RFC 9293 3.10.7.4 eighth)
        if not at.quickack and not at.kept and not segment.flags & FIN and owed < 2 * at.rmss:
            clause = "RFC9293-3.8.6.3 RFC9293-SHLD-18 RFC9293-SHLD-19 RFC5681-4.2-1"
            yield _silence("delayed", clause, replace(taken, owed=owed))
    elif segment.flags & FIN:
        # the state remains, and of a FIN that came before nothing is left to be numbered
        yield _ack("acknowledged", eighth, replace(at, rcv_nxt=segment.next_seq))
        yield _ack("acknowledged_again", eighth, at)
    else:
        yield _silence("silent", f"{seventh} RFC9293-E-16", at)
        if at.state == "TIME-WAIT":
            # "the only thing that can arrive" there is the FIN again, so whatever arrives may be acknowledged as that
            yield _ack("acknowledged", fifth, at)


def _taken(at: ControlBlock) -> ControlBlock:
    """All that is in sequence now; nothing comes after a FIN."""
    for segment in at.kept:
        if distance(at.rcv_nxt, segment.seq) > 0:
            continue
        rest = tuple(other for other in at.kept if other is not segment)
        at = replace(at, kept=rest)
        if not valid_ack(at, segment):
            return _taken(at)  # the fifth step drops it
        at = acknowledged(at, segment)
        if distance(at.rcv_nxt, segment.next_seq) > 0:
            at = replace(at, rcv_nxt=segment.next_seq)
            if segment.flags & FIN:
                return replace(at, state=_AFTER_THE_PEERS_FIN[at.state], kept=())
        return _taken(at)
    return at


def _unread(at: ControlBlock, segment: Segment) -> Iterator[Answer]:
    """Data that nobody can read any more: a RST, numbered as of no connection (3.10.7.1) or as ABORT does (3.10.5)."""
    clause, gone = "RFC9293-3.6.1 RFC9293-SHLD-3", _gone(at)
    yield _reset("reset", clause, gone, segment)
    if segment.ack != at.snd_nxt:
        yield Answer("aborted", clause, gone, RST, at.snd_nxt)
    yield Answer("aborted_and_acknowledged", clause, gone, RST | ACK, at.snd_nxt, at.rcv_nxt)
