"""System calls, and what a lab sets, as packetdrill writes them. Pure."""

from __future__ import annotations

import errno
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.program.steps import AnyStep, Made, Octets, Value
from harness.tcp import socket_options
from harness.tcp.verdict import LabCondition

_METRICS = {"route cc_algo": "congctl {}", "route rto_min lock": "rto_min {}ms", "route quickack": "quickack {}"}
"""The metrics of a lab's route as ip-route(8) has them; it locks ``rto_min`` by itself."""

_SHUT = ("SHUT_RD", "SHUT_WR", "SHUT_RDWR")
_LEVELS = {"SO": "SOL_SOCKET", "TCP": "SOL_TCP", "IP": "SOL_IP", "IPV6": "SOL_IPV6"}
_NAMED = {("SO", number) for number in range(34)} | {("TCP", number) for number in (*range(19), 23, 25)}
"""Options that it knows by name; all others it takes by number."""


def settings_text(conditions: Sequence[LabCondition], version: int = 4) -> Iterator[str]:
    """What the lab sets, in one shell: sysctls that the kernel has, the route's metrics, and no merging by the device.

    Args:
        conditions: of the lab; what is none of these stands in a comment.
        version: of IP.
    """
    commands = [f"sysctl -q -e -w {one.name}='{one.value}'" for one in conditions if one.name.startswith("net/")]
    if any(one.name.startswith("offload ") for one in conditions):
        commands.append("ip link set dev tun0 gso_max_segs 1")  # a device of packetdrill's offloads nothing else
    if metrics := [_METRICS[one.name].format(one.value) for one in conditions if one.name in _METRICS]:
        ip = f"ip -{version} route"
        change = f"{ip} change $route dev tun0 {' '.join(metrics)}"
        commands.append(f"{ip} show dev tun0 | grep via | while read route; do {change}; done")
    if commands:
        yield "`" + "\n".join(commands) + "`"
    said = ("net/", "offload ", *_METRICS)
    yield from (f"// cannot be said: {one}" for one in conditions if not one.name.startswith(said))


def call_text(step: AnyStep, number: int) -> str:
    """The call with its result; empty where packetdrill cannot say it.

    Args:
        step: of an endpoint.
        number: of its descriptor.
    """
    writer = _WRITERS.get(step.name)
    made = writer(step) if writer else None
    if made is None:
        return ""
    text, result = made
    name, _, arguments = text.partition("(")
    ended = f"-1 {step.error} ({step.error})" if step.error and step.name not in _ERRORS else str(result)
    return f"{name}({number}{', ' if arguments != ')' else ''}{arguments} = {ended}"


def _result(step: AnyStep) -> int:
    if isinstance(step.result, Octets):
        return len(step.result.data)
    return step.result if isinstance(step.result, int) else 0


def _first(step: AnyStep, default: Value = None) -> Value:
    return step.args[0] if step.args else default


def _length(step: AnyStep) -> int:
    data = _first(step)
    return len(data.data) if isinstance(data, Octets) else 0


def _flags(step: AnyStep) -> Value:
    flags = step.args[1] if len(step.args) > 1 else step.named.get("flags", 0)
    return flags.fields.get("value") if isinstance(flags, Made) else flags


def _send(step: AnyStep) -> tuple[str, int] | None:
    if not (flags := _flags(step)):
        return f"write(..., {_length(step)})", _result(step)
    return f"send(..., {_length(step)}, {flags})", _result(step)


def _receive(step: AnyStep) -> tuple[str, int]:
    size = _first(step, 65536)
    if not (flags := _flags(step)):
        return f"read(..., {size})", _result(step)
    return f"recv(..., {size}, {flags})", _result(step)


def _opening(step: AnyStep) -> tuple[str, int | str]:
    taken = _result(step)
    nothing = "-1 EINPROGRESS (Operation now in progress)"
    return f"sendto(..., {_length(step)}, MSG_FASTOPEN, ..., ...)", taken or nothing


def _shutdown(step: AnyStep) -> tuple[str, int]:
    how = _first(step)
    return f"shutdown({_SHUT[how] if isinstance(how, int) else how})", 0


def _connect(step: AnyStep) -> tuple[str, int | str] | None:
    if step.named.get("wait") is False:
        return "connect(..., ...)", "-1 EINPROGRESS (Operation now in progress)"
    return ("connect(..., ...)", 0) if step.error else None  # what waits has its answer on another thread


def _set_option(step: AnyStep) -> tuple[str, int] | None:
    name, value = step.args if len(step.args) == 2 else ("", None)
    match value:
        case bool() | int() if name:
            shown, size = f"[{int(value)}]", 4
        case str() if name:
            shown, size = f'"{value}"', len(value)
        case Octets(data) if name == "SO_LINGER" and len(data) == 8:
            shown, size = "{{onoff={}, linger={}}}".format(*struct.unpack("ii", data)), 8
        case _:
            return None
    return f"setsockopt({_option(str(name))}, {shown}, {size})", 0


def _option(name: str) -> str:
    prefix = name.partition("_")[0]
    level, number = socket_options.number_of(name)
    return f"{_LEVELS[prefix]}, {name}" if (prefix, number) in _NAMED else f"{level}, {number}"


def _get_option(step: AnyStep) -> tuple[str, int] | None:
    name = _first(step)
    return (f"getsockopt({_option(name)}, [{_result(step)}], [4])", 0) if isinstance(name, str) else None


def _pending(step: AnyStep) -> tuple[str, int]:
    """What SO_ERROR gives, which a step may raise."""
    number = getattr(errno, step.error, 0) if step.error else _result(step)
    return f"getsockopt(SOL_SOCKET, SO_ERROR, [{number}], [4])", 0


def asserted(step: AnyStep) -> str:
    """What a field of TCP_INFO was, as a block of code; empty where that has no name for it."""
    field = re.sub("_[um]s$", "", str(_first(step)))
    if field == "ca_state" and step.result:
        return f"%{{ assert tcpi_ca_state == TCP_CA_{step.result}, tcpi_ca_state }}%"
    return f"%{{ assert tcpi_{field} == {step.result}, tcpi_{field} }}%" if isinstance(step.result, int) else ""


_ERRORS = ("error", "raise_error", "wait_connected")
_WRITERS: Mapping[str, Callable[[AnyStep], tuple[str, int | str] | None]] = {
    "send": _send,
    "send_opening": _opening,
    "receive": _receive,
    "receive_urgent": lambda step: ("recv(..., 1, MSG_OOB)", _result(step)),
    "begin_send": lambda step: (f"write(..., {_length(step)})", _result(step)),
    "begin_receive": lambda step: (f"read(..., {_first(step, 65536)})", _result(step)),
    "shutdown": _shutdown,
    "connect": _connect,
    "listen": lambda step: (f"listen({_first(step, 16)})", 0),
    "close": lambda _: ("close()", 0),
    "set_option": _set_option,
    "option": _get_option,
    "linger": lambda step: (f"setsockopt(SOL_SOCKET, SO_LINGER, {{onoff=1, linger={_first(step)}}}, 8)", 0),
    **dict.fromkeys(_ERRORS, _pending),
}
