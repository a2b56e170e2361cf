"""A script's system calls as steps of a session's endpoints. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import msgspec

from harness.errors import FinwaitError
from harness.packetdrill.clock import tolerance
from harness.packetdrill.constants import constant, number_of, unescaped, value_of
from harness.packetdrill.draft import Draft, NamedSocket
from harness.packetdrill.expressions import Anything, Array, Braced, Expression, Number, Structure, Text, Word
from harness.packetdrill.script import SystemCall
from harness.program.steps import AnyStep, Call, Enter, Leave, Octets, Open, Ref, Several, Value
from harness.tcp import socket_options

_TCP = ((1, 6), (1, 0))
"""Kind and protocol: SOCK_STREAM, and TCP by its number or as the usual one."""
_WAITS_NOT = ("EAGAIN", "EWOULDBLOCK")


class CallSteps:
    """Writes system calls into ``draft``; ``calls`` are all of the script, in order."""

    def __init__(self, draft: Draft, calls: Sequence[SystemCall]) -> None:
        self._draft = draft
        self._later = list(calls)
        self._begun: list[tuple[int, AnyStep]] = []
        self._writers: Mapping[str, Callable[[SystemCall], bool]] = {
            "socket": self._socket,
            "bind": self._bind,
            "listen": self._listen,
            "accept": self._accept,
            "connect": self._connect,
            "write": self._write,
            "send": self._write,
            "sendto": self._sendto,
            "sendmsg": self._sendmsg,
            "read": self._read,
            "recv": self._read,
            "shutdown": self._shutdown,
            "close": self._close,
            "fcntl": self._fcntl,
            "setsockopt": self._setsockopt,
            "getsockopt": self._getsockopt,
        }

    def write(self, call: SystemCall, text: str) -> None:
        """Write one, whose line is ``text``."""
        self._later.remove(call)
        writer = self._writers.get(call.name)
        try:
            done = writer is not None and writer(call)
        except (FinwaitError, ValueError):  # arguments that are no numbers, constants that have no value here
            done = False
        if not done:
            self._draft.unsaid(f"the call {call.name}", text)

    def end(self, *, before: int | None = None) -> None:
        """Write the ends of the calls that wait, of those that have to be back by then."""
        for end, step in [one for one in self._begun if before is None or one[0] < before]:
            self._draft.steps.append(step)
            self._begun.remove((end, step))

    # -- opening

    def _socket(self, call: SystemCall) -> bool:
        kind, protocol = (number_of(one) for one in call.arguments[1:])
        if (kind & ~constant("SOCK_NONBLOCK"), protocol) not in _TCP:
            return False
        number = number_of(call.result)
        later = [one for one in self._later if one.arguments and _is(one.arguments[0], number)]
        bound = any(one.name == "bind" for one in later)
        name = self._draft.name("listener" if any(one.name == "listen" for one in later) else "client")
        args: tuple[Value, ...] = (self._draft.options.bind_port,) if bound else ()
        self._draft.steps.append(Open(on="session", name="socket", args=args, gives=(name,)))
        self._draft.sockets[number] = NamedSocket(name)
        self._draft.peer = ""
        return True

    def _bind(self, call: SystemCall) -> bool:
        return isinstance(call.arguments[1], Anything) and _is(call.result, 0)  # a socket of a session's is bound

    def _listen(self, call: SystemCall) -> bool:
        sock = self._of(call)
        self._add(call, Call(on=sock.name, name="listen", args=(number_of(call.arguments[1]),)))
        self._draft.listener = sock.name
        return True

    def _accept(self, call: SystemCall) -> bool:
        sock = self._of(call)
        if call.errno:
            self._add(call, Open(on=sock.name, name="accept"))
            return True
        name = self._draft.name("server")
        self._add(call, Open(on=sock.name, name="accept", gives=(name,)))
        if not isinstance(call.result, Anything):
            self._draft.sockets[number_of(call.result)] = NamedSocket(name, self._draft.peer)
        self._draft.choose(name)
        return call.end_ns is None

    def _connect(self, call: SystemCall) -> bool:
        draft, sock = self._draft, self._of(call)
        if not isinstance(call.arguments[1], Anything):
            return False
        begins = not sock.peer
        if begins:
            sock.peer = draft.new_peer(Ref(f"{sock.name}.port"))
        step = Call(on=sock.name, name="connect", args=(Ref(sock.peer),), named={"wait": False})
        if call.errno == "EINPROGRESS" or (call.end_ns is not None and begins):
            draft.steps.append(step)
            draft.choose(sock.name)
            if call.end_ns is not None:
                self._begin(call, Call(on=sock.name, name="wait_connected", error=call.errno or ""))
        else:
            self._add(call, step)
        return True

    # -- data

    def _write(self, call: SystemCall) -> bool:
        data, flags = Octets(bytes(number_of(call.arguments[2]))), call.arguments[3:4]
        return self._sent(call, data, number_of(flags[0]) if flags else 0)

    def _sent(self, call: SystemCall, data: Octets, flags: int) -> bool:
        sock = self._of(call)
        args: tuple[Value, ...] = (data, flags) if flags else (data,)
        if call.end_ns is not None:
            return False  # a session's sockets give back what was taken at once
        self._add(call, Call(on=sock.name, name="send", args=args, result=_result(call)))
        return True

    def _read(self, call: SystemCall) -> bool:
        sock, size, flags = self._of(call), number_of(call.arguments[2]), call.arguments[3:4]
        if flags and number_of(flags[0]):
            return False
        count = _result(call)
        result = None if count is None else Octets(bytes(count))
        if call.end_ns is not None:
            reader = self._draft.name("reader")
            self._draft.steps.append(Open(on=sock.name, name="begin_receive", args=(size,), gives=(reader,)))
            self._begin(call, Call(on=reader, name="end", result=result, error=call.errno or ""))
        else:
            self._add(call, Call(on=sock.name, name="receive", args=(size,), result=result))
        return True

    def _sendto(self, call: SystemCall) -> bool:
        draft, sock = self._draft, self._of(call)
        flags, data = number_of(call.arguments[3]), Octets(bytes(number_of(call.arguments[2])))
        opens = flags == constant("MSG_FASTOPEN") and not sock.peer and isinstance(call.arguments[4], Anything)
        if not opens or call.end_ns is not None:
            return False
        sock.peer = draft.new_peer(Ref(f"{sock.name}.port"))
        count = 0 if call.errno == "EINPROGRESS" else _result(call)
        error = "" if call.errno == "EINPROGRESS" else call.errno or ""
        step = Call(on=sock.name, name="send_opening", args=(data, Ref(sock.peer)), result=count, error=error)
        draft.steps.append(step)
        draft.choose(sock.name)
        return True

    def _sendmsg(self, call: SystemCall) -> bool:
        message = call.arguments[1]
        if not isinstance(message, Structure) or "msg_control" in message.fields:
            return False
        vectors = message.fields["msg_iov"]
        if not isinstance(message.fields["msg_name"], Anything) or not isinstance(vectors, Array):
            return False
        sizes = [_size(one) for one in vectors.items]
        return self._sent(call, Octets(bytes(sum(sizes))), number_of(call.arguments[2]))

    # -- the rest

    def _shutdown(self, call: SystemCall) -> bool:
        self._add(call, Call(on=self._of(call).name, name="shutdown", args=(number_of(call.arguments[1]),)))
        return True

    def _close(self, call: SystemCall) -> bool:
        self._add(call, Call(on=self._of(call).name, name="close"))
        self._draft.sockets.pop(number_of(call.arguments[0]), None)
        return True

    def _fcntl(self, call: SystemCall) -> bool:
        # whether its calls wait shows in their results
        return number_of(call.arguments[1]) in (constant("F_SETFL"), constant("F_GETFL"))

    def _setsockopt(self, call: SystemCall) -> bool:
        sock, name = self._of(call), _option_name(call)
        if name == "SO_REUSEADDR":
            return True  # a session's sockets have it
        value = _option_value(call.arguments[3])
        if name is None or value is None:
            return False
        self._add(call, Call(on=sock.name, name="set_option", args=(name, value)))
        return True

    def _getsockopt(self, call: SystemCall) -> bool:
        sock, name = self._of(call), _option_name(call)
        value = _option_value(call.arguments[3])
        if name is None or not isinstance(value, int) or value_of(call.arguments[4]) != [4]:
            return False
        self._add(call, Call(on=sock.name, name="option", args=(name,), result=value))
        return True

    # -- what they share

    def _of(self, call: SystemCall) -> NamedSocket:
        number = number_of(call.arguments[0])
        if number not in self._draft.sockets:
            raise FinwaitError(f"line {call.line}: no socket of a session's")
        return self._draft.sockets[number]

    def _add(self, call: SystemCall, step: AnyStep) -> None:
        """Write a step with the script's error; one that must not wait stands where it does not."""
        if call.errno:
            step = msgspec.structs.replace(step, error=call.errno, result=None)
        if call.errno in _WAITS_NOT:
            around = Enter(on=step.on, name="without_waiting"), Leave(on=step.on, name="without_waiting")
            self._draft.steps += [around[0], step, around[1]]
        else:
            self._draft.steps.append(step)

    def _begin(self, call: SystemCall, end: AnyStep) -> None:
        back = self._draft.now + (call.end_ns or 0) - self._draft.event_start
        off = tolerance(self._draft.options.tolerance_ns, back - self._draft.now)
        self._begun.append((back + off, end))
        self._draft.unsaid("when a call that waits is back", f"{call.name}, {back / 1e9:g} s", needed=False)


def _is(expression: Expression, number: int) -> bool:
    return isinstance(expression, Number) and expression.value == number


def _result(call: SystemCall) -> int | None:
    return None if isinstance(call.result, Anything) or call.errno else number_of(call.result)


def _size(vector: Expression) -> int:
    fields = vector.items if isinstance(vector, Braced) else tuple(getattr(vector, "fields", {}).values())
    return number_of(fields[1])


def _option_name(call: SystemCall) -> Value:
    """The option's name where a session knows it, else its level and number."""
    level, option = call.arguments[1:3]
    pair = number_of(level), number_of(option)
    if isinstance(option, Word):
        with suppress(FinwaitError):
            if socket_options.number_of(option.name) == pair:
                return option.name
    return Several(pair)


def _option_value(given: Expression) -> Value:
    """A number, a text or the octets of a structure; None for what is none of them."""
    match given:
        case Array(items=(one,)):
            return number_of(one)
        case Text(value=text):
            return unescaped(text).decode("latin-1")
        case Structure(kind="linger", fields=fields):
            return Octets(struct.pack("ii", number_of(fields["onoff"]), number_of(fields["linger"])))
    return None
