"""Values of a scenario's arguments as data, and back. Pure."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec

from harness.errors import FinwaitError
from harness.program.steps import Joined, Made, Octets, Ref, Several, Value
from harness.tcp.authentication import AoKey, Md5Key
from harness.tcp.ip import Envelope, IpHeader
from harness.tcp.options import Option
from harness.tcp.pattern import Between, Pattern
from harness.tcp.segment import Flags, Segment
from harness.tcp.timing import Span

KINDS: Mapping[str, Callable[..., Any]] = {
    one.__name__: one
    for one in (AoKey, Between, Envelope, Flags, IpHeader, Md5Key, socket.MsgFlag, Option, Pattern, Segment, Span)
}
"""What a ``Made`` can be, by name."""

_NUMBER = "value"
_PLAIN, _FLAGS = bool | float | None, Flags | socket.MsgFlag

Naming = Callable[[object, str], Ref | Joined | None]
"""The name of a thing of the lab, or of one of its numbers, or a text with such names; None for all else."""


def encoded(value: object, named: Naming = lambda *_: None, parameter: str = "") -> Value:  # noqa: PLR0911  (one for each kind)
    """A value as data.

    Args:
        value: an argument or a result of a public method.
        named: is asked for the name of the value, and of what is in it, as given for the parameter.
        parameter: which argument it is.

    Raises:
        FinwaitError: it is neither plain data nor a thing of the lab.
    """
    if isinstance(value, _PLAIN):
        return value
    if (name := named(value, parameter)) is not None:
        return name
    if isinstance(value, _FLAGS):
        return Made(type(value).__name__, {_NUMBER: int(value)})
    if isinstance(value, int):
        return int(value)  # a plain one: other enumerations are numbers as well
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return Octets(value)
    if type(value).__name__ in KINDS:
        return Made(type(value).__name__, {name: encoded(one, named, parameter) for name, one in _fields(value)})
    if isinstance(value, tuple | list):
        return Several(tuple(encoded(one, named, parameter) for one in value))
    raise FinwaitError(
        f"{value!r} is not data, and no step of a scenario made it",
        why="a program can hold numbers, texts, bytes, segments, patterns, spans, and what its own steps opened",
    )


def _fields(value: Any) -> list[tuple[str, object]]:  # noqa: ANN401  (two kinds of record)
    """The fields that differ from their default."""
    missing = (dataclasses.MISSING, msgspec.NODEFAULT)
    found = [(name, getattr(value, name), default) for name, default in _defaults(type(value).__name__)]
    if isinstance(value, Pattern) and value.data is not None:
        found = [one for one in found if one[0] != "length"]  # follows from the data
    if isinstance(value, Segment):
        found = [(name, Flags(one) if name == "flags" else one, default) for name, one, default in found]
    return [(name, one) for name, one, default in found if default in missing or one != default]


@cache  # msgspec reads a type's annotations anew each time
def _defaults(name: str) -> list[tuple[str, object]]:
    kind: Any = KINDS[name]
    if issubclass(kind, msgspec.Struct):
        return [(field.name, field.default) for field in msgspec.structs.fields(kind)]
    return [(field.name, field.default) for field in dataclasses.fields(kind) if field.init]


def decoded(value: Value, resolve: Callable[[str], object]) -> Any:  # noqa: ANN401  (whatever it was)
    """The value again, with the things of the lab that ``resolve`` gives by name.

    Raises:
        FinwaitError: a kind that there is not, or fields that it does not take.
    """
    match value:
        case Octets(data):
            return data
        case Ref(path):
            return resolve(path)
        case Joined(items):
            return "".join(str(decoded(one, resolve)) for one in items)
        case Several(items):
            return tuple(decoded(one, resolve) for one in items)
        case Made(kind, fields):
            return _made(kind, {name: decoded(one, resolve) for name, one in fields.items()})
    return value


def _made(kind: str, fields: dict[str, Any]) -> object:
    if kind not in KINDS:
        raise FinwaitError(f"a program holds no {kind}", hint=", ".join(KINDS))
    positional = [fields.pop(name) for name in ("flags",) if kind == "Pattern"]
    try:
        return KINDS[kind](*positional, **fields)
    except TypeError as error:
        raise FinwaitError(f"{kind} cannot be made of {fields}", why=str(error)) from error
