"""How a program of a capture begins: the lab's settings, the sockets, a handshake that no frame shows. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.capture.draft import ProgramDraft, flags_of
from harness.capture.endings import CallGuess, calls_on
from harness.capture.facts import Facts
from harness.capture.signing import key_of, share
from harness.capture.sysctls import sysctls
from harness.capture.timers import deferred, kept_alive, linear
from harness.capture.writing import Writing
from harness.program.steps import Allow, Call, Expect, Joined, Made, Open, Ref, Send, Value
from harness.tcp.segment import ACK, SYN

_SYSCTLS = {"TS": "net/ipv4/tcp_timestamps", "sackOK": "net/ipv4/tcp_sack", "wscale": "net/ipv4/tcp_window_scaling"}
_PROBES = "net/ipv4/tcp_early_retrans"
_PENDING = 16
"""Connections that a listener may have whose SYN had data."""

_USUAL_SYNS = 7
"""How often a SYN is sent (net.ipv4.tcp_syn_retries of 6)."""

_USUAL_BUFFER = 40_000
"""Octets that a call may always write before the first of them is acknowledged."""

_ROOM = 4
"""Octets of buffer that one of data takes, where each segment has a buffer of its own."""

_ASSUMED = "mss 1460,sackOK,{}nop,wscale 7"


def open_up(draft: ProgramDraft, facts: Facts) -> bool:
    """Write down what comes before the first frame; whether the connection is open then."""
    _set_sysctls(draft, facts)
    isn = facts.conversation.first[1 - facts.near].isn
    named: dict[str, Value] = {} if isn is None else {"isn": isn}
    if room := facts.receive_buffer:
        draft.say(f"SO_RCVBUF is {room}, of which it offers about as much")
    if facts.active:
        draft.add(Open(on="session", name="socket", gives=("client",)))
        if room:
            draft.add(Call(on="client", name="set_option", args=("SO_RCVBUF", room)))
        draft.add(Open(on="session", name="new_peer", args=(Ref("client.port"),), named=named, gives=("peer",)))
        if key := key_of(facts):
            share(draft, key, "client")
        if (copies := facts.syns) > _USUAL_SYNS:
            draft.add(Call(on="client", name="set_option", args=("TCP_SYNCNT", copies - 1)))
            draft.say(f"TCP_SYNCNT is {copies - 1}: the SYN is sent {copies} times")
        draft.add(Call(on="client", name="connect", args=(Ref("peer"),), named={"wait": False}))
        return False
    key = key_of(facts)
    if facts.refused and not key:
        draft.say("no socket listens: the near side sends RSTs alone")
    else:
        draft.add(Open(on="session", name="listen", gives=("listener",)))
        if room := facts.receive_buffer:
            draft.add(Call(on="listener", name="set_option", args=("SO_RCVBUF", room)))
        if facts.fast_open:
            draft.add(Call(on="listener", name="set_option", args=("TCP_FASTOPEN", _PENDING)))
        if seconds := deferred(facts.sightings, facts.near):
            draft.add(Call(on="listener", name="set_option", args=("TCP_DEFER_ACCEPT", seconds)))
            draft.say(f"TCP_DEFER_ACCEPT is {seconds} s: the SYN,ACK comes again after its ACK")
    draft.add(Open(on="session", name="new_peer", named=named, gives=("peer",)))
    if key:
        share(draft, key, "listener")
    assumed = facts.syn(1 - facts.near) is None and not facts.refused
    if assumed:
        _assume_opening(draft, facts)
    return assumed


def _set_sysctls(draft: ProgramDraft, facts: Facts) -> None:
    own, other = facts.syn(facts.near), facts.syn(1 - facts.near)
    for name, sysctl in _SYSCTLS.items():
        offered = facts.active or (other is not None and other.option(name) is not None)
        if own is not None and offered and own.option(name) is None:
            draft.add(Call(on="session", name="sysctl", args=(sysctl, 0)))
            draft.say(f"{sysctl} is 0: the near side's SYN is without {name}")
    for sysctl, value, told in sysctls(facts):
        draft.add(Call(on="session", name="sysctl", args=(sysctl, value)))
        draft.say(f"{sysctl} is {value}: {told}")
    if facts.without_probes:
        draft.add(Call(on="session", name="sysctl", args=(_PROBES, 0)))
        draft.say(f"{_PROBES} is 0: a timer has the first of a flight sent again, and no probe its last")


def _assume_opening(draft: ProgramDraft, facts: Facts) -> None:
    stamp = next((one.segment.option("TS") for one in facts.sightings if one.side != facts.near), None)
    stamped = stamp is not None and facts.stamped and bool(stamp.values)
    value = stamp.values[0] if stamp and stamped else 0
    options = _ASSUMED.format(f"TS val {value} ecr 0," if stamped else "nop,nop,")
    draft.say(f"the handshake is not in the capture: the options {options} are assumed")
    echo: Value = Joined((f"nop,nop,TS val {value} ecr ", Ref("peer.echo"))) if stamped else ""
    draft.add(Send(on="peer", name="send", args=(flags_of(SYN),), named={"seq": 0, "options": options}), "assumed")
    draft.add(Expect(on="peer", name="expect", args=(flags_of(SYN),), named={"seq": 0, "ack": 1}))
    draft.add(Send(on="peer", name="send", args=(flags_of(ACK),), named={"seq": 1, "ack": 1, "options": echo}))


def accept(draft: ProgramDraft, facts: Facts, socket: str, before: Sequence[CallGuess]) -> None:
    """Write down what a process does with a connection that is open: it has its socket, and sets its options.

    Args:
        draft: where to.
        facts: of the connection.
        socket: its name.
        before: what else it calls then.
    """
    if facts.active:
        draft.add(Call(on=socket, name="wait_connected"))
    else:
        draft.add(Open(on="listener", name="accept", gives=(socket,)))
    for call in calls_on(socket, tuple(before)):
        draft.add(call, "inferred")
    if facts.without_nagle:
        draft.add(Call(on=socket, name="set_option", args=("TCP_NODELAY", 1)))
        draft.say("TCP_NODELAY is set: a short segment is sent while another is not acknowledged")
    if linear(facts.sightings, facts.near):
        draft.add(Call(on=socket, name="set_option", args=("TCP_THIN_LINEAR_TIMEOUTS", 1)))
        draft.say("TCP_THIN_LINEAR_TIMEOUTS is set: a timer does not back off")
    if one_each := Writing(facts).one_each:
        draft.say("each call writes one segment with MSG_EOR: full ones in a row have PSH")
    if one_each or facts.octets > _USUAL_BUFFER:
        room = _ROOM * facts.octets
        draft.add(Call(on=socket, name="set_option", args=("SO_SNDBUF", room)))
        draft.say(f"SO_SNDBUF is {room}, so that no call waits for room")
    if alive := kept_alive(facts.sightings, facts.near):
        options = {"TCP_KEEPIDLE": alive.idle, "TCP_KEEPINTVL": alive.interval, "TCP_KEEPCNT": alive.most}
        for option, value in options.items():
            if value:
                draft.add(Call(on=socket, name="set_option", args=(option, value)))
        draft.add(Call(on=socket, name="set_option", args=("SO_KEEPALIVE", 1)))
        draft.say(f"SO_KEEPALIVE is set: it is asked after {alive.idle} s, and every {alive.interval} s")
    if high := max(facts.far_end, facts.late_fin, facts.lacking):
        between = Made("Between", {"low": 1, "high": high})
        draft.add(Allow(on="peer", name="allow", args=(flags_of(ACK),), named={"ack": between, "length": 0}))
        draft.say("when data are acknowledged is not judged, if nothing else is in the segment")
