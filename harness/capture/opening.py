"""How a program of a capture begins: the lab's settings, the sockets, a handshake that no frame shows. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.capture.draft import ProgramDraft, flags_of
from harness.capture.endings import CallGuess
from harness.capture.facts import Facts
from harness.capture.timers import deferred, kept_alive
from harness.program.steps import Allow, Call, Expect, Joined, Made, Open, Ref, Send, Value
from harness.tcp.segment import ACK, SYN

_SYSCTLS = {"TS": "net/ipv4/tcp_timestamps", "sackOK": "net/ipv4/tcp_sack", "wscale": "net/ipv4/tcp_window_scaling"}
_PROBES = "net/ipv4/tcp_early_retrans"
_ASSUMED = "mss 1460,sackOK,{}nop,wscale 7"


def open_up(draft: ProgramDraft, facts: Facts) -> bool:
    """Write down what comes before the first frame; whether the connection is open then."""
    _set_sysctls(draft, facts)
    isn = facts.conversation.first[1 - facts.near].isn
    named: dict[str, Value] = {} if isn is None else {"isn": isn}
    if facts.active:
        draft.add(Open(on="session", name="socket", gives=("client",)))
        draft.add(Open(on="session", name="new_peer", args=(Ref("client.port"),), named=named, gives=("peer",)))
        draft.add(Call(on="client", name="connect", args=(Ref("peer"),), named={"wait": False}))
        return False
    if facts.refused:
        draft.say("no socket listens: the near side sends RSTs alone")
    else:
        draft.add(Open(on="session", name="listen", gives=("listener",)))
        if seconds := deferred(facts.sightings, facts.near):
            draft.add(Call(on="listener", name="set_option", args=("TCP_DEFER_ACCEPT", seconds)))
            draft.say(f"TCP_DEFER_ACCEPT is {seconds} s: the SYN,ACK comes again after its ACK")
    draft.add(Open(on="session", name="new_peer", named=named, gives=("peer",)))
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
    for name, args in before:
        draft.add(Call(on=socket, name=name, args=args), "inferred")
    if facts.without_nagle:
        draft.add(Call(on=socket, name="set_option", args=("TCP_NODELAY", 1)))
        draft.say("TCP_NODELAY is set: a short segment is sent while another is not acknowledged")
    if alive := kept_alive(facts.sightings, facts.near):
        options = {"TCP_KEEPIDLE": alive.idle, "TCP_KEEPINTVL": alive.interval, "TCP_KEEPCNT": alive.most}
        for option, value in options.items():
            if value:
                draft.add(Call(on=socket, name="set_option", args=(option, value)))
        draft.add(Call(on=socket, name="set_option", args=("SO_KEEPALIVE", 1)))
        draft.say(f"SO_KEEPALIVE is set: it is asked after {alive.idle} s, and every {alive.interval} s")
    if facts.far_end:
        between = Made("Between", {"low": 1, "high": facts.far_end})
        draft.add(Allow(on="peer", name="allow", args=(flags_of(ACK),), named={"ack": between, "length": 0}))
        draft.say("when data are acknowledged is not judged, if nothing else is in the segment")
